/** Broadcast: the state, then every event after it, once and in order, in every process. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { Topic } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"
import { follow, Prices, priced, publish, stored } from "./TopicFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const { log, state } = keyNames.topic("shop.prices")

describe("Topic.publish", () => {
  it.live("a publish answers once log and state have the event", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const id = yield* publish(shop, priced("apple", 30))
      expect(yield* shop.send("XRANGE", log, "-", "+")).toEqual([[id, ["n", "1", "e", expect.stringContaining("30")]]])
      expect(yield* shop.send("HGET", state, "")).toBe(`1 ${id}`)
      expect(yield* stored(shop)).toEqual({ apple: 30 })
    })
  )

  it.live("an event sets, removes and replaces fields of the state", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      yield* publish(shop, priced("apple", 30))
      yield* publish(shop, priced("pear", 40))
      yield* publish(shop, { type: "drop", name: "apple" })
      expect(yield* stored(shop)).toEqual({ pear: 40 })
      yield* publish(shop, { type: "all", prices: { fig: { cents: 5 }, nut: { cents: 6 } } })
      expect(yield* stored(shop)).toEqual({ fig: 5, nut: 6 })
    })
  )

  it.live("an event that would give the state too many fields is refused, and changes nothing", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const many = (from: number, count: number) =>
        ({
          type: "all",
          prices: Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${from + i}`, { cents: i }]))
        }) as const
      yield* publish(shop, many(0, 1_000))
      yield* publish(shop, many(500, 1_000))
      yield* publish(shop, priced("p500", 1))
      // fields come in no order: a server may move them between two looks
      const picture = Effect.all([stored(shop), shop.send("HGET", state, "")])
      const before = yield* picture
      const refusal = yield* Effect.flip(shop.run(Topic.publish(Prices, priced("one more", 1))))
      expect(refusal).toMatchObject({ _tag: "TopicFull", topic: "shop.prices", fields: 1_001, most: 1_000 })
      expect(yield* Effect.flip(shop.run(Topic.publish(Prices, many(0, 1_001))))).toMatchObject({ _tag: "TopicFull" })
      expect(yield* picture).toEqual(before)
      yield* publish(shop, { type: "drop", name: "p500" })
      yield* publish(shop, priced("one more", 1))
    })
  )

  it.live("an event with too many bytes is refused", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const refusal = yield* Effect.flip(shop.run(Topic.publish(Prices, priced("x".repeat(140_000), 1))))
      expect(refusal).toMatchObject({ _tag: "TopicEventTooLarge", most: 262_144 })
      expect(yield* shop.send("EXISTS", log, state)).toBe(0)
    })
  )

  it.live("a topic's log keeps about as many events as its history says", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const Short = Topic.make("short", { event: Schema.Int, history: 100 })
      yield* shop.run(
        Effect.forEach(
          Array.from({ length: 600 }, (_, i) => i),
          (i) => Effect.orDie(Topic.publish(Short, i)),
          { concurrency: 50, discard: true }
        )
      )
      expect(Number(yield* shop.send("XLEN", keyNames.topic("short").log))).toBeLessThanOrEqual(200)
    })
  )

  it("a topic's name is words with dots between", () => {
    for (const name of ["", "a..b", "A", "a b", ".a"])
      expect(() => Topic.make(name, { event: Schema.Int })).toThrow("its name is")
  })
})

describe("Topic.follow", () => {
  it.live("a follower that comes late is current before its follow resumes, and gets the events after", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      yield* publish(shop, priced("apple", 30))
      yield* publish(shop, priced("pear", 40))
      const late = yield* follow(shop)
      expect(yield* late.prices).toEqual({ apple: 30, pear: 40 })
      expect(late.events).toEqual([])
      yield* publish(shop, priced("apple", 35))
      yield* late.knows("apple", 35)
      expect(late.events).toEqual([priced("apple", 35)])
      expect(late.snapshots.length).toBe(1)
    })
  )

  it.live("a follower of a topic without any event yet gets the first one", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const first = yield* follow(shop)
      yield* publish(shop, priced("apple", 30))
      yield* first.knows("apple", 30)
      expect(first.snapshots.map((one) => one.size)).toEqual([0])
    })
  )

  it.live("a follower sees each event once and in order, however many are published while it joins", () =>
    Effect.gen(function* () {
      const shops = yield* Effect.all([Fleet.joined(redis.url), Fleet.joined(redis.url), Fleet.joined(redis.url)])
      const reader = yield* Fleet.joined(redis.url)
      const publishing = yield* Effect.forkChild(
        Effect.forEach(
          shops,
          (shop, s) =>
            Effect.forEach(Array.from({ length: 100 }), (_, i) => publish(shop, priced(`s${s}`, i)), { discard: true }),
          { concurrency: "unbounded", discard: true }
        )
      )
      const followers: Array<Effect.Success<ReturnType<typeof follow>>> = []
      for (let i = 0; i < 5; i++) {
        yield* Fleet.until(Effect.map(shops[0].send("XLEN", log), Number), (length) => length >= i * 40)
        followers.push(yield* follow(i % 2 === 0 ? reader : shops[0]))
      }
      for (const follower of followers) {
        for (const s of [0, 1, 2]) yield* follower.knows(`s${s}`, 99)
        expect(follower.snapshots.length).toBe(1)
        for (const s of [0, 1, 2]) {
          const told = follower.events.flatMap((event) =>
            event.type === "set" && event.name === `s${s}` ? [event.cents] : []
          )
          const known = follower.snapshots[0]!.get(`s${s}`)?.cents ?? -1
          expect(told).toEqual(Array.from({ length: 99 - known }, (_, i) => known + 1 + i))
        }
      }
      yield* Fiber.join(publishing)
    })
  )

  it.live("three followers in three processes each see all events", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const processes = yield* Effect.all([1, 2, 3].map(() => Fleet.joined(redis.url)))
      const followers = yield* Effect.forEach(processes, (process) => follow(process))
      for (let i = 0; i < 20; i++) yield* publish(shop, priced("apple", i))
      for (const follower of followers) {
        yield* follower.knows("apple", 19)
        expect(follower.events.length).toBe(20)
      }
    })
  )

  it.live("caughtUp resumes once all events published before are applied, and not before", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const gate = yield* Deferred.make<void>()
      const follower = yield* follow(shop, { event: () => Deferred.await(gate) })
      yield* follower.subscription.caughtUp
      yield* publish(shop, priced("apple", 30))
      const caughtUp = yield* Effect.forkChild(follower.subscription.caughtUp)
      yield* Effect.sleep("50 millis")
      expect(caughtUp.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(caughtUp)
      expect(yield* follower.prices).toEqual({ apple: 30 })
    })
  )

  it.live("a mirror holds the topic's state in memory", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      yield* publish(shop, priced("apple", 30))
      const scope = yield* Effect.scope
      const mirror = yield* shop.run(Effect.orDie(Effect.provideService(Topic.mirror(Prices), Scope.Scope, scope)))
      expect([...mirror.state()]).toEqual([["apple", { cents: 30 }]])
      yield* publish(shop, { type: "all", prices: { fig: { cents: 5 }, nut: { cents: 6 } } })
      yield* publish(shop, { type: "drop", name: "nut" })
      yield* Fleet.until(
        Effect.sync(() => [...mirror.state()]),
        (seen) => seen.length === 1 && seen[0]![0] === "fig"
      )
    })
  )

  it.live("a topic without a state: events published while the snapshot is loaded come after it, in order", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const Bare = Topic.make("bare", { event: Schema.Int })
      const told: Array<number | "snapshot"> = []
      const scope = yield* Effect.scope
      yield* shop.run(Effect.orDie(Topic.publish(Bare, 1)))
      yield* shop.run(
        Effect.orDie(
          Topic.follow(Bare, {
            snapshot: (none) =>
              Effect.gen(function* () {
                expect(none.size).toBe(0)
                yield* Topic.publish(Bare, 2)
                told.push("snapshot")
                yield* Topic.publish(Bare, 3)
              }),
            event: (event) => Effect.sync(() => void told.push(event))
          })
        ).pipe(Effect.provideService(Scope.Scope, scope))
      )
      yield* shop.run(Effect.orDie(Topic.publish(Bare, 4)))
      yield* Fleet.until(
        Effect.sync(() => told),
        (seen) => seen.length === 4
      )
      expect(told).toEqual(["snapshot", 2, 3, 4])
    })
  )

  it.live("a follow whose first snapshot cannot be had fails, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const topics = yield* Topic.Topics
      const follow = topics.follow(Prices, { snapshot: () => Effect.fail("no room"), event: () => Effect.void })
      expect(yield* Effect.flip(follow)).toBe("no room")
      yield* RedisClient.RedisClient.use((client) => client.send("SET", state, "of another kind"))
      expect(yield* Effect.flip(Topic.mirror(Prices))).toMatchObject({ _tag: "RedisRefused", code: "WRONGTYPE" })
      yield* Effect.sleep("5 millis")
      expect(topics.silentMillis()).toBe(0)
      // nothing else follows here, as a whole process does
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.fresh(Layer.provideMerge(Topic.layer, RedisClient.layerUrl(redis.url))))
    )
  )

  it.live.skipIf(Fleet.onCluster)("all followers of a process share one connection, whatever their topics", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const Other = Topic.make("other", { event: Schema.Int })
      const scope = yield* Effect.scope
      const others: Array<number> = []
      const first = yield* follow(shop)
      // the second joins while the first one's read is under way
      yield* Fleet.until(shop.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=xread "))
      yield* shop.run(
        Effect.orDie(
          Topic.follow(Other, {
            snapshot: () => Effect.void,
            event: (event) => Effect.sync(() => void others.push(event))
          })
        ).pipe(Effect.provideService(Scope.Scope, scope))
      )
      yield* follow(shop)
      yield* shop.run(Effect.orDie(Topic.publish(Other, 7)))
      yield* Fleet.until(
        Effect.sync(() => others),
        (seen) => seen.length === 1
      )
      yield* publish(shop, priced("apple", 1))
      yield* first.knows("apple", 1)
      const list = String(
        yield* shop.run(RedisClient.RedisClient.use((one) => Effect.orDie(one.send("CLIENT", "LIST"))))
      )
      expect(list.match(/name=eco2-reader/g)?.length).toBe(1)
    })
  )

  it.live("a follower that has left gets nothing more, and the others go on", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const scope = yield* Scope.make()
      const gone = yield* Effect.provideService(follow(shop), Scope.Scope, scope)
      const stays = yield* follow(shop)
      yield* publish(shop, priced("apple", 1))
      yield* gone.knows("apple", 1)
      yield* Scope.close(scope, Exit.void)
      yield* publish(shop, priced("apple", 2))
      yield* stays.knows("apple", 2)
      expect(gone.events.length).toBe(1)
    })
  )
})
