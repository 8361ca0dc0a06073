/** Permits are leases: a living holder keeps its own, and a dead holder's comes back. */
import { expect, it } from "@effect/vitest"
import { CoreConfig, Limit, RateLimiter, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Readiness } from "@eco2/core/telemetry"
import { FaultProxy } from "@eco2/core/testing"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer } from "effect"
import * as Fleet from "../CoreFixture.ts"
import * as LogLines from "../redis/LogLines.ts"
import { child, grant, process } from "./LimitFixture.ts"

const redis = Fleet.privateRedis()
const held = "eco2:limit-held:{test}"

/** Holds a permit until told to end. */
const hold = (limit: Limit.Limit, end: Deferred.Deferred<void>) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const limiter = yield* RateLimiter.RateLimiter
    const fiber = yield* Effect.forkChild(
      limiter.use(limit, {}, () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)))
    )
    yield* Effect.raceFirst(Deferred.await(begun), Effect.asVoid(Fiber.join(fiber)))
    return fiber
  })

it.live("L1 a permit is free again when its work ends, whether it succeeds, dies or is interrupted", () =>
  Effect.gen(function* () {
    const limit = Limit.make("test", { permits: 1 })
    const one = yield* process(redis.url)
    const other = yield* process(redis.url)
    const end = yield* Deferred.make<void>()
    const holding = yield* one.run(hold(limit, end))
    expect((yield* Effect.flip(other.run(grant(limit, { patience: 0 }))))._tag).toBe("RateLimited")
    const waiting = yield* Effect.forkChild(other.run(grant(limit)))
    yield* Deferred.succeed(end, undefined)
    yield* Fiber.join(waiting)
    yield* Fiber.join(holding)

    const interrupted = yield* one.run(hold(limit, yield* Deferred.make<void>()))
    yield* Fiber.interrupt(interrupted)
    yield* one.run(grant(limit))
    const broken = RateLimiter.RateLimiter.use((limiter) => limiter.use(limit, {}, () => Effect.die("broken")))
    yield* Effect.exit(one.run(broken))
    yield* one.run(grant(limit))
  })
)

it.live("L1 three permits let three of twenty calls from two processes work at once, never four", () =>
  Effect.gen(function* () {
    const limit = Limit.make("test", { permits: 3 })
    const fleet = [yield* process(redis.url), yield* process(redis.url)]
    let atWork = 0
    let most = 0
    const work = RateLimiter.RateLimiter.use((limiter) =>
      limiter.use(limit, { patience: "20 seconds" }, () =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            most = Math.max(most, ++atWork)
          }),
          () => Effect.sleep("20 millis"),
          () => Effect.sync(() => void atWork--)
        )
      )
    )
    yield* Effect.forEach(Array.from({ length: 20 }), (_, i) => fleet[i % 2]!.run(work), {
      concurrency: "unbounded",
      discard: true
    })
    expect(most).toBe(3)
  })
)

it.live("L1 a permit whose holder is killed (SIGKILL) comes back once its lease is over, not before", () =>
  Effect.gen(function* () {
    const leaseMillis = 1_500
    const limit = Limit.make("test", { permits: 1 })
    const one = yield* process(redis.url, { lease: leaseMillis })
    const holder = yield* child({ REDIS_URL: redis.url, PERMITS: "1", HOLD: "1", LEASE_MS: String(leaseMillis) })
    yield* Effect.promise(() => holder.said(({ at }) => typeof at === "number"))
    holder.signal("SIGKILL")
    yield* Effect.promise(() => holder.exited)
    const [, expiry] = (yield* one.send("ZRANGE", held, 0, -1, "WITHSCORES")) as ReadonlyArray<string>
    const at = yield* one.run(grant(limit, { patience: "10 seconds" }))
    expect(at).toBeGreaterThanOrEqual(Number(expiry))
  })
)

it.live("L1 the permits of a living process are renewed by one call for all, for as long as the work takes", () =>
  Effect.gen(function* () {
    const limit = Limit.make("test", { permits: 2 })
    const one = yield* process(redis.url, { lease: "2 seconds" })
    const other = yield* process(redis.url, { lease: "2 seconds" })
    const end = yield* Deferred.make<void>()
    yield* one.run(hold(limit, end))
    yield* one.run(hold(limit, end))
    const scores = () => one.send("ZRANGE", held, 0, -1, "WITHSCORES") as Effect.Effect<ReadonlyArray<string>>
    const [, first = "", , second = ""] = yield* scores()
    const [, renewed, , renewedToo] = yield* Fleet.until(
      scores(),
      ([, a, , b]) => Number(a) > Number(first) + 2_000 && Number(b) > Number(second) + 600
    )
    expect(renewed).toBe(renewedToo)
    expect((yield* Effect.flip(other.run(grant(limit, { patience: 0 }))))._tag).toBe("RateLimited")
    yield* Deferred.succeed(end, undefined)
  })
)

it.live(
  "a permit that Redis lost is taken again while it is free; once another process has it, its work is interrupted",
  () =>
    Effect.gen(function* () {
      const limit = Limit.make("test", { permits: 1 })
      const one = yield* process(redis.url, { lease: "2 seconds" })
      const other = yield* process(redis.url, { lease: "2 seconds" })
      const end = yield* Deferred.make<void>()
      const holding = yield* one.run(hold(limit, end))
      yield* one.send("DEL", held)
      yield* Fleet.until(one.send("ZCARD", held), (permits) => permits === 1)
      yield* one.send("DEL", held)
      const thief = yield* other.run(hold(limit, end))
      expect(yield* Effect.flip(Fiber.join(holding))).toMatchObject({ _tag: "PermitLost", limit: "test" })
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(thief)
    })
)

it.live.skipIf(Fleet.onCluster)(
  "L1 a holder cut off from Redis is interrupted when its lease is over, before another process gets its permit",
  () =>
    Effect.gen(function* () {
      const limit = Limit.make("test", { permits: 1 })
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => FaultProxy.start(Number(new URL(redis.url).port))),
        (started) => Effect.promise(() => started.close())
      )
      const cutOff = yield* process(proxy.url, { lease: "2 seconds" })
      const other = yield* process(redis.url, { lease: "2 seconds" })
      let stoppedAt = Infinity
      const begun = yield* Deferred.make<void>()
      const holding = yield* Effect.forkChild(
        cutOff.run(
          RateLimiter.RateLimiter.use((limiter) =>
            limiter.use(limit, {}, () =>
              Effect.ensuring(
                Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
                Effect.sync(() => void (stoppedAt = performance.now()))
              )
            )
          )
        )
      )
      yield* Deferred.await(begun)
      proxy.hold()
      const granted = yield* Effect.forkChild(
        Effect.map(other.run(grant(limit, { patience: "20 seconds" })), () => performance.now())
      )
      expect(yield* Effect.flip(Fiber.join(holding))).toMatchObject({ _tag: "PermitLost", limit: "test" })
      expect(yield* Fiber.join(granted)).toBeGreaterThan(stoppedAt)
      // and it is granted again once it is back
      proxy.heal()
      yield* Fleet.until(Effect.exit(cutOff.run(grant(limit))), Exit.isSuccess)
    })
)

it.live("the loop that renews permits is registered with the process's readiness", () =>
  Effect.gen(function* () {
    const registered: Array<string> = []
    const readiness = Readiness.of({
      register: (name) => Effect.sync(() => void registered.push(name)),
      troubles: () => [],
      failed: Effect.never
    })
    yield* Layer.build(
      Worker.limits.pipe(
        Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})]),
        Layer.provide(Layer.succeed(Readiness, readiness)),
        Layer.fresh
      )
    )
    expect(registered).toContain("permits")
  })
)

it.live("a renewal that gets no answer in time because the connection was lost is not logged beside it", () =>
  Effect.gen(function* () {
    const proxy = yield* Effect.acquireRelease(
      Effect.promise(() => FaultProxy.start(Number(new URL(redis.url).port))),
      (one) => Effect.promise(() => one.close())
    )
    const logs = LogLines.make()
    const context = yield* Layer.build(
      Worker.limits.pipe(
        Layer.provideMerge(
          Layer.merge(RedisClient.layerUrl(proxy.url), CoreConfig.layerWith({ lease: Duration.seconds(1) }))
        ),
        Layer.provideMerge(logs.layer),
        Layer.fresh
      )
    )
    const begun = yield* Deferred.make<void>()
    const limiter = Context.get(context, RateLimiter.RateLimiter)
    const use = limiter.use(Limit.make("cut-off", { permits: 1 }), {}, () =>
      Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
    )
    const using = yield* Effect.forkChild(Effect.flip(Effect.provideContext(use, context)))
    yield* Deferred.await(begun)
    // the connection is lost, and the next one brings no answer either
    proxy.hold()
    proxy.cut()
    expect(yield* Fiber.join(using)).toMatchObject({ _tag: "PermitLost" })
    expect(logs.warned().map(({ text }) => text)).toEqual(["redis connection failed"])
    proxy.heal()
  })
)
