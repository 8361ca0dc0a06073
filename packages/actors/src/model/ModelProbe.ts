/**
 * ModelProbe: asks every offered model one question that has an answer of one word, in the form in which workers ask (schema,
 * effort, bound, server and key as configured), and says what came back. Each question is a paid call, outside any job's ledger and
 * outside the fleet's limits. For `eco2 doctor --probe`.
 */
import { Effect, Result } from "effect"
import { ModelConfig } from "./ModelConfig.ts"
import type { ModelError } from "./ModelError.ts"
import * as Models from "./Models.ts"
import { priceOf } from "./ModelTable.ts"
import * as NextForm from "./NextForm.ts"
import type { Usage } from "./Usage.ts"

export interface Probed {
  readonly provider: string
  readonly model: string
  readonly millis: number
  /** What the answer used and cost (millionths; null: no price is known), or why there is none. */
  readonly result: Result.Result<{ readonly usage: Usage; readonly cost: number | null }, ModelError>
}

/** All offered models of hosted providers, at once. Fails as a worker's start does, before any call. */
export const all = Effect.gen(function* () {
  const { offered, prices } = yield* ModelConfig
  const providers = yield* Models.providers
  const hosted = offered.models.flatMap((model) => {
    const name = offered.providerOf(model)
    const provider = name === undefined || name === "simulated" ? undefined : providers.get(name)
    return name === undefined || provider === undefined ? [] : [{ model, name, provider }]
  })
  return yield* Effect.forEach(
    hosted,
    ({ model, name, provider }) =>
      Effect.gen(function* (): Effect.fn.Return<Probed> {
        const from = performance.now()
        const answer = yield* Effect.result(NextForm.through(provider.probe(model)))
        return {
          provider: name,
          model,
          millis: Math.round(performance.now() - from),
          result: Result.map(answer, (usage) => ({ usage, cost: priceOf(model, usage, prices) }))
        }
      }),
    { concurrency: "unbounded" }
  )
})
