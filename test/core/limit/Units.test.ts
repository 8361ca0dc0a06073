/** Units are reserved before the work and settled after it; the scripts sent twice; the scripts on a full Redis. */
import { expect, it } from "@effect/vitest"
import { CoreConfig, Limit, RateLimiter } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Effect } from "effect"
import * as LimitStore from "../../../packages/core/src/limit/LimitStore.ts"
import * as Fleet from "../CoreFixture.ts"
import { grant, process } from "./LimitFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const limit = Limit.make("units", { units: 100 })
const now = { patience: 0 }

/** Uses as many units as it says, whatever it was expected to use. */
const using = (expected: number, used: number) =>
  RateLimiter.RateLimiter.use((limiter) =>
    limiter.use(limit, { units: expected, patience: 0 }, (permit) => Effect.sync(() => permit.used(used)))
  )

it.live("L1 units are charged when they are reserved, so two callers cannot both get the last of them", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const answers = yield* Effect.forEach([1, 2, 3], () => Effect.exit(one.run(grant(limit, { units: 40, ...now }))), {
      concurrency: "unbounded"
    })
    expect(answers.map(({ _tag }) => _tag).toSorted()).toEqual(["Failure", "Success", "Success"])
  })
)

it.live("units that a call did not use are free again once its work ends", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* one.run(using(90, 20))
    yield* one.run(grant(limit, { units: 80, ...now }))
    expect(yield* Effect.flip(one.run(grant(limit, { units: 1, ...now })))).toMatchObject({ _tag: "RateLimited" })
  })
)

it.live("L1 units used beyond the estimate are charged as soon as the call reports them", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* one.run(using(10, 95))
    expect(yield* Effect.flip(one.run(grant(limit, { units: 6, ...now })))).toMatchObject({ _tag: "RateLimited" })
  })
)

it.live.skipIf(Fleet.onCluster)("L1 units that a call used while Redis refused are charged when Redis takes it", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const refuse = (replicas: number) => one.send("CONFIG", "SET", "min-replicas-to-write", replicas)
    const refused = Effect.map(one.send("INFO", "errorstats"), (info) => String(info).includes("NOREPLICAS"))
    yield* one.send("CONFIG", "RESETSTAT")
    yield* one.run(
      RateLimiter.RateLimiter.use((limiter) =>
        limiter.use(limit, { units: 1, patience: 0 }, (permit) =>
          Effect.map(refuse(1), () => {
            permit.used(80)
          })
        )
      )
    )
    yield* Fleet.until(refused, (isRefused) => isRefused).pipe(Effect.ensuring(refuse(0)))
    // granted until the 80 are charged
    const ask = Effect.map(Effect.exit(one.run(using(21, 0))), ({ _tag }) => _tag)
    expect(yield* Fleet.until(ask, (answer) => answer === "Failure")).toBe("Failure")
  })
)

it.live("L1 a charge of units ends with its window, and not before", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* one.run(grant(limit, { units: 100, ...now }))
    const early = yield* process(redis.url, { aheadMillis: 59_900 })
    expect(yield* Effect.flip(early.run(grant(limit, { units: 1, ...now })))).toMatchObject({ _tag: "RateLimited" })
    const later = yield* process(redis.url, { aheadMillis: 61_001 })
    yield* later.run(grant(limit, { units: 100, ...now }))
  })
)

it.live("a request for more units than the limit has takes the whole limit", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* one.run(grant(limit, { units: 1_000, ...now }))
    expect(yield* Effect.flip(one.run(grant(limit, { units: 1, ...now })))).toMatchObject({ _tag: "RateLimited" })
  })
)

it.live("a take sent twice is charged once and answers as the first time; a settle sent twice counts once", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const store = yield* one.run(
      Effect.gen(function* () {
        return LimitStore.make(yield* RedisClient.RedisClient, {
          clockOffsetMillis: (yield* CoreConfig).clockOffsetMillis,
          leaseMillis: 15_000
        })
      })
    )
    const both = Limit.make("twice", { requests: 2, units: 100 })
    const line = { limit: both, keys: keyNames.limit(both.name) }
    const take = store.take({
      line,
      id: "00000000-0000-4000-8000-000000000001",
      place: null,
      units: 60,
      patienceMillis: 0
    })
    const first = yield* take
    expect(first.verdict).toBe("granted")
    expect(yield* take).toEqual(first)
    expect(yield* one.send("LLEN", line.keys.grants)).toBe(1)
    const settle = store.settle({ line, id: "00000000-0000-4000-8000-000000000001", leave: null, used: 50, units: 60 })
    yield* settle
    yield* settle
    yield* one.run(grant(both, { units: 50, ...now }))
    expect((yield* Effect.flip(one.run(grant(both, { units: 1, ...now }))))._tag).toBe("RateLimited")
  })
)

it.live("a waiter that asks twice has one place in line", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const store = LimitStore.make(yield* one.run(RedisClient.RedisClient), {
      clockOffsetMillis: 0,
      leaseMillis: 15_000
    })
    const single = Limit.make("line", { requests: 1 })
    const line = { limit: single, keys: keyNames.limit(single.name) }
    const ask = (id: string) => store.take({ line, id, place: null, units: 1, patienceMillis: 100_000 })
    expect((yield* ask("first")).verdict).toBe("granted")
    const told = yield* ask("second")
    const again = yield* ask("second")
    expect([told.verdict, again.verdict]).toEqual(["wait", "wait"])
    expect(again.millis).toBeLessThanOrEqual(told.millis)
    expect(yield* one.send("ZCARD", line.keys.line)).toBe(1)
    // the one behind is told to come a window later
    expect((yield* ask("third")).millis).toBeGreaterThan(told.millis + 60_000)
  })
)

it.live.skipIf(Fleet.onCluster)("a full Redis still grants and pauses limits, so that work in hand can finish", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* one.send("CONFIG", "SET", "maxmemory", 1)
    yield* Effect.addFinalizer(() => one.send("CONFIG", "SET", "maxmemory", 0))
    const all = Limit.make("full", { requests: 5, units: 100, permits: 5 })
    yield* one.run(grant(all, { units: 10, ...now }))
    yield* one.run(RateLimiter.RateLimiter.use((limiter) => limiter.pause(all, "1 second")))
  })
)
