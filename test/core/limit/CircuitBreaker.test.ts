/** The breaker, shared by a fleet: what opens it, who probes, what closes it, and what it costs. */
import { expect, it } from "@effect/vitest"
import { CircuitBreaker, CoreConfig, Worker } from "@eco2/core"
import { Metrics } from "@eco2/core/telemetry"
import { RedisClient, Script } from "@eco2/core/redis"
import { Deferred, Duration, Effect, Fiber, Layer, Metric, Schema } from "effect"
import * as Preludes from "../../../packages/core/src/limit/Preludes.ts"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"
import { process } from "./LimitFixture.ts"
import type { Process } from "./LimitFixture.ts"

const redis = Fleet.privateRedis()
const breaker = CircuitBreaker.make("openai/gpt-5.2", { failures: 3, within: "30 seconds", openFor: "20 seconds" })
const key = "eco2:breaker:openai/gpt-5.2"
const commands = Effect.map(Metric.value(Metrics.redisCommands), ({ count }) => count)

type Outcome = "well" | CircuitBreaker.Judgement
/** One call that turns out like this; answers what its caller saw. */
const call = (one: Process, outcome: Outcome) =>
  one
    .run(
      CircuitBreaker.CircuitBreaker.use((service) =>
        service.guard(
          breaker,
          outcome === "well" ? Effect.succeed("well" as const) : Effect.fail({ _tag: outcome }),
          ({ _tag }) => _tag
        )
      )
    )
    .pipe(
      Effect.map((): string => "well"),
      Effect.catch((error) => Effect.succeed<string>(error._tag))
    )
const open = (one: Process) => Effect.forEach([1, 2, 3], () => call(one, "failed"))

it.live("a breaker opens after its number of failures, for every process within a second", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const other = yield* process(redis.url)
    expect(yield* call(other, "well")).toBe("well")
    expect(yield* open(one)).toEqual(["failed", "failed", "failed"])
    expect(yield* call(one, "well")).toBe("BreakerOpen")
    yield* Fleet.until(call(other, "well"), (seen) => seen === "BreakerOpen")
    const error = yield* Effect.flip(
      other.run(CircuitBreaker.CircuitBreaker.use((service) => service.guard(breaker, Effect.void, () => "well")))
    )
    // for as long as it is open, and up to a fifth longer, so that not all come back at once
    const millis = error.retryAfter.value._tag === "Millis" ? error.retryAfter.value.millis : 0
    expect(millis).toBeGreaterThan(15_000)
    expect(millis).toBeLessThanOrEqual(24_000)
  })
)

it.live("callers of an open breaker get Retry-After times with jitter, spread over a fifth of the time left", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* open(one)
    const told = yield* Effect.forEach(Array.from({ length: 40 }), () =>
      one.run(CircuitBreaker.CircuitBreaker.use((service) => service.guard(breaker, Effect.void, () => "well"))).pipe(
        Effect.flip,
        Effect.map(({ retryAfter }) => Duration.toMillis(retryAfter))
      )
    )
    expect(Math.min(...told)).toBeGreaterThan(18_000)
    expect(Math.max(...told)).toBeLessThanOrEqual(24_000)
    expect(Math.max(...told) - Math.min(...told)).toBeGreaterThan(1_000)
  })
)

it.live("a breaker opens at once for a cause that fails every call", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    expect([yield* call(one, "trip"), yield* call(one, "well")]).toEqual(["trip", "BreakerOpen"])
  })
)

it.live("a breaker opens after its number of failures, however many calls succeeded before the first of them", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    for (let n = 0; n < 10; n++) expect(yield* call(one, "well")).toBe("well")
    yield* open(one)
    expect(yield* call(one, "well")).toBe("BreakerOpen")
  })
)

it.live("a breaker that is open is not opened for longer by another cause that fails every call", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const trip = one.run(CircuitBreaker.CircuitBreaker.use((service) => service.trip(breaker)))
    yield* trip
    const opened = yield* one.send("HMGET", key, "until", "times")
    yield* trip
    expect(yield* one.send("HMGET", key, "until", "times")).toEqual(opened)
  })
)

it.live("a breaker stays closed while failures are few among successes", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    for (let n = 0; n < 4; n++) {
      for (const outcome of ["failed", "well", "well"] as const) expect(yield* call(one, outcome)).toBe(outcome)
    }
  })
)

it.live("a breaker stays closed while failures are further apart than its window", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const later = yield* process(redis.url, { aheadMillis: 31_000 })
    expect([yield* call(one, "failed"), yield* call(one, "failed")]).toEqual(["failed", "failed"])
    for (let n = 0; n < 2; n++) expect(yield* call(later, "failed")).toBe("failed")
    expect(yield* call(later, "failed")).toBe("failed")
    expect(yield* call(later, "well")).toBe("BreakerOpen")
  })
)

it.live("an outcome that says nothing about the provider counts neither as failure nor as success", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    for (let n = 0; n < 5; n++) expect(yield* call(one, "nothing")).toBe("nothing")
    expect(yield* call(one, "well")).toBe("well")
  })
)

it.live("once a breaker's open time is over, one fiber of the fleet probes and the others stay refused", () =>
  Effect.gen(function* () {
    yield* open(yield* process(redis.url))
    const fleet = [
      yield* process(redis.url, { aheadMillis: 21_000 }),
      yield* process(redis.url, { aheadMillis: 21_000 })
    ]
    const end = yield* Deferred.make<void>()
    let probes = 0
    const probing = Effect.suspend(() => {
      probes++
      return Deferred.await(end)
    })
    const calls = yield* Effect.forEach(Array.from({ length: 8 }), (_, i) =>
      Effect.forkChild(
        Effect.exit(
          fleet[i % 2]!.run(
            CircuitBreaker.CircuitBreaker.use((service) => service.guard(breaker, probing, () => "failed"))
          )
        )
      )
    )
    yield* Fleet.until(
      Effect.sync(() => calls.filter((fiber) => fiber.pollUnsafe() !== undefined).length),
      (ended) => ended === 7
    )
    expect(probes).toBe(1)
    yield* Deferred.succeed(end, undefined)
    yield* Effect.forEach(calls, Fiber.join)
    expect(yield* call(fleet[0]!, "well")).toBe("well")
    expect(yield* call(fleet[1]!, "well")).toBe("well")
    expect(yield* fleet[0]!.send("EXISTS", key)).toBe(0)
  })
)

it.live("a failed probe opens the breaker for twice as long as before", () =>
  Effect.gen(function* () {
    yield* open(yield* process(redis.url))
    const first = yield* process(redis.url, { aheadMillis: 21_000 })
    expect(yield* call(first, "failed")).toBe("failed")
    const second = yield* process(redis.url, { aheadMillis: 21_000 + 39_000 })
    expect(yield* call(second, "well")).toBe("BreakerOpen")
    const third = yield* process(redis.url, { aheadMillis: 21_000 + 41_000 })
    expect(yield* call(third, "well")).toBe("well")
  })
)

it.live("an interrupted probe, or one that never reached the provider, lets the next caller probe", () =>
  Effect.gen(function* () {
    yield* open(yield* process(redis.url))
    const later = yield* process(redis.url, { aheadMillis: 21_000 })
    const begun = yield* Deferred.make<void>()
    const probe = yield* Effect.forkChild(
      later.run(
        CircuitBreaker.CircuitBreaker.use((service) =>
          service.guard(breaker, Effect.andThen(Deferred.succeed(begun, undefined), Effect.never), () => "failed")
        )
      )
    )
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(probe)
    expect(yield* call(later, "nothing")).toBe("nothing")
    expect(yield* call(later, "well")).toBe("well")
  })
)

it.live("a breaker that opened before Redis's clock was set back is open no longer than it would have been", () =>
  Effect.gen(function* () {
    const before = yield* process(redis.url, { aheadMillis: 600_000 })
    yield* open(before)
    const after = yield* process(redis.url)
    yield* Fleet.until(call(after, "well"), (seen) => seen === "BreakerOpen")
    const error = yield* Effect.flip(
      after.run(CircuitBreaker.CircuitBreaker.use((service) => service.guard(breaker, Effect.void, () => "well")))
    )
    const millis = error.retryAfter.value._tag === "Millis" ? error.retryAfter.value.millis : 0
    expect(millis).toBeGreaterThan(0)
    expect(millis).toBeLessThanOrEqual(24_000)
    // 21 s after the step its time is over, and a probe closes it
    expect(yield* call(yield* process(redis.url, { aheadMillis: 21_000 }), "well")).toBe("well")
  })
)

it.live("a probe that is interrupted before it learns that it is the probe lets the next call probe", () =>
  Effect.gen(function* () {
    yield* open(yield* process(redis.url))
    const gate = yield* Deferred.make<void>()
    const breaking: BrokenRedis.Breaking = new Map([["breaker-ask", Deferred.await(gate)]])
    const context = yield* Layer.build(
      Layer.fresh(
        Worker.limits.pipe(
          Layer.provide([BrokenRedis.layer(redis.url, breaking), CoreConfig.layerWith({ clockOffsetMillis: 21_000 })])
        )
      )
    )
    const next = yield* process(redis.url, { aheadMillis: 21_000 })
    const probing = yield* Effect.forkChild(
      CircuitBreaker.CircuitBreaker.use((service) => service.guard(breaker, Effect.void, () => "failed")).pipe(
        Effect.provideContext(context)
      )
    )
    // Redis has made it the probe, before anybody else asks
    yield* Fleet.until(next.send("HGET", key, "probe"), (probe) => probe !== null && probe !== "")
    expect(yield* call(next, "nothing")).toBe("BreakerOpen")
    yield* Fiber.interrupt(probing)
    yield* Fleet.until(call(next, "well"), (seen) => seen === "well")
  })
)

const scripts = new URL("../../../packages/core/src/limit/scripts/", import.meta.url)
const askScript = Script.make({
  file: new URL("breaker-ask.lua", scripts),
  preludes: Preludes.breaker,
  numberOfKeys: 1,
  reply: Schema.Tuple([Schema.String, Schema.Int])
})

it.live("a question that is sent twice, because its first answer was lost, makes its caller the probe both times", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* open(one)
    const ask = (token: string) =>
      Effect.map(
        one.run(RedisClient.RedisClient.use((client) => client.run(askScript, [key], [21_000, token, 60_000]))),
        ([state]) => state
      )
    expect([yield* ask("mine"), yield* ask("mine"), yield* ask("another's")]).toEqual(["probe", "probe", "half-open"])
  })
)

it.live("a probe whose process died is replaced once its lease is over", () =>
  Effect.gen(function* () {
    yield* open(yield* process(redis.url))
    const dies = yield* process(redis.url, { aheadMillis: 21_000 })
    yield* dies.send("HSET", key, "probe", "of the dead", "lease", Date.now() + 21_000 + 60_000)
    expect(yield* call(dies, "well")).toBe("BreakerOpen")
    const heir = yield* process(redis.url, { aheadMillis: 21_000 + 61_000 })
    expect(yield* call(heir, "well")).toBe("well")
  })
)

it.live("a breaker costs at most one command a second, closed or open", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const costOf200 = Effect.gen(function* () {
      const before = yield* commands
      const since = performance.now()
      for (let n = 0; n < 200; n++) yield* call(one, "well")
      return { sent: (yield* commands) - before, seconds: Math.ceil((performance.now() - since) / 1_000) }
    })
    yield* call(one, "well")
    const closed = yield* costOf200
    expect(closed.sent).toBeLessThanOrEqual(closed.seconds)
    yield* call(one, "trip")
    const opened = yield* costOf200
    expect(opened.sent).toBeLessThanOrEqual(opened.seconds)
  })
)

it.live("a breaker reports its state as a metric: 0 closed, 2 open", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const state = Effect.map(
      Metric.value(Metric.withAttributes(Metrics.breakerState, { name: breaker.name })),
      ({ value }) => value
    )
    yield* call(one, "well")
    expect(yield* state).toBe(0)
    yield* call(one, "trip")
    expect(yield* state).toBe(2)
  })
)
