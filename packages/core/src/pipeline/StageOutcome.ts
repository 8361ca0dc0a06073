/**
 * StageOutcome: records the outcome of a begun stage: committed (J3) and perhaps kept for the next stage, retried, parked, given
 * up, or returned to its mailbox. It decides and logs; JobStore does it. Used by StageRun.
 */
import { Duration, Effect, Exit, LogLevel, Metric } from "effect"
import type { Cause, Context } from "effect"
import { ActorSystem } from "../worker/ActorSystem.ts"
import * as Recorder from "../worker/Recorder.ts"
import * as Retry from "../worker/Retry.ts"
import { fragment, openRetrying } from "../job/JobEvent.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import type { Message } from "../mailbox/Mailbox.ts"
import type { StageLimits } from "../policy/StageLimits.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Job from "../job/Job.ts"
import type { PlanStep } from "../job/Job.ts"
import { JobStore } from "../job/JobStore.ts"
import type { Commit, Committed, Holding } from "../job/JobStore.ts"
import { isStageError, policy as ownPolicy } from "./StageError.ts"
import type { StageError } from "./StageError.ts"
import * as StageRunners from "./StageRunners.ts"
import type { Begun } from "./StageRunners.ts"

/** How often a job is parked for a defect; for a cause that may heal, StageLimits has the number. */
const defectRounds = 1

export interface Failure {
  readonly tag: string
  readonly message: string
  /** More for operators. */
  readonly detail?: string
}

/** A stage's place in a plan. */
interface Place {
  readonly next: PlanStep | undefined
  readonly progress: number
  readonly dropImage: boolean
}

/** The run whose stage is committed. */
export interface Committing {
  /** Of log lines. */
  readonly context: Context.Context<never>
  /** Called once, when the commit is recorded: the next stage when the job was kept for it, else null. */
  readonly goOn: (next: Begun | null) => void
}

export interface StageOutcome<E> {
  /** Commits, until it is recorded (Recorder). */
  readonly commit: (begun: Begun, output: string, tells: ReadonlyArray<Message>, run: Committing) => void
  /** The same as an effect. */
  readonly succeed: (begun: Begun, output: string, tells: ReadonlyArray<Message>) => Effect.Effect<Begun | null>
  /** What the policy says of a failure. */
  readonly decide: (begun: Begun, cause: Cause.Cause<E | StageError>) => Effect.Effect<Retry.Decision>
  /** Retries it, or gives it up, as decided. */
  readonly failed: (begun: Begun, cause: Cause.Cause<E | StageError>, decision: Retry.Decision) => Effect.Effect<void>
  /** Counts and logs a failure in whose place the stage falls back. */
  readonly fellBack: (cause: Cause.Cause<E | StageError>) => Effect.Effect<void>
  /** Writes a dead letter; `rounds`: how often the job may be parked for this cause before it fails. `job` null: unreadable. */
  readonly giveUp: (
    at: { readonly delivery: Delivery; readonly holding: Holding; readonly job: Job.Job | null },
    failure: Failure,
    rounds: number
  ) => Effect.Effect<void>
  /** Returns it to its mailbox at once; the attempt is not counted (A5). */
  readonly release: (begun: Begun) => Effect.Effect<void>
  /** Counts and logs an attempt whose job is no longer ours; records nothing. */
  readonly lost: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* <E extends { readonly _tag: string }>(
  pipeline: string,
  stage: { readonly name: string; readonly progress: number },
  policy: Retry.Policy<E>,
  limits: () => StageLimits,
  detailOf: (error: E) => string | undefined
): Effect.fn.Return<StageOutcome<E>, never, ActorSystem | JobStore> {
  const system = yield* ActorSystem
  const store = yield* JobStore
  const context = yield* Effect.context<never>()
  const runners = StageRunners.of(system)
  const mailbox = `${pipeline}.${stage.name}`
  const stageSeconds = Metrics.stageSeconds({ pipeline, stage: stage.name })
  const lateResults = Metric.withAttributes(Metrics.attempts, { stage: mailbox, reason: "LeaseLost" })
  const jobsDone = Metric.withAttributes(Metrics.jobs, { pipeline, outcome: "done" })
  const jobsFailed = Metric.withAttributes(Metrics.jobs, { pipeline, outcome: "failed" })

  const record = Recorder.make(system)
  const isInfoLogged = yield* LogLevel.isEnabled("Info")

  const describe = (cause: Cause.Cause<E | StageError>): Failure => {
    const reason = Retry.reasonOf(cause)
    const detail = "error" in reason && !isStageError(reason.error) ? detailOf(reason.error) : undefined
    const told = Retry.describe(reason)
    return detail === undefined ? told : { ...told, detail: detail.slice(0, PayloadLimit.mostReasonLength) }
  }
  /** As the log has it. */
  const logged = ({ detail, message, tag }: Failure) => ({
    reason: tag,
    error: message,
    ...(detail === undefined ? {} : { detail })
  })

  /** What a commit needs of a plan, by plan: jobs of one pipeline share it. */
  const places = new WeakMap<ReadonlyArray<PlanStep>, Place>()
  const placeIn = (plan: ReadonlyArray<PlanStep>): Place => {
    const known = places.get(plan)
    if (known !== undefined) return known
    const at = plan.findIndex((step) => step.name === stage.name)
    const step = plan[at]
    const place = {
      next: plan[at + 1],
      progress: step?.progress ?? stage.progress,
      dropImage: step?.image === true && !plan.slice(at + 1).some((later) => later.image)
    }
    places.set(plan, place)
    return place
  }

  const commit: StageOutcome<E>["commit"] = (begun, output, tells, run) => {
    const { delivery, holding, job } = begun
    const { dropImage, next, progress } = placeIn(job.plan)
    const runner = next === undefined ? undefined : runners.get(next.mailbox)
    const keep = next !== undefined && runner !== undefined && system.reserve(next.mailbox) ? runner.nextToken() : null
    const sent: Commit = {
      partition: holding.partition,
      id: holding.id,
      stage: holding.stage,
      home: holding.home,
      mailbox: holding.mailbox,
      entry: holding.entry,
      token: holding.token,
      output,
      next: next === undefined ? null : { stage: next.name, mailbox: next.mailbox, keep },
      progress,
      dropImage,
      tells
    }
    delivery.settle()
    store.sendCommit(sent, (exit) => {
      if (Exit.isSuccess(exit)) committed(begun, sent, exit.value, run)
      else commitAgain(begun, sent, run)
    })
  }
  const committed = (begun: Begun, sent: Commit, { outcome, workMillis }: Committed, run: Committing) => {
    const { delivery, holding, job, parent } = begun
    const { next, output, progress } = sent
    const kept = outcome === "kept"
    if (next !== null && next.keep !== null) system.redeem(delivery, next.mailbox, kept)
    if (outcome === "lost" || outcome === "gone") {
      lateResults.updateUnsafe(1, context)
      Effect.runForkWith(run.context)(
        Effect.annotateLogs(Effect.logWarning("late result dropped: the job has moved on"), { outcome })
      )
      return run.goOn(null)
    }
    stageSeconds.updateUnsafe(workMillis / 1000, context)
    if (outcome === "ended") jobsDone.updateUnsafe(1, context)
    if (isInfoLogged) {
      const message = outcome === "ended" ? "job done" : "stage committed"
      Effect.runForkWith(run.context)(Effect.annotateLogs(Effect.logInfo(message), { work_ms: workMillis }))
    }
    if (!kept || next === null || next.keep === null) return run.goOn(null)
    run.goOn({
      delivery,
      parent,
      holding: { ...holding, stage: next.stage, home: next.mailbox, token: next.keep },
      job: Job.kept(job, holding.stage, { at: next.stage, output, progress, workMillis })
    })
  }
  const commitAgain = (begun: Begun, sent: Commit, run: Committing) => {
    const { delivery } = begun
    const recorded = record([delivery], Effect.delay(store.commit(sent), Retry.firstPause))
    Effect.runForkWith(run.context)(recorded, { uninterruptible: true }).addObserver((exit) => {
      if (Exit.isSuccess(exit) && exit.value !== "unsettled") return committed(begun, sent, exit.value, run)
      if (sent.next !== null && sent.next.keep !== null) system.redeem(delivery, sent.next.mailbox, false)
      run.goOn(null)
    })
  }

  const succeed: StageOutcome<E>["succeed"] = (begun, output, tells) =>
    Effect.flatMap(Effect.context<never>(), (logs) =>
      Effect.callback<Begun | null>((resume) =>
        commit(begun, output, tells, { context: logs, goOn: (next) => resume(Effect.succeed(next)) })
      )
    )

  const giveUp: StageOutcome<E>["giveUp"] = Effect.fnUntraced(function* ({ delivery, holding, job }, failure, rounds) {
    const attempts = job?.attempts ?? 0
    const progress = job?.progress ?? 0
    const answer = yield* record(
      [delivery],
      store.bury(holding, {
        failure: {
          code: failure.tag,
          message: failure.message.slice(0, PayloadLimit.mostReasonLength),
          stage: stage.name,
          attempts,
          ...(failure.detail === undefined ? {} : { detail: failure.detail })
        },
        event: fragment({ stage: "failed", status: "failed", progress, result: null }),
        rounds,
        retrying: openRetrying(stage.name, progress, failure.tag, attempts)
      })
    )
    if (answer !== "buried" && answer !== "parked") return
    // checking the timers now tells when the next round is due
    if (answer === "parked") system.wakeIn(holding.partition, 0)
    yield* Metric.update(Metric.withAttributes(Metrics.deadLetters, { mailbox, reason: failure.tag }), 1)
    if (answer === "buried") yield* Metric.update(jobsFailed, 1)
    yield* Effect.logError(answer === "buried" ? "job failed" : "job parked for another round").pipe(
      Effect.annotateLogs({ ...logged(failure), attempts })
    )
  })

  const decide: StageOutcome<E>["decide"] = ({ job }, cause) => {
    const reason = Retry.reasonOf(cause)
    const { attempts: most } = limits()
    if (!("error" in reason)) return Retry.defects(job.attempts)
    return isStageError(reason.error)
      ? Retry.limited(ownPolicy, most).decide(reason.error, job.attempts)
      : Retry.limited(policy, most).decide(reason.error, job.attempts)
  }

  const fellBack: StageOutcome<E>["fellBack"] = (cause) => {
    const failure = describe(cause)
    const labels = { stage: mailbox, reason: failure.tag }
    return Metric.update(Metric.withAttributes(Metrics.attempts, labels), 1).pipe(
      Effect.andThen(Metric.update(Metric.withAttributes(Metrics.fallbacks, labels), 1)),
      Effect.andThen(Effect.logWarning("stage fell back").pipe(Effect.annotateLogs(logged(failure))))
    )
  }

  const failed: StageOutcome<E>["failed"] = Effect.fnUntraced(function* (begun, cause, decision) {
    const { delivery, holding, job } = begun
    const reason = Retry.reasonOf(cause)
    const failure = describe(cause)
    const { redrives } = limits()
    yield* Metric.update(Metric.withAttributes(Metrics.attempts, { stage: mailbox, reason: failure.tag }), 1)
    if (!("error" in reason)) yield* Effect.logError("defect in a stage's handler", cause)
    if (decision._tag === "give-up") {
      const rounds = !decision.heals ? 0 : "error" in reason ? redrives : Math.min(redrives, defectRounds)
      return yield* giveUp(begun, failure, rounds)
    }
    const delayMillis = Math.max(1, Math.ceil(Duration.toMillis(decision.delay)))
    const answer = yield* record(
      [delivery],
      store.defer(holding, {
        delayMillis,
        giveBack: decision._tag === "later",
        cause: failure.tag,
        event: openRetrying(stage.name, job.progress, failure.tag, job.attempts)
      })
    )
    if (answer !== "deferred") return
    // its timer is the deadline when that comes first
    system.wakeIn(holding.partition, Math.min(delayMillis, Math.max(0, job.deadline - system.storeTime())))
    yield* Effect.logWarning("stage will be retried").pipe(
      Effect.annotateLogs({ ...logged(failure), attempt: job.attempts, delay_ms: delayMillis })
    )
  })

  return {
    commit,
    succeed,
    decide,
    failed,
    fellBack,
    giveUp,
    release: ({ delivery, holding }) =>
      Effect.asVoid(record([delivery], store.defer(holding, { delayMillis: 0, giveBack: true, cause: "", event: "" }))),
    lost: Effect.andThen(Metric.update(lateResults, 1), Effect.logInfo("attempt interrupted: the job has moved on"))
  }
})
