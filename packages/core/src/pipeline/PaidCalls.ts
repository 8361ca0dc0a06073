/**
 * PaidCalls: lets a handler make calls that cost money, each recorded in the job's ledger (CallLedger, B1, B2): a row before the
 * call, its bill after it. Bills are stored together with the attempt's end, before its outcome, so that a call costs one round
 * trip. Code at any depth reaches it as a service of the attempt; outside a stage, calls are made without a record.
 * StageRun provides it and stores its last bills.
 */
import { Cause, Context, Duration, Effect, Exit } from "effect"
import type { AttemptOver, Bill, CallBudgetSpent, CallLedger, Holder, JobBudgetSpent } from "../job/CallLedger.ts"
import type { RedisError } from "../redis/RedisError.ts"

/** A call, before it is made. */
export interface PaidCall<A, E> {
  /** Who bills it, such as a model's name; a label of metrics. */
  readonly service: string
  /** Fingerprint of the request: the same for the same request. At most 64 characters. */
  readonly request: string
  /** The longest it can take. A call without a bill after that is uncertain, whatever became of its process. */
  readonly lasts: Duration.Input
  /** What its end says about its bill. Interruptions and defects are not asked about: their bill is uncertain. */
  readonly bill: (exit: Exit.Exit<A, E>) => Bill
}

export type NotMade = CallBudgetSpent | JobBudgetSpent | AttemptOver | RedisError

export interface PaidCalls {
  /** The user whose job makes the calls; "" for none. */
  readonly owner: string
  /**
   * Makes a call and records it.
   * - CallBudgetSpent, JobBudgetSpent, AttemptOver, RedisError: the call was not made
   * - interrupted, or the process dies: the ledger says `uncertain`
   *
   *     calls.make({ service: "gpt-5.2", request, lasts: "1 minute", bill: billOf }, ask(question))
   */
  readonly make: <A, E, R>(
    call: PaidCall<NoInfer<A>, NoInfer<E>>,
    made: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | NotMade, R>
}

export const PaidCalls: Context.Reference<PaidCalls> = Context.Reference<PaidCalls>("@eco2/core/pipeline/PaidCalls", {
  defaultValue: () => ({ owner: "", make: (_, made) => made })
})

/** The paid calls of one attempt. `close` stores the bills that are not stored yet. */
export const ofAttempt = (
  ledger: CallLedger["Service"],
  holder: Holder,
  { owner, ...facts }: { readonly owner: string; readonly stage: string; readonly attempt: number }
): {
  readonly calls: PaidCalls
  readonly areBillsDue: () => boolean
  readonly close: Effect.Effect<void, RedisError>
} => {
  let number = 0
  let bills: Array<{ readonly id: string; readonly service: string; readonly bill: Bill }> = []
  const close = Effect.suspend(() => {
    if (bills.length === 0) return Effect.void
    const closing = bills
    bills = []
    return ledger.close(holder, closing).pipe(
      Effect.tapError(() =>
        Effect.sync(() => {
          bills = [...closing, ...bills]
        })
      )
    )
  })
  const billOf = <A, E>({ bill }: PaidCall<A, E>, exit: Exit.Exit<A, E>): Bill =>
    Exit.isSuccess(exit) || exit.cause.reasons.some(Cause.isFailReason)
      ? bill(exit)
      : { outcome: "uncertain", note: Cause.hasInterrupts(exit.cause) ? "interrupted" : "defect" }
  return {
    close,
    areBillsDue: () => bills.length > 0,
    calls: {
      owner,
      make: (call, made) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            // the budget counts what earlier calls of this attempt have cost
            yield* close
            const id = yield* ledger.open(
              holder,
              ++number,
              { ...facts, service: call.service, request: call.request.slice(0, 64) },
              Duration.fromInputUnsafe(call.lasts)
            )
            const exit = yield* Effect.exit(restore(made))
            bills.push({ id, service: call.service, bill: billOf(call, exit) })
            return yield* exit
          })
        )
    }
  }
}
