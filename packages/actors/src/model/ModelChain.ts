/**
 * ModelChain: the models that a stage tries, in order: cheap ones first where the operator wishes. The next is asked when one
 * cannot serve the job now and another may (FailureKinds, `elsewhere`): its breaker is open, its limit has no room, its answer is
 * of no use.
 */
import { Setting } from "@eco2/core/client"
import { Config, Effect } from "effect"
import { isOfAccount, kindOf } from "./FailureKinds.ts"
import type { FailureKind } from "./FailureKinds.ts"
import type { ModelError } from "./ModelError.ts"
import { OfferedModels } from "./OfferedModels.ts"

const names = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

/** The chains of the stages that call models. Fails when one names a model that is not offered. */
export const ModelChains = Config.all({
  offered: OfferedModels,
  /** SCAN_VISION_MODELS: models that classify photos, in the order in which they are tried. Default: the requested one alone. */
  vision: Setting.parsed<ReadonlyArray<string>>("SCAN_VISION_MODELS", {
    default: [],
    allowed: "a comma list of offered models",
    parse: names
  }),
  /** SCAN_ANSWER_MODELS: models that write answers, likewise. */
  answer: Setting.parsed<ReadonlyArray<string>>("SCAN_ANSWER_MODELS", {
    default: [],
    allowed: "a comma list of offered models",
    parse: names
  })
}).pipe(
  Config.mapEffect(({ answer, offered, vision }) => {
    for (const [variable, models] of [
      ["SCAN_VISION_MODELS", vision],
      ["SCAN_ANSWER_MODELS", answer]
    ] as const) {
      const stranger = models.find((model) => !offered.models.includes(model))
      if (stranger !== undefined) {
        return Setting.refused(
          `${variable} names ${stranger}; allowed are the offered models: ${offered.models.join(", ")}`
        )
      }
    }
    return Effect.succeed({ offered, default: offered.default, vision, answer })
  })
)

/** The models to try for a request: the chain as it is for the default model, else the requested model first. */
export const of = (
  { default: usual, models }: { readonly default: string; readonly models: ReadonlyArray<string> },
  requested: string
): readonly [string, ...ReadonlyArray<string>] => {
  const [first, ...rest] = models
  if (first === undefined) return [requested]
  return requested === usual ? [first, ...rest] : [requested, ...models.filter((model) => model !== requested)]
}

/** From the most hopeful: what the whole chain's failure leads to. */
const hope: ReadonlyArray<FailureKind["retry"]> = ["wait", "backoff", "park", "repair", "never"]
const hopeOf = (error: ModelError) => hope.indexOf(kindOf(error).retry)

/**
 * Asks one model after the other; when none serves, the most hopeful of their errors is the result, the first of equals. Where
 * the key or account is refused, the other models of its provider are left out. `accountOf`: the account that a model is billed to.
 */
export const firstOf = <A, R>(
  [model, ...others]: readonly [string, ...ReadonlyArray<string>],
  accountOf: (model: string) => string | undefined,
  ask: (model: string) => Effect.Effect<A, ModelError, R>
): Effect.Effect<A, ModelError, R> =>
  Effect.catch(ask(model), (error) => {
    const [next, ...rest] = isOfAccount(error)
      ? others.filter((other) => accountOf(other) !== accountOf(model))
      : others
    if (next === undefined || !kindOf(error).elsewhere) return Effect.fail(error)
    return Effect.andThen(
      Effect.logWarning("another model is asked").pipe(
        Effect.annotateLogs({ model, next, reason: error._tag, error: error.message })
      ),
      Effect.mapError(firstOf([next, ...rest], accountOf, ask), (later) =>
        hopeOf(later) < hopeOf(error) ? later : error
      )
    )
  })
