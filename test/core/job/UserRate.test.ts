/** USER_RATE limits a user's submits in any window; a submit counts only if its job is accepted. */
import { expect, it } from "@effect/vitest"
import { Pipeline } from "@eco2/core"
import { Duration, Effect } from "effect"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const userRate = { number: 2, window: Duration.minutes(1) }
const joined = (clockOffsetMillis = 0) => Fleet.joined(redis.url, { userRate, clockOffsetMillis })

it.live("L1 a user's submits beyond USER_RATE in any window are refused, and other users' pass", () =>
  Effect.gen(function* () {
    const now = yield* joined()
    yield* now.run(Fleet.submit())
    const half = yield* joined(30_000)
    yield* half.run(Fleet.submit())
    const refusal = yield* Effect.flip(half.run(Fleet.submit()))
    expect(refusal).toMatchObject({ _tag: "RateLimited", limit: "USER_RATE" })
    if (refusal._tag !== "RateLimited") return
    expect(Duration.toMillis(refusal.retryAfter)).toBeLessThanOrEqual(30_000)
    expect(Duration.toMillis(refusal.retryAfter)).toBeGreaterThan(20_000)
    yield* half.run(Fleet.submit({ owner: "bob" }))
    const later = yield* joined(60_001)
    yield* later.run(Fleet.submit())
    // the one of half a minute ago still counts
    expect((yield* Effect.flip(later.run(Fleet.submit())))._tag).toBe("RateLimited")
  })
)

it.live("a repeated submit is neither refused nor counted by USER_RATE, and a refused submit stores nothing", () =>
  Effect.gen(function* () {
    const now = yield* joined()
    const first = yield* now.run(Fleet.submit({ key: "once" }))
    for (let n = 0; n < 5; n++) expect(yield* now.run(Fleet.submit({ key: "once" }))).toBe(first)
    yield* now.run(Fleet.submit({ key: "twice" }))
    const before = yield* Fleet.keysOf(now)
    const image = new Uint8Array(1_000)
    for (const options of [{}, { key: "third" }, { image }, { key: "third", image }]) {
      expect((yield* Effect.flip(now.run(Fleet.submit(options))))._tag).toBe("RateLimited")
    }
    expect(yield* Fleet.keysOf(now)).toEqual(before)
    expect(yield* now.run(Fleet.submit({ key: "once" }))).toBe(first)
  })
)

it.live("of fifty submits at once, exactly USER_RATE's number is accepted", () =>
  Effect.gen(function* () {
    const fleet = [yield* joined(), yield* joined()]
    const exits = yield* Effect.forEach(
      Array.from({ length: 50 }),
      (_, i) => Effect.exit(fleet[i % 2]!.run(Fleet.submit())),
      { concurrency: "unbounded" }
    )
    expect(exits.filter(({ _tag }) => _tag === "Success").length).toBe(2)
  })
)

it.live("a user at USER_RATE waits no longer when Redis's clock is set back, and its submits are counted anew", () =>
  Effect.gen(function* () {
    const before = yield* joined(600_000)
    for (let n = 0; n < 2; n++) yield* before.run(Fleet.submit())
    const after = yield* joined()
    for (let n = 0; n < 2; n++) yield* after.run(Fleet.submit())
    expect((yield* Effect.flip(after.run(Fleet.submit())))._tag).toBe("RateLimited")
  })
)

it.live("jobs without an owner are not counted by USER_RATE, and without a rate nothing is stored", () =>
  Effect.gen(function* () {
    const now = yield* joined()
    const submit = Pipeline.submit(Fleet.ParcelPipeline, { weight: 1 }, { owner: null, key: null })
    for (let n = 0; n < 4; n++) yield* now.run(submit)
    const free = yield* Fleet.joined(redis.url)
    for (let n = 0; n < 4; n++) yield* free.run(Fleet.submit())
    expect((yield* Fleet.keysOf(now)).filter((key) => key.includes(":limit:"))).toEqual([])
  })
)
