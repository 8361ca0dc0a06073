/**
 * Leases belong to processes (A1): a living process's entries are never taken, a dead one's are taken within a lease, and no
 * consumer is removed while it holds entries.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { ActorSystem } from "@eco2/core"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const { lease } = Fleet
const minute = { lease: Duration.minutes(1) }
/** Looks at the fleet a minute late: every lease is over. */
const later = { clockOffsetMillis: 60_000 }
const beat = (token: string, mode: "register" | "beat" | "leave" | "abandon" = "beat") =>
  Lease.Lease.use((service) => Effect.orDie(service.beat(token, mode)))
const condemn = (...tokens: ReadonlyArray<string>) =>
  Lease.Lease.use((service) => Effect.orDie(service.condemn(tokens, Fleet.ever)))
const token = ActorSystem.use((system) => Effect.sync(() => system.token()))

describe("Lease.beat and Lease.condemn", () => {
  it.live("A1 a lease ends one LEASE after the last beat, and not before", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, minute)
      const almost = yield* Fleet.joined(redis.url, { ...minute, clockOffsetMillis: 45_000 })
      const over = yield* Fleet.joined(redis.url, { ...minute, clockOffsetMillis: 60_001 })
      yield* client.run(beat("a", "register"))
      expect(yield* almost.run(condemn("a"))).toEqual([])
      expect((yield* almost.run(beat("b", "register"))).dead).toEqual([])
      const seen = yield* over.run(beat("c", "register"))
      expect(seen.dead).toEqual(["a"])
      expect(yield* over.run(condemn("a"))).toEqual(["a"])
    })
  )

  it.live("A1 a beat's reply tells the earliest end of the other processes' leases", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, minute)
      expect((yield* client.run(beat("a", "register"))).nextExpiryMillis).toBe(null)
      const { nextExpiryMillis } = yield* client.run(beat("b", "register"))
      expect(nextExpiryMillis).toBeGreaterThan(30_000)
      expect(nextExpiryMillis).toBeLessThanOrEqual(60_000)
      // of several it is the earliest
      const far = yield* Fleet.joined(redis.url, { ...minute, ...later })
      const farther = yield* Fleet.joined(redis.url, { ...minute, clockOffsetMillis: 120_000 })
      yield* client.run(beat("b", "leave"))
      yield* far.run(beat("c", "register"))
      yield* farther.run(beat("d", "register"))
      yield* client.run(beat("a"))
      expect((yield* client.run(beat("e"))).nextExpiryMillis).toBeLessThanOrEqual(60_000)
    })
  )

  it.live("A1 a process that beat in time cannot be condemned; a condemned one cannot beat again under its name", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, later)
      yield* client.run(beat("a", "register"))
      yield* late.run(beat("a"))
      expect(yield* late.run(condemn("a"))).toEqual([])
      yield* client.run(beat("b", "register"))
      expect(yield* late.run(condemn("b"))).toEqual(["b"])
      // it is told so, but not to take over what was its own
      expect(yield* client.run(beat("b"))).toMatchObject({ alive: false, dead: [] })
      expect(yield* client.run(condemn("b"))).toEqual(["b"])
    })
  )

  it.live("A1 a token without a lease counts as dead, and only its registering beat makes it a member", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      expect(yield* client.run(condemn("forgotten"))).toEqual(["forgotten"])
      expect((yield* client.run(beat("forgotten"))).alive).toBe(false)
      yield* client.run(beat("forgotten", "abandon"))
      expect(yield* client.send("ZCARD", keyNames.alive)).toBe(0)
      expect((yield* client.run(beat("forgotten", "register"))).alive).toBe(true)
    })
  )

  it.live("A1 a repeated condemnation does not renew the first: the name is forgotten after ten minutes", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, later)
      const nextDay = yield* Fleet.joined(redis.url, { clockOffsetMillis: 60_000 + 600_001 + 10_000 })
      yield* client.run(beat("a", "register"))
      yield* late.run(condemn("a"))
      const first = yield* client.send("ZSCORE", keyNames.alive, "a")
      expect(Number(first)).toBeLessThan(0)
      yield* late.run(condemn("a"))
      expect(yield* client.send("ZSCORE", keyNames.alive, "a")).toBe(first)
      yield* nextDay.run(beat("b", "register"))
      expect(yield* client.send("ZSCORE", keyNames.alive, "a")).toBe(null)
    })
  )

  it.live("A1 a process that leaves is forgotten at once; one that abandons entries is listed as dead at once", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      for (const name of ["a", "b", "c"]) yield* client.run(beat(name, "register"))
      yield* client.run(beat("a", "leave"))
      yield* client.run(beat("b", "abandon"))
      expect((yield* client.run(beat("c"))).dead).toEqual(["b"])
      expect(yield* client.run(condemn("a", "b", "c"))).toEqual(["a", "b"])
    })
  )

  it.live("A1 a process that has just died is listed although 250 others were condemned lately", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const now = yield* Fleet.timeOf(client)
      const condemned = Array.from({ length: 250 }, (_, i) => [-Math.round(now - i), `old ${i}`]).flat()
      yield* client.send("ZADD", keyNames.alive, ...condemned, Math.round(now - 1), "just died")
      const { dead } = yield* client.run(beat("me", "register"))
      expect(dead).toContain("just died")
      // a reply is bounded: who was condemned and is left out is seen by a later beat, once others are forgotten
      expect(dead.length).toBe(101)
    })
  )
})

describe("Lease.reap", () => {
  const threeHeld = Effect.gen(function* () {
    const client = yield* Fleet.joined(redis.url)
    const victim = yield* Fleet.byHand(client, "victim")
    // one owner: one partition
    const ids = yield* Effect.forEach([1, 2, 3], () => client.run(Fleet.submit()))
    const held = (yield* victim.read("weigh"))[1]!
    const { partition } = held
    const reap = (heir: string, slots: number) =>
      client.run(
        Lease.Lease.use((service) => Effect.orDie(service.reap(partition, "victim", heir, [["parcel.weigh", slots]])))
      )
    return { client, held, ids, reap }
  })
  const count = (reaped: Lease.Reaped) => reaped.taken.flatMap(({ entries }) => entries).length

  it.live("A1 a reap takes no more than the free slots, and removes the dead consumer only once it holds nothing", () =>
    Effect.gen(function* () {
      const { client, held, reap } = yield* threeHeld
      const consumers = Fleet.consumersOf(client, "parcel.weigh", held.partition)
      expect(count(yield* reap("heir", 0))).toBe(0)
      const first = yield* reap("heir", 2)
      expect([count(first), first.left]).toEqual([2, 1])
      expect(yield* consumers).toEqual({ victim: 1, heir: 2 })
      const second = yield* reap("heir", 2)
      expect([count(second), second.left]).toEqual([1, 0])
      expect(yield* consumers).toEqual({ heir: 3 })
      expect(count(yield* reap("heir", 2))).toBe(0)
    })
  )

  it.live("A1 each entry of a dead process goes to one heir, however many processes reap at once", () =>
    Effect.gen(function* () {
      const { client, reap } = yield* threeHeld
      const both = yield* Effect.all([reap("one", 3), reap("two", 3), reap("three", 3)], { concurrency: 3 })
      expect(both.reduce((sum, one) => sum + count(one), 0)).toBe(3)
      expect(Object.values(yield* Fleet.consumersOf(client, "parcel.weigh")).reduce((sum, one) => sum + one, 0)).toBe(3)
    })
  )

  it.live("A1 a reap leaves out an entry that was deleted meanwhile, and a mailbox that does not exist", () =>
    Effect.gen(function* () {
      const { client, held, ids, reap } = yield* threeHeld
      yield* client.run(Fleet.cancel(ids[0]!))
      yield* client.send("XDEL", held.partition.mailbox("parcel.weigh"), held.entry)
      expect(count(yield* reap("heir", 3))).toBe(1)
      yield* redis.flush
      expect((yield* reap("heir", 3)).taken).toEqual([{ mailbox: "parcel.weigh", entries: [] }])
    })
  )
})

describe("a fleet of processes", () => {
  it.live("A1 a living process's entries are never taken, even when its work outlasts four leases", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      let calls = 0
      const behaviors = Fleet.parcelBehaviors({
        weigh: () =>
          Effect.suspend(() => {
            calls++
            return Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(gate), { grams: 1 }))
          })
      })
      const one = yield* Fleet.working(redis.url, behaviors)
      const id = yield* one.run(Fleet.submit())
      yield* Deferred.await(begun)
      const two = yield* Fleet.working(redis.url, behaviors)
      const start = yield* Fleet.timeOf(one)
      yield* Fleet.until(Fleet.timeOf(two), (now) => now > start + 3 * lease)
      expect(calls).toBe(1)
      yield* Deferred.succeed(gate, undefined)
      yield* Fleet.until(one.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect((yield* one.run(Fleet.jobOf(id))).tries).toBe(3)
    })
  )

  it.live(
    "A1 a process reaps only after one whole lease of its own beats, and then at once, even while it is idle",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const victim = yield* Fleet.byHand(client, "victim")
        const id = yield* client.run(Fleet.submit())
        yield* victim.take("weigh")
        yield* client.send("ZADD", keyNames.alive, 1, "victim")
        const start = yield* Fleet.timeOf(client)
        yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ weigh: () => Effect.never }))
        const began = () => Effect.map(Fleet.hashOf(client, id), ({ since }) => Number(since))
        const at = yield* Fleet.until(began(), (millis) => millis > start)
        expect(at - start).toBeGreaterThanOrEqual(lease - 1)
        // not at the next look some other loop would take, however slow the machine
        expect(at - start).toBeLessThan(5_000)
      })
  )

  it.live("A1 entries of a consumer that never had a lease are found and taken over", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const ghost = yield* Fleet.byHand(client, "ghost")
      const id = yield* client.run(Fleet.submit())
      yield* ghost.take("weigh")
      yield* client.send("DEL", keyNames.alive)
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(Object.keys(yield* Fleet.consumersOf(client, "parcel.weigh"))).not.toContain("ghost")
    })
  )

  it.live("A1 a condemned process that wakes interrupts its work, takes a new name, and goes on working", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      let calls = 0
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: () =>
            calls++ > 0
              ? Effect.succeed({ grams: 1 })
              : Deferred.succeed(begun, undefined).pipe(
                  Effect.andThen(Effect.never),
                  Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
                )
        })
      )
      const late = yield* Fleet.joined(redis.url, later)
      const id = yield* worker.run(Fleet.submit())
      yield* Deferred.await(begun)
      const old = yield* worker.run(token)
      expect(yield* late.run(condemn(old))).toEqual([old])
      yield* Deferred.await(interrupted).pipe(Effect.timeout("3 seconds"))
      yield* Fleet.until(worker.run(token), (now) => now !== old)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      const next = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(next)), ({ state }) => state === "done")
    })
  )

  it.live("A1 a condemned process's finished result still counts, once, although an heir has begun the stage", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: () =>
            Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.as({ grams: 7 }))
        }),
        // it beats every ten seconds, and learns of its condemnation only then
        { lease: Duration.seconds(30) }
      )
      const late = yield* Fleet.joined(redis.url, later)
      yield* Fleet.byHand(late, "heir")
      const id = yield* worker.run(Fleet.submit())
      yield* Deferred.await(begun)
      const old = yield* worker.run(token)
      yield* late.run(condemn(old))
      const [holding] = yield* Fleet.inherit(late, old, "heir", "weigh")
      expect((yield* late.run(Fleet.begin(holding!, "run")))._tag).toBe("Run")
      yield* Deferred.succeed(gate, undefined)
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(job.outputs.get("weigh")).toBe('{"grams":7}')
      expect((yield* late.run(Fleet.commit(holding!))).outcome).toBe("lost")
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
    })
  )

  it.live("A1 two processes share one mailbox, and each entry is worked on once", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const behaviors = Fleet.parcelBehaviors({ labelled: (id) => calls.push(id) })
      // a beat that comes late is another claim's matter
      const values = { lease: Duration.seconds(10) }
      const one = yield* Fleet.working(redis.url, behaviors, values)
      yield* Fleet.working(redis.url, behaviors, values)
      const ids = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, i) => `owner ${i}`),
        (owner) => Effect.forkChild(one.run(Fleet.submit({ owner })))
      ).pipe(Effect.flatMap(Fiber.joinAll))
      for (const id of ids) yield* Fleet.until(one.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(calls.toSorted()).toEqual([...ids].toSorted())
    })
  )
})
