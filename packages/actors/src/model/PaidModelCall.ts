/**
 * PaidModelCall: one call of a hosted model as a row of its job's ledger (B1, B2). What its end says of its bill is the table
 * FailureKinds; what it costs, ModelTable and MODEL_PRICES.
 */
import { CallLedger, PaidCalls } from "@eco2/core"
import type { RedisError } from "@eco2/core"
import { Duration, Effect, Exit } from "effect"
import { billedOf } from "./FailureKinds.ts"
import { CallBudgetSpent, JobBudgetSpent, ModelSuspended } from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"
import { priceOf } from "./ModelTable.ts"
import type { Price } from "./ModelTable.ts"
import type { Tokens, Usage } from "./Usage.ts"

export interface ModelCall {
  readonly provider: string
  readonly model: string
  /** Fingerprint of the request. */
  readonly request: string
  /** The longest it can take. */
  readonly timeout: Duration.Duration
  readonly prices: ReadonlyMap<string, Price>
}

const outcomes = { yes: "billed-bad", no: "free", unknown: "uncertain" } as const
/** The process may end between a call's end and its bill; and Redis may be slow to take it. */
const margin = Duration.seconds(30)
/** The attempt goes elsewhere; its process learns of it at the next beat. */
const awayMillis = 2_000

/** What a call has cost, by how it ended. */
export const billOf = <A extends { readonly usage: Usage }>(
  { model, prices }: Pick<ModelCall, "model" | "prices">,
  exit: Exit.Exit<A, ModelError>
): CallLedger.Bill => {
  const counted = (tokens: Tokens) => {
    const cost = priceOf(model, tokens, prices)
    return {
      usage: {
        input: tokens.inputTokens,
        cached: tokens.cachedTokens,
        output: tokens.outputTokens,
        reasoning: tokens.reasoningTokens
      },
      ...(cost === null ? {} : { cost })
    }
  }
  if (Exit.isSuccess(exit)) {
    const { requestId, ...tokens } = exit.value.usage
    return { outcome: "ok", ...counted(tokens), ...(requestId === undefined ? {} : { requestId }) }
  }
  const error = Exit.findError(exit)
  if (error._tag === "Failure") return { outcome: "uncertain" }
  const { excerpt, requestId, usage } = error.success
  return {
    outcome: outcomes[billedOf(error.success)],
    ...(usage === undefined ? {} : counted(usage)),
    ...(requestId === undefined ? {} : { requestId }),
    note: excerpt === undefined || excerpt === "" ? error.success._tag : `${error.success._tag}: ${excerpt}`
  }
}

/** Makes the call and records it; where the job has no budget left, or is no longer this attempt's, it is not made. */
export const recorded = <A extends { readonly usage: Usage }>(
  call: ModelCall,
  made: Effect.Effect<A, ModelError>
): Effect.Effect<A, ModelError | RedisError.RedisError> =>
  Effect.flatMap(PaidCalls.PaidCalls, (calls) =>
    Effect.mapError(
      calls.make(
        {
          service: call.model,
          request: call.request,
          lasts: Duration.sum(call.timeout, margin),
          bill: (exit) => billOf(call, exit)
        },
        made
      ),
      (error) => {
        const { model, provider } = call
        const facts = { provider, model, message: error.message }
        if (error instanceof CallLedger.CallBudgetSpent) return new CallBudgetSpent(facts)
        if (error instanceof CallLedger.JobBudgetSpent) return new JobBudgetSpent(facts)
        if (error instanceof CallLedger.AttemptOver)
          return new ModelSuspended({ ...facts, retryAfterMillis: awayMillis })
        return error
      }
    )
  )
