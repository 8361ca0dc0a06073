/** MODEL_LIMITS and MODEL_BREAKER as an operator writes them, and how a call's tokens are estimated. */
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { ConfigProvider, Duration, Effect } from "effect"
import { ModelBreaker, ModelLimits } from "../../../packages/actors/src/model/ModelLimits.ts"
import * as TokenEstimate from "../../../packages/actors/src/model/TokenEstimate.ts"

const under = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
const limitsOf = Effect.fnUntraced(function* (text: string) {
  const limits = yield* Effect.gen(function* () {
    return yield* ModelLimits
  }).pipe(under({ MODEL_LIMITS: text }))
  return Object.fromEntries(
    [...limits].map(([model, { burst, name, permits, requests, units, window }]) => [
      model,
      { name, requests, units, permits, burst, window: Duration.toMillis(window) }
    ])
  )
})

describe("MODEL_LIMITS", () => {
  it.effect("MODEL_LIMITS sets requests, tokens, bursts and calls at once for each model", () =>
    Effect.gen(function* () {
      deepStrictEqual(
        yield* limitsOf("gpt-5.2=500rpm,2000000tpm; gemini-2.5-flash = 50r/6s , 9000t/6s,20burst;org/m:1=30parallel;"),
        {
          "gpt-5.2": {
            name: "model/gpt-5.2",
            requests: 500,
            units: 2_000_000,
            permits: null,
            burst: 50,
            window: 60_000
          },
          "gemini-2.5-flash": {
            name: "model/gemini-2.5-flash",
            requests: 50,
            units: 9_000,
            permits: null,
            burst: 20,
            window: 6_000
          },
          "org/m:1": { name: "model/org/m:1", requests: null, units: null, permits: 30, burst: null, window: 60_000 }
        }
      )
    })
  )

  it.effect("a limit's burst is a tenth of its requests, at least ten, unless it is set", () =>
    Effect.gen(function* () {
      const limits = yield* limitsOf("a=501rpm;b=30rpm;c=30rpm,30burst;d=9tpm")
      deepStrictEqual(
        Object.values(limits).map(({ burst }) => burst),
        [51, 10, 30, null]
      )
    })
  )

  it.effect("an empty MODEL_LIMITS has no limit", () =>
    Effect.map(limitsOf(""), (limits) => deepStrictEqual(limits, {}))
  )

  for (const wrong of [
    "gpt-5.2",
    "gpt-5.2=",
    "gpt-5.2=500",
    "gpt-5.2=0rpm",
    "gpt-5.2=-5rpm",
    "gpt-5.2=5.5rpm",
    "gpt-5.2=500rpm,400rpm",
    "gpt-5.2=500rpm,9000t/6s",
    "gpt-5.2=50r/0s",
    "gpt-5.2=500rpm;gpt-5.2=400rpm",
    "=500rpm",
    "a b=500rpm",
    "gpt-5.2=500rpm=400rpm"
  ]) {
    it.effect(`MODEL_LIMITS refuses "${wrong}" and says what is allowed`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(limitsOf(wrong))
        assertTrue(error.message.includes("MODEL_LIMITS") && error.message.includes("500rpm"), error.message)
      })
    )
  }
})

it.effect("MODEL_BREAKER is a number of failures and a time, or off", () =>
  Effect.gen(function* () {
    const read = (text: string) =>
      Effect.gen(function* () {
        return yield* ModelBreaker
      }).pipe(under({ MODEL_BREAKER: text }))
    deepStrictEqual(yield* read("3/minute"), { number: 3, window: Duration.minutes(1) })
    deepStrictEqual(yield* read("off"), null)
    for (const wrong of ["0/minute", "3", "3/", "3/forever", "/minute"]) {
      assertTrue((yield* Effect.flip(read(wrong))).message.includes("MODEL_BREAKER"))
    }
  })
)

it("a call's tokens are estimated from earlier calls of its kind plus 15 %, and old ones are forgotten", () => {
  const estimate = TokenEstimate.make()
  strictEqual(estimate.of("vision", 1_000), 1_150)
  estimate.saw("vision", 400)
  strictEqual(estimate.of("vision", 1_000), 460)
  for (let n = 0; n < 50; n++) estimate.saw("vision", 800)
  assertTrue(Math.abs(estimate.of("vision", 1_000) - 920) <= 1)
  strictEqual(estimate.of("answer", 100), 115)
})
