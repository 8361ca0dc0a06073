/**
 * StageRun: runs a begun stage, and the stages after it for which the job is kept here: values, handler, commit, next. The handler
 * has a fiber of its own, unless it has its result at once; what is around it are callbacks, because a fiber around each stage
 * costs more than a small stage does. What is rare is an Effect in a fiber of its own: bills, failures, hand-backs, errors of Redis.
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
import { PaidCalls } from "./PaidCalls.ts"
import * as StageAttempt from "./StageAttempt.ts"
import { StageTimeout } from "./StageError.ts"
import type { StageError } from "./StageError.ts"
import type { Committing, StageOutcome } from "./StageOutcome.ts"
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
  const { system } = stage
  const process = { record: Recorder.make(system), runners: StageRunners.of(system) }
  return (begun, ended) => new StageRun(stage, process, begun, ended).start()
}

/** Whether an effect is its own result. */
const isOver = <A, E>(work: Effect.Effect<A, E, unknown>): work is Exit.Exit<A, E> => Exit.isExit(work)

interface Process {
  readonly record: Recorder.Recorder
  readonly runners: ReadonlyMap<string, StageRunner>
}

/** The run of one attempt. One object instead of a function for each step: this is the hot path. */
class StageRun<N extends Needs, A, E extends { readonly _tag: string }, R, P> implements Committing {
  readonly #stage: Served<N, A, E, R, P>
  readonly #process: Process
  readonly #begun: Begun
  readonly #attempt: StageAttempt.StageAttempt<P>
  readonly #ended: Parameters<StageRunner["start"]>[1]
  #context: Context.Context<R> | null = null

  constructor(
    stage: Served<N, A, E, R, P>,
    process: Process,
    begun: Begun,
    ended: Parameters<StageRunner["start"]>[1]
  ) {
    this.#stage = stage
    this.#process = process
    this.#begun = begun
    this.#attempt = new StageAttempt.StageAttempt<P>(stage, begun)
    this.#ended = ended
  }

  /** The services of the handler, with the job's trace and log annotations. */
  get context(): Context.Context<R> {
    const { job, parent } = this.#begun
    const notes = { job_id: job.id, stage: this.#stage.mailbox, attempt: job.attempts }
    return (this.#context ??= this.#stage.contexts.of(parent, notes))
  }

  start(): void {
    const { delivery, job, parent } = this.#begun
    const { contexts, handler, limits, system, values } = this.#stage
    // ended while its begin was on its way (A1, A5), or the commit that kept the job (A5): no stage begins
    if (delivery.endReason !== null) return this.#handled(Exit.interrupt())
    let work: Effect.Effect<A, E | StageError, R>
    try {
      const read = values.read(job)
      work = Exit.isSuccess(read) ? handler(read.value, this.#attempt) : Exit.failCause(read.cause)
    } catch (defect) {
      work = Exit.die(defect)
    }
    // what a handler has at once needs no fiber
    if (isOver(work) && !contexts.isSpanned) {
      delivery.begun(null)
      return this.#handled(work)
    }
    delivery.whenOutlived(() =>
      Effect.provideContext(
        Effect.suspend(() => this.#settleEnd(Cause.interrupt())),
        this.context
      )
    )
    system.watch(delivery, limits().timeoutMillis)
    const services = Context.add(Context.add(this.context, Attempt, this.#attempt), PaidCalls, this.#attempt)
    const fiber = Effect.runForkWith(services)(contexts.spanned(work, parent))
    // nothing ends it between the look above and here
    delivery.begun(fiber)
    fiber.addObserver((exit) => this.#handled(exit))
  }

  #handled(exit: Exit.Exit<A, E | StageError>): void {
    const { delivery, job } = this.#begun
    if (job.deliveries !== 0) this.#stage.system.clear(delivery)
    const bills = this.#attempt.end()
    const stored = Exit.isSuccess(exit) ? this.#written(exit.value) : Exit.failCause(exit.cause)
    if (bills === null) return this.#settle(stored)
    // bills before the outcome, which may be the job's end
    const recorded = this.#process.record([delivery], bills)
    Effect.runForkWith(this.context)(recorded, { uninterruptible: true }).addObserver((closed) => {
      if (Exit.isSuccess(closed)) this.#settle(stored)
      else this.#ended(closed)
    })
  }

  /** The output as it is stored; a defect of its schema is one of the handler. */
  #written(output: A): Exit.Exit<string, StageError> {
    try {
      return this.#stage.values.write(output, this.#attempt.tells)
    } catch (defect) {
      return Exit.die(defect)
    }
  }

  #settle(exit: Exit.Exit<string, E | StageError>): void {
    if (Exit.isSuccess(exit)) return this.#stage.outcome.commit(this.#begun, exit.value, this.#attempt.tells, this)
    // a success counts however late it is; the end of an attempt that was outlived is recorded already
    if (this.#begun.delivery.isOutlived) return this.#ended(Exit.void)
    // what is rare is an effect; it is not interrupted, and the delivery ends, or goes on, with it
    const settled = Effect.suspend(() => this.#settleEnd(exit.cause))
    Effect.runForkWith(this.context)(settled, { uninterruptible: true }).addObserver((end) => {
      if (Exit.isSuccess(end)) this.goOn(end.value)
      else this.#ended(end)
    })
  }

  /** Records the end of an attempt without a result. */
  #settleEnd(end: Cause.Cause<E | StageError>): Effect.Effect<Begun | null> {
    const { delivery } = this.#begun
    const { fallBack, limits, name, outcome } = this.#stage
    if (delivery.endReason === "lost") return Effect.as(outcome.lost, null)
    if (delivery.endReason === "release") return Effect.as(outcome.release(this.#begun), null)
    const { timeoutMillis } = limits()
    const timedOut = Cause.fail(new StageTimeout({ stage: name, millis: timeoutMillis }))
    const cause = delivery.endReason === "timeout" ? timedOut : end
    return Effect.flatMap(outcome.decide(this.#begun, cause), (decision) => {
      const output = fallBack(this.#begun, cause, decision)
      return output === null
        ? Effect.as(outcome.failed(this.#begun, cause, decision), null)
        : Effect.andThen(outcome.fellBack(cause), outcome.succeed(this.#begun, output, []))
    })
  }

  /** `next`: the stage after it, when the job was kept for it. */
  goOn(next: Begun | null): void {
    // the next stage was served here when the job was kept, and is served until this delivery ends
    const runner = next === null ? undefined : this.#process.runners.get(next.holding.home)
    if (next === null || runner === undefined) this.#ended(Exit.void)
    else runner.start(next, this.#ended)
  }
}
