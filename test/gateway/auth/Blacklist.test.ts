/** The list of revoked tokens in memory: expired entries are dropped, and a list that is too old is reported. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { CoreConfig, Topic } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Gauges, Readiness } from "@eco2/core/telemetry"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import * as Blacklist from "../../../packages/gateway/src/auth/Blacklist.ts"
import * as BlacklistKeys from "../../../packages/gateway/src/auth/BlacklistKeys.ts"
import * as Revocations from "../../../packages/gateway/src/auth/Revocations.ts"
import * as LogLines from "../../core/redis/LogLines.ts"
import { until } from "../../core/Until.ts"

const maxAge = Duration.minutes(5)
/** Checks in real time, because the data comes from Redis while the list's own clock stands still. */
const eventually = <A>(look: () => A, wanted: (seen: A) => boolean) =>
  TestClock.withLive(until(Effect.sync(look), wanted))

const eventuallyEffect = <A, E, R>(look: Effect.Effect<A, E, R>, wanted: (seen: A) => boolean) =>
  TestClock.withLive(until(look, wanted))

const ground = Effect.gen(function* () {
  yield* TestClock.setTime(Date.now())
  const server = yield* RedisServer.scoped()
  const proxy = yield* Effect.acquireRelease(
    Effect.promise(() => FaultProxy.start(server.port)),
    (one) => Effect.promise(() => one.close())
  )
  const logs = LogLines.make()
  const parts = Layer.mergeAll(Topic.layer, Keyspace.layer, Readiness.layer, Gauges.layer)
  const layer = Layer.fresh(
    parts.pipe(
      Layer.provideMerge(RedisClient.layerUrl(proxy.url)),
      Layer.provide(CoreConfig.layerWith({})),
      Layer.provideMerge(logs.layer)
    )
  )
  return { proxy, logs, context: yield* Layer.build(layer) }
})
const revocation = (jti: string, seconds: number): Revocations.Revocation => ({
  jti,
  user: "ann",
  expiresAt: Date.now() + seconds * 1_000,
  reason: ""
})

describe("Blacklist", () => {
  it.effect("the blacklist forgets tokens once they have expired, both followed and loaded ones", () =>
    Effect.gen(function* () {
      const { context } = yield* ground
      yield* Effect.gen(function* () {
        yield* Revocations.revoke(revocation("loaded", 60))
        const list = yield* Blacklist.make({ maxAge })
        yield* Revocations.revoke(revocation("short", 60))
        yield* Revocations.revoke(revocation("long", 3_600))
        yield* eventually(list.size, (size) => size === 3)
        yield* TestClock.adjust("59 seconds")
        expect([list.standing("loaded"), list.standing("short")]).toEqual(["revoked", "revoked"])
        yield* TestClock.adjust("2 minutes")
        expect(list.size()).toBe(1)
        expect(list.standing("long")).toBe("revoked")
      }).pipe(Effect.provideContext(context))
    })
  )

  it.effect("whoever uses a token learns of its revocation once, at once when it is revoked already", () =>
    Effect.gen(function* () {
      const { context } = yield* ground
      yield* Effect.gen(function* () {
        const list = yield* Blacklist.make({ maxAge })
        const told: Array<string> = []
        const listen = (jti: string, name: string) => list.whenRevoked(jti, () => void told.push(name))
        const [leave] = [
          listen("ann's", "left"),
          listen("ann's", "first"),
          listen("ann's", "second"),
          listen("bob's", "bob")
        ]
        leave()
        yield* Revocations.revoke(revocation("ann's", 600))
        yield* eventually(list.size, (size) => size === 1)
        expect(told).toEqual(["first", "second"])
        listen("ann's", "late")
        expect(told).toEqual(["first", "second", "late"])
      }).pipe(Effect.provideContext(context))
    })
  )

  it.effect("whoever uses a token learns of a revocation that was missed, when the list is loaded again", () =>
    Effect.gen(function* () {
      const { context } = yield* ground
      yield* Effect.gen(function* () {
        const redis = yield* RedisClient.RedisClient
        const list = yield* Blacklist.make({ maxAge })
        const told: Array<string> = []
        for (const jti of ["missed", "after", "other"]) list.whenRevoked(jti, () => void told.push(jti))
        // its key is stored, and its event is lost with the topic
        yield* Revocations.revoke(revocation("before", 600))
        yield* eventually(list.size, (size) => size === 1)
        const { log, state } = redis.keys.topic(Revocations.BlacklistEvents.name)
        yield* redis.send(
          "SET",
          BlacklistKeys.revoked(redis.keys, "missed"),
          String(Math.ceil(Date.now() / 1_000) + 600)
        )
        yield* redis.send("DEL", log, state)
        yield* Revocations.revoke(revocation("after", 600))
        yield* Effect.repeat(
          Effect.andThen(TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep("5 millis"))),
          { until: () => told.includes("missed") && told.includes("after") }
        )
        expect(told).not.toContain("other")
      }).pipe(Effect.provideContext(context))
    })
  )

  it.effect("a flush of Redis lets no revoked token in: the blacklist keeps what it knows, and stores it again", () =>
    Effect.gen(function* () {
      const { context } = yield* ground
      yield* Effect.gen(function* () {
        const redis = yield* RedisClient.RedisClient
        const list = yield* Blacklist.make({ maxAge })
        yield* Revocations.revoke(revocation("before", 600))
        yield* eventually(list.size, (size) => size === 1)
        yield* redis.send("FLUSHALL")
        // its number does not follow the last one: the list is loaded again
        yield* Revocations.revoke(revocation("after", 600))
        yield* Effect.repeat(
          Effect.andThen(TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep("5 millis"))),
          { until: () => list.standing("after") === "revoked" }
        )
        expect(list.standing("before")).toBe("revoked")
        const loaded = yield* eventuallyEffect(
          Effect.scoped(Effect.map(Blacklist.make({ maxAge }), (other) => other.standing("before"))),
          (standing) => standing === "revoked"
        )
        expect(loaded).toBe("revoked")
      }).pipe(Effect.provideContext(context))
    })
  )

  it.effect(
    "a topic silent for more than half a minute, though nothing is known to be wrong, grows too old: nobody is let in",
    () =>
      Effect.gen(function* () {
        let ahead = 0n
        const clock = yield* Clock.Clock
        // as after a process was frozen: time has passed, and no timer has fired yet
        const frozen: Clock.Clock = Object.assign(Object.create(clock), {
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + ahead
        })
        yield* Effect.gen(function* () {
          const { context } = yield* ground
          const lists = yield* Effect.provideContext(
            Effect.all([Blacklist.make({ maxAge: Duration.seconds(1) }), Blacklist.make({ maxAge })]),
            context
          )
          const standing = () => lists.map((list) => list.standing("a"))
          expect(standing()).toEqual(["good", "good"])
          // a blocking read is answered after twenty seconds
          ahead = 25_000_000_000n
          expect(standing()).toEqual(["good", "good"])
          ahead = 31_000_000_000n
          expect(standing()).toEqual(["unknown", "good"])
          ahead = 301_000_000_000n
          expect(standing()).toEqual(["unknown", "unknown"])
        }).pipe(Effect.provideService(Clock.Clock, frozen))
      })
  )

  it.effect("a blacklist that is cut off logs once that revocations do not arrive, and once that it is too old", () =>
    Effect.gen(function* () {
      const { context, logs, proxy } = yield* ground
      yield* Effect.gen(function* () {
        const list = yield* Blacklist.make({ maxAge })
        yield* eventually(proxy.connections, (count) => count === 2)
        proxy.refuse()
        const blind = "revocations do not arrive; using the last known list"
        const old = "the list of revocations is too old; nobody is let in"
        yield* Effect.repeat(
          Effect.andThen(TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep("5 millis"))),
          { until: () => logs.of(blind).length > 0 }
        )
        expect(list.standing("a")).toBe("good")
        yield* TestClock.adjust("4 minutes")
        expect(list.standing("a")).toBe("good")
        expect(logs.of(old)).toEqual([])
        yield* TestClock.adjust("2 minutes")
        expect(list.standing("a")).toBe("unknown")
        yield* TestClock.adjust("10 minutes")
        expect([logs.of(blind).length, logs.of(old).length]).toEqual([1, 1])
      }).pipe(Effect.provideContext(context))
    })
  )
})
