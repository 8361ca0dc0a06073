/** Breakers as operators see them, and how they open and close them. */
import { expect, it } from "@effect/vitest"
import { CircuitBreaker, CoreConfig } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { BreakerList } from "@eco2/core/operations"
import { Duration, Effect, Layer } from "effect"
import * as Fleet from "../CoreFixture.ts"
import { process } from "../limit/LimitFixture.ts"
import type { Process } from "../limit/LimitFixture.ts"

const redis = Fleet.privateRedis()
const operator = <A, E>(ask: (breakers: BreakerList.BreakerList["Service"]) => Effect.Effect<A, E>) =>
  BreakerList.BreakerList.use(ask).pipe(
    Effect.provide(
      BreakerList.layer.pipe(Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})]), Layer.fresh)
    )
  )
const list = Effect.suspend(() => operator((breakers) => breakers.list))
const breaker = CircuitBreaker.make("openai/gpt-5.2", { failures: 2, openFor: "5 minutes" })
const call = (one: Process, outcome: "well" | "failed" = "well") =>
  one
    .run(
      CircuitBreaker.CircuitBreaker.use((service) =>
        service.guard(breaker, outcome === "well" ? Effect.void : Effect.fail({ _tag: outcome }), ({ _tag }) => _tag)
      )
    )
    .pipe(
      Effect.map((): string => "well"),
      Effect.catch((error) => Effect.succeed<string>(error._tag))
    )
/** By what skips its work while the breaker is open. */
const skipped = (one: Process) =>
  one.run(
    CircuitBreaker.CircuitBreaker.use((service) =>
      Effect.match(service.look(breaker), { onFailure: () => true, onSuccess: () => false })
    )
  )

it.live("a breaker is listed from its first call on, with its failures, and says when a call may probe", () =>
  Effect.gen(function* () {
    expect(yield* list).toEqual([])
    const one = yield* process(redis.url)
    yield* call(one)
    const closed = { name: "openai/gpt-5.2", state: "closed", leftMillis: 0, openings: 0, failures: 0, byHand: false }
    expect(yield* list).toEqual([closed])
    yield* call(one, "failed")
    expect(yield* list).toEqual([{ ...closed, failures: 1 }])
    yield* call(one, "failed")
    const [open] = yield* list
    expect(open).toMatchObject({ state: "open", openings: 1, failures: 2, byHand: false })
    expect(open!.leftMillis).toBeGreaterThan(290_000)
  })
)

it.live("a breaker that was opened before its first call is listed", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* one.run(CircuitBreaker.CircuitBreaker.use(({ trip }) => trip(breaker)))
    expect(yield* list).toMatchObject([{ name: "openai/gpt-5.2", state: "open" }])
  })
)

it.live("a breaker that an operator closes lets calls of every process pass, also of one that only looks at it", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const other = yield* process(redis.url)
    for (let n = 0; n < 2; n++) yield* call(one, "failed")
    yield* Fleet.until(call(other), (seen) => seen === "BreakerOpen")
    expect(yield* skipped(one)).toBe(true)
    yield* operator((breakers) => breakers.close("openai/gpt-5.2"))
    yield* Fleet.until(call(other), (seen) => seen === "well")
    yield* Fleet.until(skipped(one), (is) => !is)
    expect(yield* list).toMatchObject([{ state: "closed", failures: 0, openings: 0 }])
  })
)

it.live("a breaker that an operator opens lets no call pass, and one of an unknown name is refused", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    yield* call(one)
    yield* operator((breakers) => breakers.open("openai/gpt-5.2", Duration.minutes(30)))
    expect(yield* list).toMatchObject([{ state: "open", byHand: true }])
    yield* Fleet.until(call(one), (seen) => seen === "BreakerOpen")
    expect(yield* Effect.flip(operator((breakers) => breakers.open("nobody's", Duration.minutes(1))))).toMatchObject({
      _tag: "BreakerUnknown"
    })
    yield* operator((breakers) => breakers.close("openai/gpt-5.2"))
  })
)
