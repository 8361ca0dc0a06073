/** Limits as operators see them, and the end of a pause. */
import { expect, it } from "@effect/vitest"
import { CoreConfig, Limit, RateLimiter } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { LimitList } from "@eco2/core/operations"
import { Deferred, Effect, Fiber, Layer } from "effect"
import * as Fleet from "../CoreFixture.ts"
import { as, grant, process } from "../limit/LimitFixture.ts"

const redis = Fleet.privateRedis()
const operator = <A, E>(ask: (limits: LimitList.LimitList["Service"]) => Effect.Effect<A, E>) =>
  LimitList.LimitList.use(ask).pipe(
    Effect.provide(
      LimitList.layer.pipe(Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})]), Layer.fresh)
    )
  )
const list = Effect.suspend(() => operator((limits) => limits.list))

it.live("the list of limits shows what each allows, its use, who waits and who is away", () =>
  Effect.gen(function* () {
    expect(yield* list).toEqual({ limits: [], complete: true })
    const limit = Limit.make("model/gpt-5.2", { requests: 3, units: 100, permits: 2 })
    const own = Limit.make("own", { requests: 1 })
    const one = yield* process(redis.url)
    const end = yield* Deferred.make<void>()
    const begun = yield* Deferred.make<void>()
    const use = RateLimiter.RateLimiter.use((limiter) =>
      limiter.use(limit, { units: 30 }, () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)))
    )
    yield* one.run(grant(limit, { units: 10 }))
    const working = yield* Effect.forkChild(one.run(use))
    yield* Deferred.await(begun)
    yield* one.run(grant(own, { key: "ann" }))
    yield* Effect.flip(one.run(as("job/vision")(grant(own, { key: "ann" }))))
    const use100 = { name: "model/gpt-5.2", windowMillis: 60_000, pausedMillis: 0, waiting: 0, away: 0 }
    yield* Fleet.until(
      list,
      // the first permit's way back is not waited for
      ({ limits }) => limits[0]?.permits?.used === 1
    )
    expect((yield* list).limits).toEqual([
      {
        ...use100,
        requests: { most: 3, used: 2 },
        units: { most: 100, used: 40 },
        permits: { most: 2, used: 1 }
      },
      { ...use100, name: "own|ann", away: 1, requests: { most: 1, used: 1 }, units: null, permits: null }
    ])
    yield* Deferred.succeed(end, undefined)
    yield* Fiber.join(working)
  })
)

it.live("the list of limits leaves out requests older than the window", () =>
  Effect.gen(function* () {
    const limit = Limit.make("window", { requests: 10, window: "2 seconds" })
    const before = yield* process(redis.url, { aheadMillis: -2_500 })
    const one = yield* process(redis.url)
    for (let n = 0; n < 3; n++) yield* before.run(grant(limit))
    for (let n = 0; n < 2; n++) yield* one.run(grant(limit))
    expect((yield* list).limits[0]?.requests).toEqual({ most: 10, used: 2 })
  })
)

it.live("a pause that an operator lifts ends for the whole fleet, and lifting it twice is the same", () =>
  Effect.gen(function* () {
    const limit = Limit.make("paused", {})
    const one = yield* process(redis.url)
    const other = yield* process(redis.url)
    yield* one.run(RateLimiter.RateLimiter.use((limiter) => limiter.pause(limit, "10 minutes")))
    expect((yield* list).limits[0]?.pausedMillis).toBeGreaterThan(590_000)
    expect((yield* Effect.flip(other.run(grant(limit))))._tag).toBe("RateLimited")
    for (let n = 0; n < 2; n++) yield* operator((limits) => limits.resume("paused"))
    expect((yield* list).limits[0]?.pausedMillis).toBe(0)
    for (const process of [one, other]) yield* process.run(grant(limit, { patience: 0 }))
    const unknown = yield* Effect.flip(operator((limits) => limits.resume("nobody's")))
    expect(unknown).toMatchObject({ _tag: "LimitUnknown", limit: "nobody's" })
  })
)

it.live("a waiter of a limit is listed with its job and stage, since when it waits, and when it comes back", () =>
  Effect.gen(function* () {
    const limit = Limit.make("narrow", { requests: 1 })
    const one = yield* process(redis.url)
    yield* one.run(grant(limit))
    const job = "00000000-0000-4000-8000-000000000001"
    yield* Effect.flip(one.run(as(`${job}/vision`)(grant(limit))))
    const [waiter, ...others] = yield* operator((limits) => limits.waiters("narrow"))
    expect(others).toEqual([])
    expect(waiter).toMatchObject({ jobId: job, stage: "vision" })
    expect(waiter!.due! - waiter!.since!).toBeGreaterThan(30_000)
    expect(yield* operator((limits) => limits.waiters("nobody's"))).toEqual([])
  })
)
