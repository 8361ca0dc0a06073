/** Settling a request to a limit, also late or sent twice: its permit is free again and its units are charged, once (L1). */
import { describe, expect, it } from "@effect/vitest"
import { Limit } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Effect, Fiber } from "effect"
import type { Scope } from "effect"
import * as LimitStore from "../../../packages/core/src/limit/LimitStore.ts"
import * as Fleet from "../CoreFixture.ts"
import { process } from "./LimitFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const leaseMillis = 15_000
const a = "00000000-0000-4000-8000-00000000000a"
const b = "00000000-0000-4000-8000-00000000000b"
const c = "00000000-0000-4000-8000-00000000000c"

const lineOf = (limit: Limit.Limit): LimitStore.Line => ({ limit, keys: keyNames.limit(limit.name) })
const single = lineOf(Limit.make("single", { permits: 1 }))

/** The scripts as they answer so far ahead of Redis's clock. */
const at = (aheadMillis: number): Effect.Effect<ReturnType<typeof playing>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    return playing(yield* one.run(RedisClient.RedisClient), aheadMillis)
  })
const playing = (client: RedisClient.RedisClient["Service"], clockOffsetMillis: number) => {
  const store = LimitStore.make(client, { clockOffsetMillis, leaseMillis })
  return {
    take: (line: LimitStore.Line, id: string, units = 1) =>
      Effect.map(store.take({ line, id, place: null, units, patienceMillis: 0 }), ({ verdict }) => verdict),
    settle: (line: LimitStore.Line, id: string, used: number | null = null, units = 1) =>
      store.settle({ line, id, leave: null, used, units }),
    renew: (line: LimitStore.Line, ids: ReadonlyArray<string>) =>
      Effect.map(store.renew(line, ids, "if free"), ({ lost }) => lost)
  }
}

describe("settling a permit", () => {
  it.live("L1 a permit that was given back is not taken again by a renewal that arrives later", () =>
    Effect.gen(function* () {
      const now = yield* at(0)
      expect(yield* now.take(single, a)).toBe("granted")
      yield* now.settle(single, a)
      expect(yield* now.take(single, b)).toBe("granted")
      yield* now.settle(single, b)
      expect(yield* now.renew(single, [a, b])).toEqual([])
      expect(yield* now.take(single, c)).toBe("granted")
    })
  )

  it.live("L1 a permit whose lease had ended and was renewed late is free once it is given back", () =>
    Effect.gen(function* () {
      const [now, later, still, end] = yield* Effect.forEach([0, 16_000, 17_000, 18_000], at)
      expect(yield* now!.take(single, a)).toBe("granted")
      expect(yield* later!.take(single, b)).toBe("granted")
      yield* later!.settle(single, b)
      expect(yield* still!.renew(single, [a])).toEqual([])
      expect(yield* still!.take(single, c)).toBe("refused")
      yield* still!.settle(single, a)
      expect(yield* end!.take(single, c)).toBe("granted")
    })
  )

  it.live("a permit given back before its request arrives is refused to that request and stays free for others", () =>
    Effect.gen(function* () {
      const now = yield* at(0)
      yield* now.settle(single, a, 0)
      expect(yield* now.take(single, a)).toBe("refused")
      expect(yield* now.take(single, b)).toBe("granted")
    })
  )

  it.live("the record of a permit given back is deleted after half a minute", () =>
    Effect.gen(function* () {
      const [now, later] = yield* Effect.forEach([0, 31_000], at)
      expect(yield* now!.take(single, a)).toBe("granted")
      yield* now!.settle(single, a)
      expect(yield* later!.take(single, b)).toBe("granted")
      const one = yield* process(redis.url)
      expect(yield* one.send("ZRANGE", single.keys.held, 0, -1)).toEqual([b])
      expect(yield* one.send("PTTL", single.keys.held)).toBeGreaterThan(0)
    })
  )
})

describe("settling units", () => {
  const hundred = lineOf(Limit.make("hundred", { units: 100 }))

  it.live("L1 units used beyond the estimate are charged once, even after a call longer than the window", () =>
    Effect.gen(function* () {
      const [now, later] = yield* Effect.forEach([0, 120_000], at)
      expect(yield* now!.take(hundred, a, 10)).toBe("granted")
      // whoever comes forgets what is past
      expect(yield* later!.take(hundred, b, 0)).toBe("granted")
      yield* later!.settle(hundred, a, 95, 10)
      yield* later!.settle(hundred, a, 95, 10)
      expect(yield* later!.take(hundred, c, 16)).toBe("refused")
      expect(yield* later!.take(hundred, c, 15)).toBe("granted")
    })
  )

  it.live("unused units of a call longer than the window are not given back to the current window", () =>
    Effect.gen(function* () {
      const [now, later] = yield* Effect.forEach([0, 120_000], at)
      expect(yield* now!.take(hundred, a, 60)).toBe("granted")
      expect(yield* later!.take(hundred, b, 60)).toBe("granted")
      yield* later!.settle(hundred, a, 0, 60)
      expect(yield* later!.take(hundred, c, 41)).toBe("refused")
    })
  )

  it.live("unused units of a renewed call longer than the window do not lower what was charged since", () =>
    Effect.gen(function* () {
      const both = lineOf(Limit.make("both", { units: 100, permits: 2 }))
      const one = yield* process(redis.url)
      const client = yield* one.run(RedisClient.RedisClient)
      // 64 s later units are counted in the same field, if both calls come early in their second
      const untilSecond = 1_000 - Math.floor((yield* Fleet.timeOf(one)) % 1_000)
      const [now, later] = [playing(client, untilSecond), playing(client, untilSecond + 64_000)]
      expect(yield* now.take(both, a, 60)).toBe("granted")
      expect(yield* later.renew(both, [a])).toEqual([])
      expect(yield* later.take(both, b, 60)).toBe("granted")
      yield* later.settle(both, a, 0, 60)
      expect(yield* later.take(both, c, 41)).toBe("refused")
    })
  )
})

describe("limits in one tick", () => {
  it.live("limits asked in one tick are answered separately: one whose call fails does not fail the others", () =>
    Effect.gen(function* () {
      const now = yield* at(0)
      const one = yield* process(redis.url)
      const spoilt = lineOf(Limit.make("spoilt", { permits: 1 }))
      yield* one.send("SET", spoilt.keys.held, "no sorted set")
      const bad = yield* Effect.forkChild(Effect.flip(now.take(spoilt, a)), { startImmediately: true })
      const badSettle = yield* Effect.forkChild(Effect.flip(now.settle(spoilt, c)), { startImmediately: true })
      const good = yield* Effect.forkChild(now.take(single, b), { startImmediately: true })
      const settled = yield* Effect.forkChild(now.settle(single, b), { startImmediately: true })
      expect(yield* Fiber.join(good)).toBe("granted")
      yield* Fiber.join(settled)
      expect(yield* Fiber.join(bad)).toMatchObject({ _tag: "RedisRefused" })
      expect(yield* Fiber.join(badSettle)).toMatchObject({ _tag: "RedisRefused" })
      expect(yield* now.take(single, c)).toBe("granted")
    })
  )
})
