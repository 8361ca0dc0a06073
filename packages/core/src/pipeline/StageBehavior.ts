/**
 * StageBehavior: serves the mailbox of one stage. It begins the entries of a read (fences their jobs), and StageRun runs those that
 * have begun. A job that was in work when a process died begins when and as ActorSystem.judge says (SuspectJobs).
 * Invariants: J2 (only the current stage runs), A2 (crashes are counted before handler code).
 */
import { Cause, Config, Effect, Exit, Layer, Metric, Schema } from "effect"
import type { Duration } from "effect"
import { ActorSystem } from "../worker/ActorSystem.ts"
import { concurrencyVariable } from "../actor/Behavior.ts"
import * as Recorder from "../worker/Recorder.ts"
import * as Retry from "../worker/Retry.ts"
import * as Definition from "../config/Definition.ts"
import * as Setting from "../config/Setting.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import { Policies } from "../policy/Policies.ts"
import * as StageLimits from "../policy/StageLimits.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Tracing from "../telemetry/Tracing.ts"
import { JobImages } from "./JobImages.ts"
import { PartialText } from "../job/PartialText.ts"
import { CallLedger } from "../job/CallLedger.ts"
import { JobId } from "../job/Job.ts"
import type { Job } from "../job/Job.ts"
import { JobStore, tokenOf } from "../job/JobStore.ts"
import type { BeginReply, Holding } from "../job/JobStore.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { Codec, Needs, NeedsOf, OutputOf, PartialOf, Stage, Stages, Values } from "./Stage.ts"
import type { StageError } from "./StageError.ts"
import * as StageOutcome from "./StageOutcome.ts"
import * as StageRunners from "./StageRunners.ts"
import type { StageJob } from "./StageAttempt.ts"
import * as StageRun from "./StageRun.ts"
import * as StageValues from "./StageValues.ts"
import * as SuspectJobs from "./SuspectJobs.ts"

export type { StageJob } from "./StageAttempt.ts"
export type ConfigError = Config.ConfigError
export type Requirements = Mailbox | JobImages | Policies | CallLedger | PartialText

export type Handler<N extends Needs, A, E, R, P = never> = (
  values: Values<N>,
  job: StageJob<P>
) => Effect.Effect<A, E, R>
/** A failure of an attempt, as `fallback` sees it. */
export interface Failed<E> {
  readonly error: E | StageError
  /** The attempts are used up: without a fallback the job would be parked or fail. */
  readonly isLast: boolean
  /** Milliseconds since the job was submitted. */
  readonly ageMillis: number
}
export interface Options<E, N extends Needs = Needs, A = unknown> {
  readonly retry?: Retry.Policy<E>
  /** The time-out by default, instead of the stage's own: where it follows from settings. The variable and a policy override it. */
  readonly timeout?: Duration.Duration
  /**
   * The output of the stage when its handler has failed, for a stage whose work can be done in a plainer way; null: go on as
   * `retry` says. Asked after each typed failure and time-out; never when the process stops or has lost the job. It must not throw.
   */
  readonly fallback?: (values: Values<N>, failed: Failed<E>) => A | null
  /**
   * What operators are told of an error beside its message, such as a service's own words: in the log, in the dead letter and with
   * the job, but not by its result. Without secrets. It must not throw.
   */
  readonly detail?: (error: E) => string | undefined
}

/** The causes of dead letters that begin writes when it drops an entry, by its reason. */
const droppedWithLetter = new Map([
  ["gone", "JobGone"],
  ["unreadable", "JobUnreadable"]
])

/** How often a job is parked for a cause that may heal; the environment or a policy may change it. */
const maxRounds = 3

/**
 * Serves one stage of a pipeline while the layer lives. `make` builds its handler once; `options.retry` is its retry policy.
 */
export const layer = <
  Name extends string,
  Input,
  S extends Stages,
  K extends keyof S & string,
  E extends { readonly _tag: string },
  RH,
  EX,
  R
>(
  pipeline: Pipeline<Name, Input, S>,
  name: K,
  make: Effect.Effect<Handler<NeedsOf<S[K]>, OutputOf<S[K]>, E, RH, PartialOf<S[K]>>, EX, R>,
  options: Options<E, NeedsOf<S[K]>, OutputOf<S[K]>> = {}
): Layer.Layer<never, EX | RedisError | ConfigError, R | RH | ActorSystem | JobStore | Requirements> => {
  const stage = pipeline.stages[name]
  // a name that no stage has does not compile; a cast, or JavaScript, may give one
  if (stage === undefined || !Object.hasOwn(pipeline.stages, name)) {
    const known = pipeline.plan.map((step) => step.name).join(", ")
    return Definition.refuse(
      `handler of pipeline ${JSON.stringify(pipeline.name)}`,
      "its stage",
      name,
      `one of ${known}`
    )
  }
  return serve<NeedsOf<S[K]>, OutputOf<S[K]>, E, RH, EX, R, PartialOf<S[K]>>(
    pipeline,
    stage as Stage<string, NeedsOf<S[K]>, OutputOf<S[K]>, PartialOf<S[K]>>,
    make,
    options
  )
}

const serve = <N extends Needs, A, E extends { readonly _tag: string }, RH, EX, R, P>(
  pipeline: { readonly name: string; readonly input: Codec<unknown> },
  stage: Stage<string, N, A, P>,
  make: Effect.Effect<Handler<N, A, E, RH, P>, EX, R>,
  options: Options<E, N, A>
): Layer.Layer<never, EX | RedisError | Config.ConfigError, R | RH | ActorSystem | JobStore | Requirements> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const store = yield* JobStore
      const messages = yield* Mailbox
      const images = yield* JobImages
      const ledger = yield* CallLedger
      const partials = yield* PartialText
      const runners = StageRunners.of(system)
      const handler = yield* make
      const contexts = yield* Tracing.jobContexts<RH>(`${pipeline.name}.${stage.name}`)
      const context = yield* Effect.context<never>()
      const mailbox = `${pipeline.name}.${stage.name}`
      const concurrency = yield* Setting.integer(concurrencyVariable(mailbox), {
        default: stage.concurrency,
        min: 1,
        max: 100_000
      })
      const policies = yield* Policies
      const limits = yield* StageLimits.read(
        mailbox,
        { timeout: options.timeout ?? stage.timeout, redrives: maxRounds },
        () => policies.of(mailbox)
      )
      const edges = StageValues.of(stage)
      const outcome = yield* StageOutcome.make(
        pipeline.name,
        stage,
        options.retry ?? Retry.policy<E>(),
        limits,
        options.detail ?? (() => undefined)
      )
      const waitSeconds = Metrics.waitSeconds({ pipeline: pipeline.name, stage: stage.name })
      /** Counts and logs a dead letter that begin wrote, without an attempt. */
      const letterLeft = (reason: string, notes: Readonly<Record<string, string>>) =>
        Effect.andThen(
          Metric.update(Metric.withAttributes(Metrics.deadLetters, { mailbox, reason }), 1),
          Effect.logError("entry dead-lettered without an attempt").pipe(
            Effect.annotateLogs({ ...notes, stage: mailbox, reason })
          )
        )
      const record = Recorder.make(system)
      let begins = 0

      /** The stored form of what the stage falls back to; null: it does not, or that cannot be stored either. */
      const fallBack = (job: Job, cause: Cause.Cause<E | StageError>, decision: Retry.Decision): string | null => {
        const reason = Retry.reasonOf(cause)
        if (options.fallback === undefined || !("error" in reason)) return null
        const values = edges.read(job)
        if (Exit.isFailure(values)) return null
        const output = options.fallback(values.value, {
          error: reason.error,
          isLast: decision._tag === "give-up",
          ageMillis: Math.max(0, system.storeTime() - job.created)
        })
        const stored = output === null ? null : edges.write(output, [])
        return stored !== null && Exit.isSuccess(stored) ? stored.value : null
      }

      const start = StageRun.make<N, A, E, RH, P>({
        name: stage.name,
        isWriting: stage.partial !== null,
        mailbox,
        system,
        images,
        ledger,
        partials,
        handler,
        values: edges,
        outcome,
        limits,
        contexts,
        fallBack: ({ job }, cause, decision) => fallBack(job, cause, decision)
      })

      const nextToken = () => tokenOf(system.token(), stage.name, begins++)

      const postponeAll = (deliveries: ReadonlyArray<Delivery>, error: RedisError) =>
        Effect.logError("begin failed; entries will be redelivered").pipe(
          Effect.annotateLogs({ stage: mailbox, error: error.message }),
          Effect.andThen(Effect.sync(() => deliveries.forEach(system.postpone))),
          Effect.as([])
        )
      /** Empty when Redis did not answer in time: the entries stay pending, and are adopted later (A4). */
      const begin: SuspectJobs.Stage["begin"] = (deliveries, holdings, turns) =>
        Retry.untilSettled(store.begin(holdings, turns), { while: isTransient, times: 20 }).pipe(
          Effect.catch((error) => postponeAll(deliveries, error))
        )

      /** Null: it was all done at once, as is usual. */
      const takeUp = (delivery: Delivery, holding: Holding, begun: BeginReply): Effect.Effect<void> | null => {
        switch (begun._tag) {
          case "Run":
            system.wakeIn(delivery.partition, Math.max(0, begun.job.deadline - system.storeTime()))
            waitSeconds.updateUnsafe(begun.waitedMillis / 1000, context)
            start({ delivery, holding, job: begun.job, parent: Tracing.parse(begun.job.trace) }, (exit) =>
              system.ended(delivery, exit)
            )
            return null
          case "Unreadable": {
            const failure = { tag: "JobUnreadable", message: begun.error.message }
            return system.work(delivery, outcome.giveUp({ delivery, holding, job: null }, failure, 0))
          }
          case "Dropped": {
            system.drop(delivery)
            const reason = droppedWithLetter.get(begun.reason)
            return reason === undefined ? null : letterLeft(reason, { job_id: holding.id })
          }
          case "Suspect": // the answer to a look alone
            system.postpone(delivery)
            return null
        }
      }

      const suspects = SuspectJobs.make(system, {
        begin,
        takeUp: (delivery, holding, begun) => Effect.suspend(() => takeUp(delivery, holding, begun) ?? Effect.void),
        run: (delivery, holding, job) =>
          Effect.callback((resume) =>
            start({ delivery, holding, job, parent: Tracing.parse(job.trace) }, (exit) =>
              resume(Exit.isSuccess(exit) ? Exit.void : Effect.failCause(Cause.die(Cause.squash(exit.cause))))
            )
          ),
        giveUp: outcome.giveUp,
        tokenAlone: (consumer) => tokenOf(consumer, stage.name, begins++, true)
      })

      /** An entry that names no job is dead-lettered: no work would ever acknowledge it. */
      const takeMalformed = (delivery: Delivery) => {
        const message = "the entry names no job"
        const letter = { _tag: "dead", cause: "EntryMalformed", message, attempts: 0 } as const
        return system.work(delivery, Effect.asVoid(record([delivery], messages.settle(delivery, letter))))
      }
      const isJobId = Schema.is(JobId)
      const take = (deliveries: ReadonlyArray<Delivery>): Effect.Effect<void> => {
        const holdings: Array<Holding> = []
        const held: Array<Delivery> = []
        const malformed: Array<Effect.Effect<void>> = []
        for (const delivery of deliveries) {
          const id = delivery.fields.get("job")
          if (id === undefined || !isJobId(id)) {
            malformed.push(takeMalformed(delivery))
            continue
          }
          held.push(delivery)
          holdings.push({
            partition: delivery.partition,
            id,
            stage: stage.name,
            home: mailbox,
            mailbox,
            entry: delivery.entry,
            // the consumer it was read by, which may be condemned since: begin checks who holds the entry
            token: tokenOf(delivery.consumer, stage.name, begins++)
          })
        }
        const takeAll = (begun: ReadonlyArray<BeginReply>): Effect.Effect<void> => {
          const suspected: Array<SuspectJobs.Suspect> = []
          /** What is left to do, in order; seldom anything. */
          const rest: Array<Effect.Effect<void>> = []
          for (const [i, one] of begun.entries()) {
            const [delivery, holding] = [held[i]!, holdings[i]!]
            if (one._tag === "Suspect") suspected.push({ ...one, delivery, holding })
            else {
              const more = takeUp(delivery, holding, one)
              if (more !== null) rest.push(more)
            }
          }
          if (suspected.length > 0) rest.push(suspects.take(suspected))
          return rest.length === 0 ? Effect.void : Effect.all(rest, { discard: true })
        }
        const taken = held.length === 0 ? Effect.void : Effect.flatMap(begin(held, holdings), takeAll)
        return malformed.length === 0 ? taken : Effect.andThen(Effect.all(malformed, { discard: true }), taken)
      }

      runners.set(mailbox, { stage: stage.name, nextToken, start })
      yield* system.serve({ mailbox, concurrency, timeoutMillis: () => limits().timeoutMillis, take })
    })
  )
