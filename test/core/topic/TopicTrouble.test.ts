/** Failures between a topic and its followers: every follower is up to date again afterwards. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Schema, Scope } from "effect"
import { Topic } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"
import * as LogLines from "../redis/LogLines.ts"
import { follow, Prices, priced, publish, stored } from "./TopicFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const { log, state } = keyNames.topic("shop.prices")

/** A process whose way to Redis can be broken, beside one that publishes. */
const ground = Effect.gen(function* () {
  const server = yield* RedisServer.scoped()
  const proxy = yield* Effect.acquireRelease(
    Effect.promise(() => FaultProxy.start(server.port)),
    (one) => Effect.promise(() => one.close())
  )
  return { server, proxy, shop: yield* Fleet.joined(server.url), away: yield* Fleet.joined(proxy.url) }
})
const reading = (process: Fleet.Process<Fleet.Services>) =>
  Fleet.until(process.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=xread "))

/** As long as who waits to have caught up takes to look again, and longer. */
const looksAgain = Effect.fnUntraced(function* (shop: Fleet.Process<Fleet.Services>) {
  const start = yield* Fleet.timeOf(shop)
  yield* Fleet.until(Fleet.timeOf(shop), (now) => now > start + 50)
})

describe("a follower cut off from Redis", () => {
  it.live("a follower that is cut off reports itself blind, catches up from the log, and sees each event once", () =>
    Effect.gen(function* () {
      const { away, proxy, shop } = yield* ground
      const follower = yield* follow(away)
      yield* publish(shop, priced("apple", 0))
      yield* follower.knows("apple", 0)
      expect(follower.subscription.blind()).toBe(false)
      yield* reading(shop)
      proxy.refuse()
      yield* Fleet.until(Effect.sync(follower.subscription.blind), (blind) => blind)
      for (let i = 1; i <= 30; i++) yield* publish(shop, priced("apple", i))
      expect(follower.events.length).toBe(1)
      const age = follower.subscription.ageMillis()
      yield* Fleet.until(Effect.sync(follower.subscription.ageMillis), (later) => later > age)
      proxy.heal()
      yield* follower.knows("apple", 30)
      expect(follower.events.map((event) => event.type === "set" && event.cents)).toEqual(
        Array.from({ length: 31 }, (_, i) => i)
      )
      expect(follower.snapshots.length).toBe(1)
      expect(follower.subscription.blind()).toBe(false)
    })
  )

  it.live("a follower that is cut off while the log is trimmed past its place loads the state again", () =>
    Effect.gen(function* () {
      const { away, proxy, shop } = yield* ground
      const follower = yield* follow(away)
      yield* publish(shop, priced("apple", 0))
      yield* follower.knows("apple", 0)
      proxy.refuse()
      yield* publish(shop, priced("pear", 1))
      yield* publish(shop, priced("apple", 2))
      yield* publish(shop, { type: "drop", name: "pear" })
      yield* shop.send("XTRIM", log, "MAXLEN", 1)
      proxy.heal()
      yield* follower.knows("apple", 2)
      expect(yield* follower.prices).toEqual({ apple: 2 })
      expect(follower.snapshots.length).toBe(2)
      yield* publish(shop, priced("pear", 3))
      yield* follower.knows("pear", 3)
    })
  )
})

describe("a follower that stays connected", () => {
  it.live("a slow follower whose place was trimmed from the log loads the state again", () =>
    Effect.gen(function* () {
      const { away, proxy, shop } = yield* ground
      const follower = yield* follow(away)
      yield* publish(shop, priced("apple", 0))
      yield* follower.knows("apple", 0)
      yield* reading(shop)
      proxy.hold()
      // the first is taken by the read under way; what comes after it is gone before the next one
      yield* publish(shop, priced("fig", 1))
      yield* publish(shop, priced("nut", 2))
      yield* publish(shop, priced("apple", 3))
      yield* shop.send("XTRIM", log, "MAXLEN", 1)
      proxy.heal()
      yield* follower.knows("apple", 3)
      expect(yield* follower.prices).toEqual({ apple: 3, fig: 1, nut: 2 })
      expect(follower.snapshots.length).toBe(2)
    })
  )

  it.live("a follower loads the state again after Redis was emptied and an event is published", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const follower = yield* follow(shop)
      for (const name of ["apple", "pear", "fig"]) yield* publish(shop, priced(name, 1))
      yield* follower.knows("fig", 1)
      yield* redis.flush
      yield* publish(shop, priced("nut", 2))
      yield* follower.knows("nut", 2)
      expect(yield* follower.prices).toEqual({ nut: 2 })
    })
  )

  it.live("a follower that must load the state again has caught up only when the state is applied", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const breaking: BrokenRedis.Breaking = new Map()
      const values = { lease: Duration.minutes(1), shutdownGrace: Duration.millis(100) }
      const worker = yield* BrokenRedis.working(redis.url, Layer.empty, { breaking, values })
      const scope = yield* Effect.scope
      const applying = yield* Deferred.make<void>()
      const apply = yield* Deferred.make<void>()
      const names: Array<ReadonlyArray<string>> = []
      const heard: Array<string> = []
      const subscription = yield* worker.run(
        Topic.follow(Prices, {
          snapshot: (all) =>
            Effect.gen(function* () {
              if (names.length > 0) {
                yield* Deferred.succeed(applying, undefined)
                yield* Deferred.await(apply)
              }
              names.push([...all.keys()])
            }),
          event: (event) => Effect.sync(() => void heard.push(event.type))
        }).pipe(Effect.orDie, Effect.provideService(Scope.Scope, scope))
      )
      for (const name of ["apple", "pear", "fig"]) yield* publish(shop, priced(name, 1))
      yield* Fleet.until(
        Effect.sync(() => heard.length),
        (events) => events === 3
      )
      const answer = yield* Deferred.make<void>()
      breaking.set("HGETALL", Deferred.await(answer))
      yield* redis.flush
      yield* publish(shop, priced("nut", 2))
      yield* Fleet.until(Effect.sync(subscription.blind), (blind) => blind)
      const caughtUp = yield* Effect.forkChild(worker.run(subscription.caughtUp))
      yield* looksAgain(shop)
      expect(caughtUp.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(answer, undefined)
      yield* Deferred.await(applying)
      yield* looksAgain(shop)
      expect(caughtUp.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(apply, undefined)
      yield* Fiber.join(caughtUp)
      expect(names).toEqual([[], ["nut"]])
    })
  )

  it.live("a follower logs an event it cannot read, loads the state again, and goes on", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const follower = yield* follow(shop)
      // as another version would publish, changing the state too
      const Newer = Topic.make("shop.prices", {
        event: Schema.Struct({ type: Schema.Literal("double"), name: Schema.String }),
        state: { value: Schema.Struct({ cents: Schema.Int }), change: ({ name }) => [Topic.set(name, { cents: 60 })] }
      })
      yield* publish(shop, priced("apple", 30))
      yield* shop.run(Effect.orDie(Topic.publish(Newer, { type: "double", name: "apple" })))
      yield* publish(shop, priced("pear", 40))
      yield* follower.knows("apple", 60)
      yield* follower.knows("pear", 40)
      expect(follower.events.length).toBeLessThan(3)
    })
  )

  it.live("a follower leaves out a value of the state that it cannot read, and has the others", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      yield* publish(shop, priced("apple", 30))
      yield* shop.send("HSET", state, "odd", "{}")
      const follower = yield* follow(shop)
      expect(yield* follower.prices).toEqual({ apple: 30 })
    })
  )

  it.live("a follower whose handler dies of an event loads the state again, and goes on", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      let died = 0
      const follower = yield* follow(shop, {
        event: (event) =>
          Effect.suspend(() =>
            event.type === "set" && event.cents === 31 && died++ === 0 ? Effect.die(new Error("a bug")) : Effect.void
          )
      })
      for (const cents of [30, 31]) yield* publish(shop, priced("apple", cents))
      yield* follower.knows("apple", 31)
      expect(died).toBe(1)
      expect(follower.snapshots.length).toBe(2)
      yield* publish(shop, priced("apple", 32))
      yield* follower.knows("apple", 32)
    })
  )

  it.live("a slow follower delays no other, and loads the state again when more waits than it may keep", () =>
    Effect.gen(function* () {
      const shop = yield* Fleet.joined(redis.url)
      const gate = yield* Deferred.make<void>()
      const slow = yield* follow(shop, { event: () => Deferred.await(gate) })
      const quick = yield* follow(shop)
      for (let i = 0; i < 1_500; i += 100) {
        yield* Effect.forEach(
          Array.from({ length: 100 }, (_, k) => i + k),
          (k) => publish(shop, priced(`p${k % 10}`, k)),
          { concurrency: "unbounded", discard: true }
        )
        yield* Fleet.until(quick.prices, () => quick.events.length === i + 100)
      }
      expect(slow.events.length).toBe(0)
      yield* Deferred.succeed(gate, undefined)
      const all = yield* stored(shop)
      yield* Fleet.until(slow.prices, (seen) => JSON.stringify(seen) === JSON.stringify(all))
      expect(slow.snapshots.length).toBe(2)
      expect(quick.snapshots.length).toBe(1)
    })
  )
})

describe("Redis under a topic", () => {
  it.live("followers of a Redis that comes back without its data have the state that is there", () =>
    Effect.gen(function* () {
      const { server, shop } = yield* ground
      const follower = yield* follow(shop)
      yield* publish(shop, priced("apple", 30))
      yield* publish(shop, priced("pear", 40))
      yield* follower.knows("pear", 40)
      yield* reading(shop)
      yield* Effect.promise(() => server.restart())
      yield* Fleet.until(follower.prices, (seen) => Object.keys(seen).length === 0)
      yield* publish(shop, priced("fig", 5))
      yield* follower.knows("fig", 5)
      expect(yield* follower.prices).toEqual({ fig: 5 })
    })
  )

  it.live("a full Redis takes a topic's events", () =>
    Effect.gen(function* () {
      const { shop } = yield* ground
      const follower = yield* follow(shop)
      yield* shop.send("CONFIG", "SET", "maxmemory", 1)
      expect(
        yield* Effect.flip(shop.run(RedisClient.RedisClient.use((one) => one.send("SET", "a", "b"))))
      ).toMatchObject({ _tag: "RedisFull" })
      yield* publish(shop, priced("apple", 30))
      yield* follower.knows("apple", 30)
      yield* shop.send("CONFIG", "SET", "maxmemory", 0)
    })
  )

  it.live("a publish whose answer was lost is sent again, and has published once", () =>
    Effect.gen(function* () {
      const { away, proxy, shop } = yield* ground
      yield* publish(shop, priced("apple", 30))
      // the script is known there: what is sent again is the publish itself
      yield* publish(away, priced("apple", 31))
      proxy.mute()
      const sent = yield* Effect.forkChild(publish(away, priced("apple", 32)))
      yield* Fleet.until(Effect.map(shop.send("XLEN", log), Number), (length) => length === 3)
      proxy.cut()
      proxy.heal()
      const id = yield* Fiber.join(sent)
      expect(yield* shop.send("XLEN", log)).toBe(3)
      expect(yield* shop.send("HGET", state, "")).toBe(`3 ${id}`)
    })
  )
})

describe("the topic's log lines", () => {
  it.live(
    "an outage of Redis that interrupts a follower is logged once, by the connection, and not by the follower",
    () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped()
        const proxy = yield* Effect.acquireRelease(
          Effect.promise(() => FaultProxy.start(server.port)),
          (one) => Effect.promise(() => one.close())
        )
        const logs = LogLines.make()
        const context = yield* Layer.build(
          Layer.fresh(
            Topic.layer.pipe(Layer.provideMerge(RedisClient.layerUrl(proxy.url)), Layer.provideMerge(logs.layer))
          )
        )
        const { subscription } = yield* Effect.provideContext(Topic.mirror(Prices), context)
        const { silentMillis } = Context.get(context, Topic.Topics)
        expect(silentMillis()).toBeLessThan(20_000)
        yield* Fleet.until(Effect.sync(proxy.connections), (count) => count === 2)
        proxy.refuse()
        yield* logs.said("redis connection failed")
        yield* Fleet.until(Effect.sync(subscription.blind), (isBlind) => isBlind)
        proxy.heal()
        yield* logs.said("redis connection restored")
        yield* Fleet.until(Effect.sync(subscription.blind), (isBlind) => !isBlind)
        expect(logs.lines.map(({ text }) => text)).toEqual(["redis connection failed", "redis connection restored"])
      })
  )

  it.live("a topic whose log is damaged is logged once when that begins and once when it is over", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const logs = LogLines.make()
      const context = yield* Layer.build(
        Layer.fresh(
          Topic.layer.pipe(Layer.provideMerge(RedisClient.layerUrl(server.url)), Layer.provideMerge(logs.layer))
        )
      )
      yield* Effect.provideContext(Topic.mirror(Prices), context)
      const client = Context.get(context, RedisClient.RedisClient)
      const { log } = keyNames.topic(Prices.name)
      yield* client.send("SET", log, "not a log")
      yield* logs.said("topic events do not arrive")
      yield* client.send("DEL", log)
      yield* logs.said("topic events arrive again")
      expect(logs.of("topic events do not arrive").length).toBe(1)
    })
  )
})
