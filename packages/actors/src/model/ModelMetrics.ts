/** ModelMetrics: metrics of model calls, without time spent waiting for a limit; also listed in docs/operations/metrics.md. */
import { Cause, Effect, Exit, Metric } from "effect"
import type { ModelError } from "./ModelError.ts"
import type { Tokens, Usage } from "./Usage.ts"

/** By `provider`, `model` and `outcome`: ok, an error's tag, Interrupted, Defect. */
export const modelCalls = Metric.counter("eco2_model_calls_total", {
  incremental: true,
  description: "calls of models and how they ended"
})
/**
 * By `provider`, `model`, `outcome` (ok, or the tag of an error that was billed) and `direction`: input, output, and the parts
 * of them that cost less or are not said: cached (of the input), reasoning (of the output).
 */
export const modelTokens = Metric.counter("eco2_model_tokens_total", {
  incremental: true,
  description: "tokens as providers count them"
})
/** By `provider`, `model` and `outcome`. */
export const modelSeconds = Metric.histogram("eco2_model_seconds", {
  description: "seconds from a model call's sending to its end",
  boundaries: [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120]
})

const outcomeOf = (exit: Exit.Exit<unknown, ModelError>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error._tag
  return Cause.hasInterruptsOnly(exit.cause) ? "Interrupted" : "Defect"
}

/** What the provider counted, of an answer or of an output that cannot be used. */
const usageOf = (exit: Exit.Exit<{ readonly usage: Usage }, ModelError>): Tokens | undefined =>
  Exit.isSuccess(exit) ? exit.value.usage : exit.cause.reasons.find(Cause.isFailReason)?.error.usage

/** Runs a call and records it. `provider` and `model` are among those offered, so the labels are few. */
export const measured = <A extends { readonly usage: Usage }>(
  provider: string,
  model: string,
  call: Effect.Effect<A, ModelError>
): Effect.Effect<A, ModelError> =>
  Effect.suspend(() => {
    const from = performance.now()
    return Effect.onExit(call, (exit) => {
      const labels = { provider, model, outcome: outcomeOf(exit) }
      const tokens = (direction: string, count: number) =>
        Metric.update(Metric.withAttributes(modelTokens, { ...labels, direction }), count)
      const usage = usageOf(exit)
      const told =
        usage === undefined
          ? Effect.void
          : Effect.all(
              [
                tokens("input", usage.inputTokens),
                tokens("cached", usage.cachedTokens),
                tokens("output", usage.outputTokens),
                tokens("reasoning", usage.reasoningTokens)
              ],
              { discard: true }
            )
      return Metric.update(Metric.withAttributes(modelCalls, labels), 1).pipe(
        Effect.andThen(Metric.update(Metric.withAttributes(modelSeconds, labels), (performance.now() - from) / 1000)),
        Effect.andThen(told)
      )
    })
  })
