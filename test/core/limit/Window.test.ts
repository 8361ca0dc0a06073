/** Requests in a window, fleet-wide: what is granted, in which order, and what waiting costs. */
import { expect, it } from "@effect/vitest"
import { Limit, RateLimiter } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import { Deferred, Duration, Effect, Fiber, Metric } from "effect"
import * as LimitStore from "../../../packages/core/src/limit/LimitStore.ts"
import * as Fleet from "../CoreFixture.ts"
import type { Process } from "./LimitFixture.ts"
import { as, child, grant, mostInAnyWindow, process } from "./LimitFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const commands = Effect.map(Metric.value(Metrics.redisCommands), ({ count }) => count)

it.live(
  "L1 150 fibers of three processes are never granted more than 50 requests in any window, by Redis's clock",
  () =>
    Effect.gen(function* () {
      const grants: Array<number> = []
      const window = 1_500
      const env = { REDIS_URL: redis.url, REQUESTS: "50", WINDOW_MS: String(window), FIBERS: "50", GATE: "go" }
      const takers = yield* Effect.forEach([1, 2, 3], () =>
        child(env, ({ at }) => {
          if (typeof at === "number") grants.push(at)
        })
      )
      for (const taker of takers) yield* Effect.promise(() => taker.said(({ ready }) => ready === true))
      const one = yield* process(redis.url)
      yield* one.send("SET", "go", 1)
      for (const taker of takers) expect(yield* Effect.promise(() => taker.exited)).toBe(0)
      expect(grants.length).toBe(150)
      expect(mostInAnyWindow(grants, window)).toBe(50)
    }),
  60_000
)

it.live("waiters of three processes are served in order of arrival, with fewer than four commands each", () =>
  Effect.gen(function* () {
    const limit = Limit.make("slow", { requests: 1, window: "200 millis" })
    const fleet = [yield* process(redis.url), yield* process(redis.url), yield* process(redis.url)]
    yield* fleet[0]!.run(grant(limit))
    const before = yield* commands
    const served: Array<number> = []
    const waiting = yield* Effect.forEach(Array.from({ length: 9 }), (_, i) =>
      Effect.gen(function* () {
        const sent = yield* commands
        const fiber = yield* Effect.forkChild(
          Effect.tap(fleet[i % 3]!.run(grant(limit)), () => Effect.sync(() => served.push(i)))
        )
        yield* Fleet.until(commands, (now) => now > sent)
        return fiber
      })
    )
    for (const fiber of waiting) yield* Fiber.join(fiber)
    expect(served).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    // some come a moment before those in front of them have gone, and are told so
    expect(((yield* commands) - before) / 9).toBeLessThan(4)
  })
)

it.live("an interrupted waiter gives up its place in line, and the next one moves up", () =>
  Effect.gen(function* () {
    const limit = Limit.make("left", { requests: 1, window: "1 second" })
    const one = yield* process(redis.url)
    const inLine = one.send("ZCARD", "eco2:limit-line:{left}")
    const first = yield* one.run(grant(limit))
    const leaver = yield* Effect.forkChild(one.run(grant(limit)))
    yield* Fleet.until(inLine, (count) => count === 1)
    const next = yield* Effect.forkChild(one.run(grant(limit)))
    yield* Fleet.until(inLine, (count) => count === 2)
    yield* Fiber.interrupt(leaver)
    expect(yield* Fiber.join(next)).toBeLessThan(first + 2_000)
    expect(yield* inLine).toBe(0)
  })
)

it.live("a request with room is granted at once; without room within its patience it is refused at once", () =>
  Effect.gen(function* () {
    const limit = Limit.make("now", { requests: 2 })
    const one = yield* process(redis.url)
    yield* one.run(grant(limit, { patience: 0 }))
    yield* one.run(grant(limit, { patience: 0 }))
    const refusal = yield* Effect.flip(one.run(grant(limit, { patience: 0 })))
    expect(refusal).toMatchObject({ _tag: "RateLimited", limit: "now" })
    if (refusal._tag !== "RateLimited") return
    // a window and a sixtieth
    expect(refusal.retryAfter).toMatchObject({ value: { millis: expect.closeTo(61_000, -3.5) } })
    expect(yield* one.send("EXISTS", "eco2:limit-line:{now}")).toBe(0)
  })
)

it.live("a full window has room again a window and a sixtieth after its grants, and none before", () =>
  Effect.gen(function* () {
    const limit = Limit.make("minute", { requests: 2 })
    const now = yield* process(redis.url)
    yield* now.run(grant(limit))
    yield* now.run(grant(limit))
    const early = yield* process(redis.url, { aheadMillis: 60_000 })
    expect((yield* Effect.flip(early.run(grant(limit, { patience: 0 }))))._tag).toBe("RateLimited")
    const later = yield* process(redis.url, { aheadMillis: 61_000 })
    yield* later.run(grant(limit, { patience: 0 }))
  })
)

it.live("a refused request that returns on time gets its booked place before a later one", () =>
  Effect.gen(function* () {
    const limit = Limit.make("booked", { requests: 1 })
    const now = yield* process(redis.url)
    yield* now.run(grant(limit))
    const refusal = yield* Effect.flip(now.run(grant(limit)).pipe(as("job/look")))
    expect(refusal._tag).toBe("RateLimited")
    // on time: somebody else finds the room taken
    const due = yield* process(redis.url, { aheadMillis: 61_500 })
    expect((yield* Effect.flip(due.run(grant(limit, { patience: 0 }))))._tag).toBe("RateLimited")
    yield* due.run(grant(limit, { patience: 0 })).pipe(as("job/look"))
  })
)

it.live("a refused request is told to return shortly before its time, and waits the rest in its fiber", () =>
  Effect.gen(function* () {
    const limit = Limit.make("early", { requests: 1, window: "2400 millis" })
    const now = yield* process(redis.url)
    const first = yield* now.run(grant(limit))
    const refusal = yield* Effect.flip(now.run(grant(limit, { patience: 0 })).pipe(as("job/look")))
    if (refusal._tag !== "RateLimited") return expect(refusal._tag).toBe("RateLimited")
    yield* Effect.sleep(refusal.retryAfter)
    const second = yield* now.run(grant(limit)).pipe(as("job/look"))
    expect(second - first).toBeGreaterThanOrEqual(2_440)
  })
)

it.live(
  "a waiter farther back in line is told a later time, also while the first in line is on its way to a free slot",
  () =>
    Effect.gen(function* () {
      // one more is granted at once every 20 milliseconds: some of the answers meet a free slot
      const limit = Limit.make("far", { requests: 50, window: "1 second", burst: 1 })
      const one = yield* process(redis.url)
      const store = LimitStore.make(yield* one.run(RedisClient.RedisClient), {
        clockOffsetMillis: 0,
        leaseMillis: 15_000
      })
      const line = { limit, keys: keyNames.limit(limit.name) }
      const since = Date.now()
      for (let n = 0; n < 100; n++) {
        const { millis, verdict } = yield* store.take({
          line,
          id: `id ${n}`,
          place: `job ${n}`,
          units: 1,
          patienceMillis: 100
        })
        // 20 ms a place; never as if nobody stood before, nor granted before its turn
        const due = (verdict === "granted" ? millis : Date.now() + millis) - since
        if (n > 0) expect([n, due]).toEqual([n, expect.toSatisfy(() => due >= n * 20 - 110)])
      }
    })
)

it.live(
  "L1 a full window, a pause and the permit of a dead process end on time though Redis's clock was set back",
  () =>
    Effect.gen(function* () {
      const window = Limit.make("back", { requests: 2, window: "2 seconds" })
      const paused = Limit.make("back-paused", { requests: 100 })
      const held = Limit.make("back-held", { permits: 1 })
      const storeOf = (one: Process, aheadMillis: number) =>
        Effect.map(one.run(RedisClient.RedisClient), (client) =>
          LimitStore.make(client, { clockOffsetMillis: aheadMillis, leaseMillis: 15_000 })
        )
      const one = yield* process(redis.url)
      const before = yield* storeOf(one, 600_000)
      const after = yield* storeOf(one, 0)
      const later = yield* storeOf(one, 20_000)
      const lineOf = (limit: Limit.Limit): LimitStore.Line => ({ limit, keys: keyNames.limit(limit.name) })
      const asked = { place: null, units: 1, patienceMillis: 0 }
      for (const id of ["a", "b"]) yield* before.take({ ...asked, line: lineOf(window), id })
      yield* before.pause(lineOf(paused), 5_000)
      yield* before.take({ ...asked, line: lineOf(held), id: "a" })
      const refusal = yield* after.take({ ...asked, line: lineOf(window), id: "c" })
      expect(refusal.verdict).toBe("refused")
      expect(refusal.millis).toBeLessThanOrEqual(2_100)
      const pause = yield* after.take({ ...asked, line: lineOf(paused), id: "c" })
      expect([pause.verdict, pause.isPaused]).toEqual(["refused", true])
      expect(pause.millis).toBeLessThanOrEqual(5_000)
      expect((yield* after.take({ ...asked, line: lineOf(held), id: "c" })).verdict).toBe("refused")
      for (const limit of [window, paused, held])
        expect((yield* later.take({ ...asked, line: lineOf(limit), id: "d" })).verdict).toBe("granted")
      // the window counts again by the limit's own clock
      expect((yield* later.take({ ...asked, line: lineOf(window), id: "e" })).verdict).toBe("granted")
      expect((yield* later.take({ ...asked, line: lineOf(window), id: "f" })).verdict).toBe("refused")
      expect(yield* later.granted(lineOf(window))).toBe(2)
    })
)

it.live("patience counts from the first ask: a wait that grows longer meanwhile ends when it is used up", () =>
  Effect.gen(function* () {
    const limit = Limit.make("patient", { requests: 100 })
    const one = yield* process(redis.url)
    const pause = (length: Duration.Input) =>
      one.run(RateLimiter.RateLimiter.use((limiter) => limiter.pause(limit, length)))
    yield* pause("500 millis")
    const sent = yield* commands
    const waiting = yield* Effect.forkChild(Effect.flip(one.run(grant(limit, { patience: "3 seconds" }))))
    yield* Fleet.until(commands, (now) => now > sent)
    // longer than what is left of the patience when it asks again, shorter than all of it
    yield* pause("3100 millis")
    expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "RateLimited", limit: "patient" })
  })
)

it.live("a booked place whose owner does not return delays others by two seconds at most", () =>
  Effect.gen(function* () {
    const limit = Limit.make("gone", { requests: 1 })
    const now = yield* process(redis.url)
    yield* now.run(grant(limit))
    yield* Effect.flip(now.run(grant(limit)).pipe(as("job/gone")))
    const late = yield* process(redis.url, { aheadMillis: 63_500 })
    yield* late.run(grant(limit, { patience: 0 }))
  })
)

it.live("units reserved for a large waiting request are not given to smaller ones that come later", () =>
  Effect.gen(function* () {
    const limit = Limit.make("large", { units: 100, window: "2 seconds" })
    const one = yield* process(redis.url)
    yield* one.run(grant(limit, { units: 60 }))
    const sent = yield* commands
    const large = yield* Effect.forkChild(one.run(grant(limit, { units: 80 })))
    yield* Fleet.until(commands, (now) => now > sent)
    expect((yield* Effect.flip(one.run(grant(limit, { units: 30, patience: 0 }))))._tag).toBe("RateLimited")
    yield* Fiber.join(large)
  })
)

it.live("a burst is granted at once, and the requests after it are spaced over the window", () =>
  Effect.gen(function* () {
    const limit = Limit.make("spaced", { requests: 10, window: "2 seconds", burst: 3 })
    const one = yield* process(redis.url)
    const times = yield* Effect.all(
      Array.from({ length: 8 }, () => one.run(grant(limit))),
      { concurrency: "unbounded" }
    )
    for (let n = 3; n < 8; n++) expect(times[n]! - times[0]!).toBeGreaterThanOrEqual((n - 2) * 200 - 1)
  })
)

it.live("the longest of several pauses holds for every process, and work under way goes on", () =>
  Effect.gen(function* () {
    const limit = Limit.make("paused", { requests: 5 })
    const one = yield* process(redis.url)
    const other = yield* process(redis.url)
    const begun = yield* Deferred.make<void>()
    const end = yield* Deferred.make<void>()
    const limiter = RateLimiter.RateLimiter
    const working = yield* Effect.forkChild(
      one.run(
        limiter.use((service) =>
          service.use(limit, {}, () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)))
        )
      )
    )
    yield* Deferred.await(begun)
    yield* one.run(limiter.use((service) => service.pause(limit, "40 seconds")))
    yield* one.run(limiter.use((service) => service.pause(limit, "2 seconds")))
    const refusal = yield* Effect.flip(other.run(grant(limit)))
    expect(refusal).toMatchObject({
      _tag: "RateLimited",
      retryAfter: { value: { millis: expect.closeTo(40_000, -3.5) } }
    })
    yield* Deferred.succeed(end, undefined)
    yield* Fiber.join(working)
    const later = yield* process(redis.url, { aheadMillis: 40_001 })
    yield* later.run(grant(limit, { patience: 0 }))
  })
)

it.live(
  "callers refused by a pause get times with jitter, and return after about a minute when the pause is longer",
  () =>
    Effect.gen(function* () {
      const one = yield* process(redis.url)
      const pausing = (limit: Limit.Limit, length: Duration.Input) =>
        one.run(RateLimiter.RateLimiter.use((limiter) => limiter.pause(limit, length)))
      const told = (limit: Limit.Limit) =>
        Effect.forEach(
          Array.from({ length: 40 }, (_, i) => `job-${i}`),
          (place) =>
            one.run(as(place)(grant(limit))).pipe(
              Effect.flip,
              Effect.map((error) => (error._tag === "RateLimited" ? Duration.toMillis(error.retryAfter) : 0))
            ),
          { concurrency: "unbounded" }
        )
      const free = Limit.make("free", {})
      yield* pausing(free, "20 seconds")
      const times = yield* told(free)
      expect(Math.min(...times)).toBeGreaterThan(19_000)
      expect(Math.max(...times)).toBeLessThanOrEqual(24_000)
      expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1_000)
      expect(new Set(times).size).toBeGreaterThan(20)
      for (const limit of [Limit.make("long", {}), Limit.make("counted", { requests: 1000 })]) {
        yield* pausing(limit, "10 minutes")
        const looks = yield* told(limit)
        expect(Math.min(...looks)).toBeGreaterThanOrEqual(60_000)
        expect(Math.max(...looks)).toBeLessThanOrEqual(70_000)
        expect(new Set(looks).size).toBeGreaterThan(20)
      }
    })
)

it.live("waiters of a short pause are granted over a quarter of a second or more, not all at once", () =>
  Effect.gen(function* () {
    const limit = Limit.make("short", {})
    const one = yield* process(redis.url)
    // on a busy machine all of them must ask before it is over
    yield* one.run(RateLimiter.RateLimiter.use((limiter) => limiter.pause(limit, "2 seconds")))
    const times = yield* Effect.forEach(Array.from({ length: 40 }), () => one.run(grant(limit)), {
      concurrency: "unbounded"
    })
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(250)
  })
)

it.live("each key of a limit has a count of its own", () =>
  Effect.gen(function* () {
    const limit = Limit.make("own", { requests: 1 })
    const one = yield* process(redis.url)
    yield* one.run(grant(limit, { key: "ann} {", patience: 0 }))
    yield* one.run(grant(limit, { key: "bob", patience: 0 }))
    expect((yield* Effect.flip(one.run(grant(limit, { key: "bob", patience: 0 }))))._tag).toBe("RateLimited")
  })
)

it.live("every Redis key of a limit has an expiry", () =>
  Effect.gen(function* () {
    const limit = Limit.make("away", { requests: 1, units: 10, permits: 1 })
    const one = yield* process(redis.url, { lease: "1 second" })
    yield* one.run(grant(limit))
    yield* Effect.flip(one.run(grant(limit)).pipe(as("job/away")))
    const keys = ["limit", "limit-grants", "limit-line"].map((name) => `eco2:${name}:{away}`)
    for (const key of keys) {
      expect([key, yield* one.send("PTTL", key)]).toEqual([key, expect.toSatisfy((millis: number) => millis > 0)])
    }
    expect(yield* one.send("PTTL", "eco2:limit-held:{away}")).not.toBe(-1)
  })
)

it.live("granted() counts the current window's requests of all processes, without those of other keys", () =>
  Effect.gen(function* () {
    const limit = Limit.make("told", { requests: 3, window: "6 seconds" })
    const used = RateLimiter.RateLimiter.use((limiter) => limiter.granted(limit))
    const [one, other] = [yield* process(redis.url), yield* process(redis.url)]
    expect(yield* one.run(used)).toBe(0)
    for (const taker of [one, one, other]) yield* taker.run(grant(limit))
    yield* Effect.flip(other.run(grant(limit, { patience: 0 })))
    yield* one.run(grant(limit, { key: "somebody's" }))
    expect([yield* one.run(used), yield* other.run(used)]).toEqual([3, 3])
    const later = yield* process(redis.url, { aheadMillis: 6_000 })
    expect(yield* later.run(used)).toBe(0)
  })
)
