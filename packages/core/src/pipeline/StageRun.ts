/**
 * StageRun: runs a begun stage, and the stages after it for which the job is kept here: values, handler, commit, next. The handler
 * has a fiber of its own; what is around it are callbacks, because a fiber around each stage costs more than a small stage does.
 * What is rare is an Effect in a fiber of its own: bills, failures, hand-backs, errors of Redis.
 * Invariants: J2 (only the current stage runs), J3 (one commit), A3 (a time-out interrupts and fences), A5 (interrupted work is
 * returned to its mailbox).
 * Neighbours: StageBehavior (begins stages), StageAttempt (what the handler sees), StageOutcome (records), Delivery (its states).
 */
import { Cause, Context, Effect, Exit } from "effect"
import { Attempt } from "../mailbox/Attempt.ts"
import * as Recorder from "../worker/Recorder.ts"
import type * as Retry from "../worker/Retry.ts"
import type { StageLimits } from "../policy/StageLimits.ts"
import type { JobContexts } from "../telemetry/Tracing.ts"
import type { Message } from "../mailbox/Mailbox.ts"
import { PaidCalls } from "./PaidCalls.ts"
import * as StageAttempt from "./StageAttempt.ts"
import { StageTimeout } from "./StageError.ts"
import type { StageError } from "./StageError.ts"
import type { StageOutcome } from "./StageOutcome.ts"
import * as StageRunners from "./StageRunners.ts"
import type { Begun, StageRunner } from "./StageRunners.ts"
import type { StageValues } from "./StageValues.ts"
import type { Needs, Values } from "./Stage.ts"

/** A stage as it is served. */
export interface Served<N extends Needs, A, E, R, P> extends StageAttempt.Stage {
  readonly mailbox: string
  readonly handler: (values: Values<N>, job: StageAttempt.StageJob<P>) => Effect.Effect<A, E, R>
  readonly values: StageValues<N, A>
  readonly outcome: StageOutcome<E>
  readonly limits: () => StageLimits
  readonly contexts: JobContexts<R>
  /** The stored form of what the stage falls back to; null: it does not. */
  readonly fallBack: (begun: Begun, cause: Cause.Cause<E | StageError>, decision: Retry.Decision) => string | null
}

/** The function that starts a stage (StageRunner.start). */
export const make = <N extends Needs, A, E extends { readonly _tag: string }, R, P>(
  stage: Served<N, A, E, R, P>
): StageRunner["start"] => {
  const { contexts, handler, limits, mailbox, outcome, system, values } = stage
  const record = Recorder.make(system)
  const runners = StageRunners.of(system)

  const start: StageRunner["start"] = (begun, ended) => {
    const { delivery, job, parent } = begun
    const { timeoutMillis } = limits()
    const attempt = new StageAttempt.StageAttempt<P>(stage, begun)
    const context = contexts.of(parent, { job_id: job.id, stage: mailbox, attempt: job.attempts })
    /** Runs what is rare; it is not interrupted, and the delivery ends, or goes on, with it. */
    const follow = (effect: Effect.Effect<Begun | null>) => {
      Effect.runForkWith(context)(effect, { uninterruptible: true }).addObserver((exit) => {
        if (Exit.isSuccess(exit)) goOn(exit.value)
        else ended(exit)
      })
    }
    const goOn = (next: Begun | null) => {
      // the next stage was served here when the job was kept, and is served until this delivery ends
      const runner = next === null ? undefined : runners.get(next.holding.home)
      if (next === null || runner === undefined) ended(Exit.void)
      else runner.start(next, ended)
    }
    /** Records the end of an attempt without a result. */
    const settleEnd = (end: Cause.Cause<E | StageError>): Effect.Effect<Begun | null> => {
      if (delivery.endReason === "lost") return Effect.as(outcome.lost, null)
      if (delivery.endReason === "release") return Effect.as(outcome.release(begun), null)
      const timedOut = Cause.fail(new StageTimeout({ stage: stage.name, millis: timeoutMillis }))
      const cause = delivery.endReason === "timeout" ? timedOut : end
      return Effect.flatMap(outcome.decide(begun, cause), (decision) => {
        const output = stage.fallBack(begun, cause, decision)
        return output === null
          ? Effect.as(outcome.failed(begun, cause, decision), null)
          : Effect.andThen(outcome.fellBack(cause), outcome.succeed(begun, output, []))
      })
    }
    const settle = (exit: Exit.Exit<string, E | StageError>): void => {
      if (Exit.isSuccess(exit)) return outcome.commit(begun, exit.value, attempt.tells, context, goOn)
      // a success counts however late it is; the end of an attempt that was outlived is recorded already
      if (delivery.isOutlived) return ended(Exit.void)
      follow(Effect.suspend(() => settleEnd(exit.cause)))
    }
    const handled = (exit: Exit.Exit<A, E | StageError>) => {
      if (job.deliveries !== 0) system.clear(delivery)
      const bills = attempt.end()
      const stored = Exit.isSuccess(exit) ? written(exit.value, attempt.tells) : Exit.failCause(exit.cause)
      if (bills === null) return settle(stored)
      // bills before the outcome, which may be the job's end
      Effect.runForkWith(context)(record([delivery], bills), { uninterruptible: true }).addObserver((closed) => {
        if (Exit.isSuccess(closed)) settle(stored)
        else ended(closed)
      })
    }

    delivery.whenOutlived(
      Effect.provideContext(
        Effect.suspend(() => settleEnd(Cause.interrupt())),
        context
      )
    )
    // the delivery was ended while the commit that kept the job was being recorded: no further stage begins (A5)
    if (delivery.endReason !== null) return handled(Exit.interrupt())
    system.watch(delivery, timeoutMillis)
    const services = Context.add(Context.add(context, Attempt, attempt), PaidCalls, attempt)
    const work = Effect.suspend((): Effect.Effect<A, E | StageError, R> => {
      const read = values.read(job)
      return Exit.isSuccess(read) ? handler(read.value, attempt) : Exit.failCause(read.cause)
    })
    const fiber = Effect.runForkWith(services)(contexts.spanned(work, parent))
    if (delivery.begun(fiber)) fiber.interruptUnsafe()
    fiber.addObserver(handled)
  }

  /** The output as it is stored; a defect of its schema is one of the handler. */
  const written = (output: A, tells: ReadonlyArray<Message>): Exit.Exit<string, StageError> => {
    try {
      return values.write(output, tells)
    } catch (defect) {
      return Exit.die(defect)
    }
  }
  return start
}
