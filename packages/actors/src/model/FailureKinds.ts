/**
 * FailureKinds: what each error of a model call means and leads to: one row for each tag of ModelError, for all providers.
 * Limits and breakers (GuardedModels), the retry policy (ModelRetry) and whatever counts cost read this table and decide
 * nothing of their own.
 *   scope   call     this call: the next may go well
 *           job      this photo or question: it fails with every call
 *           model    this model: it fails with every job, another model may serve
 *           account  this key or account: it fails with every model of the provider
 */
import type { CircuitBreaker } from "@eco2/core"
import type { Billed, ModelError } from "./ModelError.ts"

export interface FailureKind {
  readonly scope: "call" | "job" | "model" | "account"
  /** Unless the error says otherwise (`billed`). */
  readonly billed: Billed
  /** What the breaker learns: the model's, and of `account` the one of the provider's account. */
  readonly breaker: CircuitBreaker.Judgement
  /**
   * never    the job fails, with the reason
   * wait     later, when the error says so; spends no attempt, because nothing was done
   * backoff  again, after growing times with jitter; spends an attempt
   * repair   asked once more, told what was wrong (Repair); then the job fails
   * park     the job waits for an operator
   */
  readonly retry: "never" | "wait" | "backoff" | "repair" | "park"
  /** Whether another model may serve the job at once. */
  readonly elsewhere: boolean
}

export const kinds = {
  ModelRateLimited: { scope: "call", billed: "no", breaker: "well", retry: "wait", elsewhere: true },
  ModelTimeout: { scope: "call", billed: "unknown", breaker: "failed", retry: "backoff", elsewhere: true },
  ModelUnavailable: { scope: "call", billed: "unknown", breaker: "failed", retry: "backoff", elsewhere: true },
  ModelUnreachable: { scope: "call", billed: "no", breaker: "nothing", retry: "wait", elsewhere: false },
  ModelOutputInvalid: { scope: "call", billed: "yes", breaker: "well", retry: "repair", elsewhere: true },
  ModelRefused: { scope: "job", billed: "no", breaker: "well", retry: "never", elsewhere: false },
  ModelInputTooLong: { scope: "job", billed: "no", breaker: "well", retry: "never", elsewhere: false },
  ModelUnauthorized: { scope: "account", billed: "no", breaker: "trip", retry: "park", elsewhere: true },
  ModelAccountExhausted: { scope: "account", billed: "no", breaker: "trip", retry: "park", elsewhere: true },
  ModelUnsuitable: { scope: "model", billed: "no", breaker: "trip", retry: "park", elsewhere: true },
  ModelFormRefused: { scope: "call", billed: "no", breaker: "nothing", retry: "backoff", elsewhere: false },
  ModelSuspended: { scope: "model", billed: "no", breaker: "nothing", retry: "wait", elsewhere: true },
  ModelNotServed: { scope: "model", billed: "no", breaker: "nothing", retry: "wait", elsewhere: true },
  ImageUnusable: { scope: "job", billed: "no", breaker: "nothing", retry: "never", elsewhere: false },
  PictureUnavailable: { scope: "job", billed: "no", breaker: "nothing", retry: "backoff", elsewhere: false },
  CallBudgetSpent: { scope: "job", billed: "no", breaker: "nothing", retry: "never", elsewhere: false },
  JobBudgetSpent: { scope: "job", billed: "no", breaker: "nothing", retry: "never", elsewhere: false },
  UserBudgetSpent: { scope: "job", billed: "no", breaker: "nothing", retry: "never", elsewhere: false },
  DayBudgetSpent: { scope: "account", billed: "no", breaker: "nothing", retry: "park", elsewhere: true },
  PicturesBusy: { scope: "call", billed: "no", breaker: "nothing", retry: "wait", elsewhere: false }
} as const satisfies Record<ModelError["_tag"], FailureKind>

export type ModelErrorTag = keyof typeof kinds

export const kindOf = (error: Pick<ModelError, "_tag">): FailureKind => kinds[error._tag]

/** Whether the provider bills the call that failed so. */
export const billedOf = (error: Pick<ModelError, "_tag" | "billed">): Billed => error.billed ?? kindOf(error).billed

/** Whether the provider has refused the key or account: every model of the provider fails so. */
export const isOfAccount = (error: Pick<ModelError, "_tag"> & { readonly of?: "model" }): boolean => {
  const { breaker, scope } = kindOf(error)
  return scope === "account" && breaker === "trip" && error.of === undefined
}

/** The tags with this retry. */
export const tagsOf = (retry: FailureKind["retry"]): ReadonlyArray<ModelErrorTag> =>
  Object.entries(kinds).flatMap(([tag, kind]) => (kind.retry === retry && isTag(tag) ? [tag] : []))

/** Among errors of other parts. */
export const isModelError = <E extends { readonly _tag: string }>(error: E | ModelError): error is ModelError =>
  isTag(error._tag)

const isTag = (tag: string): tag is ModelErrorTag => Object.hasOwn(kinds, tag)
