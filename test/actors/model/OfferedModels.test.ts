import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { ConfigProvider, Effect } from "effect"
import { OfferedModels } from "../../../packages/actors/src/model/OfferedModels.ts"

const defaults = ["gpt-5.2", "gemini-3.8-flash"]

const offeredBy = (env: Record<string, string>, preserveEmptyStrings = false) =>
  Effect.gen(function* () {
    return yield* OfferedModels
  }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env, preserveEmptyStrings })))

const offers: ReadonlyArray<{
  readonly claim: string
  readonly env: Record<string, string>
  readonly models: ReadonlyArray<string>
  readonly default: string
}> = [
  { claim: "nothing set: both providers' default lists, gpt-5.2 first", env: {}, models: defaults, default: "gpt-5.2" },
  {
    claim: "an empty list turns its provider off",
    env: { OPENAI_MODELS: "" },
    models: defaults.slice(1),
    default: "gemini-3.8-flash"
  },
  {
    claim: "a blank list turns its provider off",
    env: { GEMINI_MODELS: " , " },
    models: defaults.slice(0, 1),
    default: "gpt-5.2"
  },
  {
    claim: "both off and simulated on: simulated alone",
    env: { OPENAI_MODELS: "", GEMINI_MODELS: "", SIMULATED_MODEL: "true" },
    models: ["simulated"],
    default: "simulated"
  },
  {
    claim: "simulated comes last, so that it is never the default by accident",
    env: { OPENAI_MODELS: "a", GEMINI_MODELS: "b", SIMULATED_MODEL: "1" },
    models: ["a", "b", "simulated"],
    default: "a"
  },
  {
    claim: "blanks and repeated names in a list are dropped",
    env: { OPENAI_MODELS: " m1, m2 ,m1,", GEMINI_MODELS: "" },
    models: ["m1", "m2"],
    default: "m1"
  },
  {
    claim: "DEFAULT_MODEL chooses among those offered",
    env: { OPENAI_MODELS: "m1,org/m-2:latest", GEMINI_MODELS: "", DEFAULT_MODEL: "org/m-2:latest" },
    models: ["m1", "org/m-2:latest"],
    default: "org/m-2:latest"
  },
  {
    claim: "a variable with a longer name does not make a list empty",
    env: { OPENAI_MODELS_NOTE: "mine", GEMINI_MODELS: "" },
    models: defaults.slice(0, 1),
    default: "gpt-5.2"
  },
  {
    claim: "an empty DEFAULT_MODEL and SIMULATED_MODEL count as absent",
    env: { OPENAI_MODELS: "m1", GEMINI_MODELS: "", DEFAULT_MODEL: "", SIMULATED_MODEL: "" },
    models: ["m1"],
    default: "m1"
  }
]

const refusals: ReadonlyArray<{
  readonly claim: string
  readonly env: Record<string, string>
  readonly names: ReadonlyArray<string>
}> = [
  {
    claim: "a default that is not offered is refused, with the names that are",
    env: { OPENAI_MODELS: "m1,m2", GEMINI_MODELS: "", DEFAULT_MODEL: "m3" },
    names: ["DEFAULT_MODEL", "m1, m2"]
  },
  {
    claim: "a default whose provider is off is refused",
    env: { OPENAI_MODELS: "", DEFAULT_MODEL: "gpt-5.2" },
    names: ["DEFAULT_MODEL"]
  },
  {
    claim: "offering nothing is refused",
    env: { OPENAI_MODELS: "", GEMINI_MODELS: "" },
    names: ["OPENAI_MODELS", "SIMULATED_MODEL"]
  },
  {
    claim: "one name under both providers is refused",
    env: { OPENAI_MODELS: "m", GEMINI_MODELS: "m" },
    names: ["GEMINI_MODELS", "m"]
  },
  {
    claim: "the name simulated is reserved",
    env: { GEMINI_MODELS: "simulated" },
    names: ["GEMINI_MODELS", "SIMULATED_MODEL"]
  },
  { claim: "a name with blanks inside is refused", env: { OPENAI_MODELS: "gpt 5" }, names: ["OPENAI_MODELS"] },
  { claim: "a name that climbs out of its URL is refused", env: { GEMINI_MODELS: "a/../b" }, names: ["GEMINI_MODELS"] },
  {
    claim: "a switch that is neither on nor off is refused",
    env: { SIMULATED_MODEL: "maybe" },
    names: ["SIMULATED_MODEL", "true or false"]
  }
]

describe("OfferedModels", () => {
  for (const preserveEmptyStrings of [false, true]) {
    describe(
      preserveEmptyStrings ? "where the environment keeps empty strings" : "where the environment drops empty strings",
      () => {
        for (const { claim, env, models, default: byDefault } of offers) {
          it.effect(claim, () =>
            Effect.gen(function* () {
              const offered = yield* offeredBy(env, preserveEmptyStrings)
              deepStrictEqual(offered.models, models)
              strictEqual(offered.default, byDefault)
            })
          )
        }
        for (const { claim, env, names } of refusals) {
          it.effect(claim, () =>
            Effect.gen(function* () {
              const refusal = yield* Effect.flip(offeredBy(env, preserveEmptyStrings))
              for (const name of names)
                strictEqual(refusal.message.includes(name), true, `${name} in: ${refusal.message}`)
            })
          )
        }
      }
    )
  }

  it.effect("providerOf knows the provider of each offered model and of no other name", () =>
    Effect.gen(function* () {
      const { providerOf } = yield* offeredBy({ SIMULATED_MODEL: "true" })
      strictEqual(providerOf("gpt-5.2"), "openai")
      strictEqual(providerOf("gemini-3.8-flash"), "gemini")
      strictEqual(providerOf("simulated"), "simulated")
      strictEqual(providerOf("constructor"), undefined)
    })
  )
})
