/** When the heartbeat looks for entries of dead processes (A1), and that what it takes over is worked on (A4). */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { ActorSystem } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import { FaultProxy } from "@eco2/core/testing"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"
import * as SteppedClock from "../SteppedClock.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const { lease } = Fleet
const isDone = ({ state }: { readonly state: string }) => state === "done"

describe("the look for consumers without a lease", () => {
  it.live("A1 a look that comes too early to judge a consumer is repeated with each beat, not a minute later", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const ghost = yield* Fleet.byHand(client, "ghost")
      const id = yield* client.run(Fleet.submit())
      yield* ghost.take("weigh")
      yield* client.send("DEL", keyNames.alive)
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors(), { lease: Duration.seconds(1) })
      // its connections come back before it may judge anybody: it looks at once, in vain
      yield* client.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), isDone)
    })
  )

  it.live("A1 a look at the dead that an error broke off is made again with the next beat, not a minute later", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const ghost = yield* Fleet.byHand(client, "ghost")
      const id = yield* client.run(Fleet.submit())
      yield* ghost.take("weigh")
      yield* client.send("DEL", keyNames.alive)
      let looks = 0
      const breaking: BrokenRedis.Breaking = new Map([["pending", () => (++looks === 1 ? "unavailable" : undefined)]])
      const values = { lease: Duration.millis(lease), shutdownGrace: Duration.millis(100) }
      yield* BrokenRedis.working(redis.url, Fleet.parcelBehaviors(), { breaking, values })
      yield* Fleet.until(client.run(Fleet.jobOf(id)), isDone)
    })
  )

  it.live("A1 looks go on every lease after a dead process was cleared, and find what its last read took late", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const victim = yield* Fleet.byHand(client, "victim")
      const first = yield* client.run(Fleet.submit())
      yield* victim.take("weigh")
      yield* client.send("ZADD", keyNames.alive, 1, "victim")
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      yield* Fleet.until(worker.run(Fleet.jobOf(first)), isDone)
      // past the look of that beat and the next
      const at = yield* Fleet.timeOf(client)
      yield* Fleet.until(Fleet.timeOf(client), (now) => now > at + 2 * lease)
      const partition = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!
      yield* client.send(
        "EVAL",
        `redis.call("XADD", KEYS[1], "*", "job", ARGV[2], "ts", 0)
         return redis.call("XREADGROUP", "GROUP", "workers", ARGV[1], "STREAMS", KEYS[1], ">")`,
        1,
        partition.mailbox("parcel.weigh"),
        "victim",
        first
      )
      yield* Fleet.until(client.run(Fleet.depthOf("parcel.weigh")), (depth) => depth === 0)
      expect(Object.keys(yield* Fleet.consumersOf(client, "parcel.weigh"))).not.toContain("victim")
    })
  )
})

describe("a process that was silent", () => {
  // the others may have been silent for the same reason: Redis was away, or refused
  for (const [words, leases] of [
    ["longer than its lease", 1.5],
    ["most of its lease", 0.8]
  ] as const) {
    it.live.skipIf(Fleet.onCluster)(
      `A1 a process that was silent for ${words} takes nobody's work before a lease of good beats`,
      () =>
        Effect.gen(function* () {
          const proxy = yield* Effect.acquireRelease(
            Effect.promise(() => FaultProxy.start(Number(new URL(redis.url).port))),
            (started) => Effect.promise(() => started.close())
          )
          const client = yield* Fleet.joined(redis.url)
          const worker = yield* Fleet.working(proxy.url, Fleet.parcelBehaviors())
          const token = yield* worker.run(ActorSystem.use((system) => Effect.sync(system.token)))
          const expiry = (name: string) =>
            Effect.map(client.send("ZSCORE", keyNames.alive, name), (score) => Number(score ?? NaN))
          const registered = yield* expiry(token)
          // by its third beat it may judge others
          yield* Fleet.until(expiry(token), (now) => now > registered + lease)
          proxy.hold()
          const silentSince = yield* Fleet.timeOf(client)
          yield* client.send("ZADD", keyNames.alive, 1, "victim")
          yield* Fleet.until(Fleet.timeOf(client), (now) => now > silentSince + leases * lease)
          const back = yield* Fleet.timeOf(client)
          proxy.heal()
          // condemned: the time of it, negative
          const condemned = -(yield* Fleet.until(expiry("victim"), (score) => score < 0))
          expect(condemned).toBeGreaterThanOrEqual(Math.floor(back) + lease)
        })
    )
  }
})

describe("a mailbox that is served later than others", () => {
  it.live(
    "A1 a mailbox that is served later than others is searched for the work of the dead by one of the next beats, not a minute later",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const ghost = yield* Fleet.byHand(client, "ghost")
        const id = yield* client.run(Fleet.submit())
        yield* ghost.take("weigh")
        yield* client.send("DEL", keyNames.alive)
        let looks = 0
        const breaking: BrokenRedis.Breaking = new Map([["pending", () => void looks++]])
        const gate = yield* Deferred.make<void>()
        const late = Layer.unwrap(Effect.as(Deferred.await(gate), Fleet.parcelBehaviors()))
        const early = Layer.effectDiscard(
          ActorSystem.use((system) =>
            system.serve({ mailbox: "early", concurrency: 1, timeoutMillis: () => null, take: () => Effect.void })
          )
        )
        const values = { lease: Duration.millis(lease), shutdownGrace: Duration.millis(100) }
        const starting = yield* Effect.forkChild(
          BrokenRedis.working(redis.url, Layer.merge(early, late), { breaking, values })
        )
        yield* Fleet.until(
          Effect.sync(() => looks),
          (partitions) => partitions >= 4
        )
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(starting)
        yield* Fleet.until(client.run(Fleet.jobOf(id)), isDone)
      })
  )
})

describe("a clock that is set back", () => {
  it.live("A1 a process whose clock was set back an hour still takes over from the dead and stays ready", () =>
    Effect.gen(function* () {
      const clock = yield* SteppedClock.make
      const worker = yield* clock.on(Fleet.working(redis.url, Fleet.parcelBehaviors()))
      clock.back(3_600_000)
      const client = yield* Fleet.joined(redis.url)
      const victim = yield* Fleet.byHand(client, "victim")
      const id = yield* client.run(Fleet.submit())
      // taken by the worker, or by who dies with it
      yield* victim.read("weigh")
      yield* client.send("ZADD", keyNames.alive, 1, "victim")
      yield* Fleet.until(client.run(Fleet.consumersOf(client, "parcel.weigh")), (held) => !("victim" in held))
      yield* Fleet.until(client.run(Fleet.jobOf(id)), isDone)
      const system = yield* worker.run(Effect.map(ActorSystem, (one) => one))
      expect([system.trouble(), system.readAge() >= 0]).toEqual([null, true])
      expect(Math.abs(system.storeTime() - (yield* Fleet.timeOf(client)))).toBeLessThan(60_000)
    })
  )
})

describe("reconciling with the pending list", () => {
  it.live.skipIf(Fleet.onCluster)(
    "A4 a pending entry that was deleted before its process heard of it is dropped from the pending list, once",
    () =>
      Effect.gen(function* () {
        const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
        const token = yield* worker.run(ActorSystem.use((system) => Effect.sync(system.token)))
        const partition = keyNames.partitions(4)[0]!
        const mailbox = partition.mailbox("parcel.weigh")
        // delivered to the worker, which never hears of it
        yield* worker.send(
          "EVAL",
          `local entry = redis.call("XADD", KEYS[1], "*", "type", "Price", "body", "{}", "ts", 0)
         redis.call("XREADGROUP", "GROUP", "workers", ARGV[1], "STREAMS", KEYS[1], ">")
         return redis.call("XDEL", KEYS[1], entry)`,
          1,
          mailbox,
          token
        )
        const pending = Effect.map(worker.send("XPENDING", mailbox, "workers"), (reply) => (reply as [number])[0])
        expect(yield* pending).toBe(1)
        // its connections come back: it looks at what it holds
        yield* worker.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield* Fleet.until(pending, (entries) => entries === 0)
        const id = yield* worker.run(Fleet.submit())
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), isDone)
      })
  )
})

describe("a delivery younger than the pending list", () => {
  it.live("A4 a delivery taken while the answer of the pending list is on its way is not interrupted as lost", () =>
    Effect.gen(function* () {
      const listed = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      let lists = 0
      const holding = Effect.suspend(() => {
        lists++
        return Effect.andThen(Deferred.succeed(listed, undefined), Deferred.await(gate))
      })
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      let begins = 0
      let interruptions = 0
      const weigh: Fleet.Weigh = () =>
        Effect.suspend(() => {
          begins++
          return Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end))
        }).pipe(
          Effect.onInterrupt(() => Effect.sync(() => void interruptions++)),
          Effect.as({ grams: 1 })
        )
      const worker = yield* BrokenRedis.working(redis.url, Fleet.parcelBehaviors({ weigh }), {
        breaking: new Map([["pending", holding]]),
        values: { partitions: 1, lease: Duration.millis(lease), shutdownGrace: Duration.millis(100) }
      })
      yield* Deferred.await(listed)
      const id = yield* worker.run(Fleet.submit())
      yield* Deferred.await(begun)
      yield* Deferred.succeed(gate, undefined)
      // the next list is asked for when everything in the first has been compared
      yield* Fleet.until(
        Effect.sync(() => lists),
        (count) => count >= 2
      )
      yield* Deferred.succeed(end, undefined)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), isDone)
      expect([begins, interruptions]).toEqual([1, 0])
    })
  )
})

describe("taking over", () => {
  it.live("A4 entries taken over from one partition are worked on although the take-over of the next one failed", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const victim = yield* Fleet.byHand(client, "victim")
      const owners = ["ann", "user 2", "user 3", "user 5", "user 7"]
      const ids = yield* Effect.forEach(owners, (owner) => client.run(Fleet.submit({ owner })))
      expect(new Set(ids.map((id) => Keys.partitionOf(id, 4))).size).toBeGreaterThan(1)
      yield* victim.read("weigh")
      yield* client.send("ZADD", keyNames.alive, 1, "victim")
      let reaps = 0
      // the first round ends after its second partition's claim, in a defect
      const breaking: BrokenRedis.Breaking = new Map([["reap", () => (++reaps === 2 ? "after" : undefined)]])
      const values = { lease: Duration.millis(lease), shutdownGrace: Duration.millis(100) }
      const worker = yield* BrokenRedis.working(redis.url, Fleet.parcelBehaviors(), { breaking, values })
      for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), isDone)
      expect(yield* worker.restarts("heartbeat")).toBe(1)
    })
  )
})
