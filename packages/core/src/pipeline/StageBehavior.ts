/**
 * StageBehavior: serves the mailbox of one stage. For each entry: begin (fence it), decode the values the stage reads
 * (StageValues), run the handler under its time-out, record the outcome (StageOutcome). A job that was in work when a process
 * died begins when and as ActorSystem.judge says (A2).
 * Invariants: J2 (only the current stage runs), J3 (one commit), A2 (crashes are counted before handler code), A3 (a time-out
 * interrupts and fences), A5 (interrupted work is returned to its mailbox).
 */
import { Cause, Config, Context, Effect, Exit, Layer, Metric, Schema } from "effect"
import { ActorSystem } from "../worker/ActorSystem.ts"
import { Attempt, untimed } from "../mailbox/Attempt.ts"
import { concurrencyVariable } from "../actor/Behavior.ts"
import * as Recorder from "../worker/Recorder.ts"
import * as Retry from "../worker/Retry.ts"
import * as Definition from "../config/Definition.ts"
import * as Setting from "../config/Setting.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import type { Message } from "../mailbox/Mailbox.ts"
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
import * as PaidCalls from "./PaidCalls.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { Codec, Needs, NeedsOf, OutputOf, PartialOf, Stage, Stages, Values } from "./Stage.ts"
import { StageTimeout } from "./StageError.ts"
import type { StageError } from "./StageError.ts"
import * as StageOutcome from "./StageOutcome.ts"
import * as StageRunners from "./StageRunners.ts"
import type { Begun, StageRunner } from "./StageRunners.ts"
import * as StageValues from "./StageValues.ts"
import * as SuspectJobs from "./SuspectJobs.ts"

export type ConfigError = Config.ConfigError
export type Requirements = Mailbox | JobImages | Policies | CallLedger | PartialText

/** Facts of the job for its handler, beside the values it reads. */
export interface StageJob<P = never> {
  readonly id: JobId
  /** The user that submitted it; "" for none. */
  readonly owner: string
  /** Counted from 1, as the retry policy counts: a crash of the process costs no attempt. */
  readonly attempt: number
  /** When the job was submitted, epoch milliseconds by Redis's clock. */
  readonly created: number
  /** Milliseconds from the job's submit to this attempt's begin. */
  readonly ageMillis: number
  /** Begins of the job so far, of all its stages: no two runs of a handler for a job have the same number. */
  readonly begins: number
  /**
   * The submitted image's bytes; null once it is deleted. Waits for memory (ImageMemory) within the stage's time-out, and holds
   * it until the attempt ends.
   */
  readonly image: Effect.Effect<Buffer | null, RedisError>
  /** Makes a call that costs money: recorded before it leaves, and with its bill after it (PaidCalls). */
  readonly pay: PaidCalls.PaidCalls["make"]
  /**
   * Shows viewers the text that the stage has written so far: all of it, each time it grows. Only for a stage that declares
   * `partial`. Costs nothing to call often: it is sent at most ten times a second, and only while somebody watches the job.
   */
  readonly emit: (textSoFar: P) => void
  /** Sends a message with this stage's commit: exactly when the stage is recorded (J3). */
  readonly tell: (message: Message) => Effect.Effect<void>
}
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
      const around = yield* Tracing.around<RH>(`${pipeline.name}.${stage.name}`)
      const mailbox = `${pipeline.name}.${stage.name}`
      const concurrency = yield* Setting.integer(concurrencyVariable(mailbox), {
        default: stage.concurrency,
        min: 1,
        max: 100_000
      })
      const policies = yield* Policies
      const limits = yield* StageLimits.read(mailbox, { timeout: stage.timeout, redrives: maxRounds }, () =>
        policies.of(mailbox)
      )
      const edges = StageValues.of(stage)
      const outcome = yield* StageOutcome.make(
        pipeline.name,
        stage,
        options.retry ?? Retry.policy<E>(),
        limits,
        options.detail ?? (() => undefined)
      )
      const waitSeconds = Metric.withAttributes(Metrics.waitSeconds, { pipeline: pipeline.name, stage: stage.name })
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

      const run: StageRunner["run"] = (begun, restore) => {
        const { delivery, job } = begun
        const tells: Array<Message> = []
        const { timeoutMillis } = limits()
        const pictures = images.attempt(job.id)
        const paid = PaidCalls.ofAttempt(
          ledger,
          { partition: begun.holding.partition, id: job.id, token: begun.holding.token },
          { owner: job.owner, stage: stage.name, attempt: job.attempts }
        )
        const writer =
          stage.partial === null
            ? null
            : partials.writer({
                partition: begun.holding.partition,
                id: job.id,
                token: begun.holding.token,
                begins: job.tries,
                attempt: Math.max(1, job.attempts),
                stage: stage.name
              })
        const facts: StageJob<P> = {
          id: job.id,
          owner: job.owner,
          attempt: job.attempts,
          begins: job.tries,
          created: job.created,
          ageMillis: Math.max(0, system.storeTime() - job.created),
          image: pictures.image,
          pay: paid.calls.make,
          emit: (text) => {
            if (typeof text === "string") writer?.send(text)
          },
          tell: (message) => Effect.sync(() => void tells.push(message))
        }
        const handle = Effect.suspend(() => {
          system.watch(delivery, timeoutMillis)
          // the delivery was ended while the commit that kept the job was being recorded: no further stage begins (A5)
          return delivery.endReason === null ? edges.read(job) : Effect.interrupt
        }).pipe(
          Effect.flatMap((values) => handler(values, facts)),
          Effect.provideContext(
            Context.make(Attempt, {
              place: `${job.id}/${stage.name}`,
              untimed: untimed(delivery, system.watch)
            }).pipe(Context.add(PaidCalls.PaidCalls, paid.calls))
          ),
          Effect.flatMap((output) => edges.write(output, tells))
        )
        const ended =
          job.deliveries === 0
            ? pictures.end
            : Effect.andThen(
                pictures.end,
                Effect.sync(() => system.clear(delivery))
              )
        const settle = (exit: Exit.Exit<string, E | StageError>): Effect.Effect<Begun | null> => {
          // a success counts however late it is; the end of an attempt that was outlived is recorded already
          if (delivery.isOutlived && Exit.isFailure(exit)) return Effect.succeed(null)
          return Exit.isSuccess(exit) ? outcome.succeed(begun, exit.value, tells) : settleEnd(exit.cause)
        }
        const settleEnd = (end: Cause.Cause<E | StageError>): Effect.Effect<Begun | null> => {
          if (delivery.endReason === "lost") return Effect.as(outcome.lost, null)
          if (delivery.endReason === "release") return Effect.as(outcome.release(begun), null)
          const timedOut = Cause.fail(new StageTimeout({ stage: stage.name, millis: timeoutMillis }))
          const cause = delivery.endReason === "timeout" ? timedOut : end
          return Effect.flatMap(outcome.decide(begun, cause), (decision) => {
            const output = fallBack(job, cause, decision)
            return output === null
              ? Effect.as(outcome.failed(begun, cause, decision), null)
              : Effect.andThen(outcome.fellBack(cause), outcome.succeed(begun, output, []))
          })
        }
        const notes = { job_id: job.id, stage: mailbox, attempt: job.attempts }
        delivery.whenOutlived(
          around(
            Effect.suspend(() => settleEnd(Cause.interrupt())),
            begun.parent,
            notes
          )
        )
        // bills before the outcome, which may be the job's end
        const closed = Effect.suspend(() => {
          writer?.end()
          return paid.areBillsDue() ? Effect.andThen(record([delivery], paid.close), ended) : ended
        })
        const attempt = Effect.ensuring(Effect.exit(restore(handle)), closed)
        return around(Effect.flatMap(attempt, settle), begun.parent, notes)
      }

      /** Runs stage after stage while the job is kept here. */
      const runFrom: (...from: Parameters<StageRunner["run"]>) => Effect.Effect<void> = Effect.fnUntraced(
        function* (begun, restore) {
          let next = yield* run(begun, restore)
          while (next !== null) {
            const runner = runners.get(next.holding.home)
            // the next stage was served here when the job was kept, and is served until this delivery ends
            next = runner === undefined ? null : yield* runner.run(next, restore)
          }
        }
      )
      const runAll = (begun: Begun): Effect.Effect<void> =>
        Effect.uninterruptibleMask((restore) => runFrom(begun, restore))

      const nextToken = () => tokenOf(system.token(), stage.name, begins++)

      /** Empty when Redis did not answer in time: the entries stay pending, and are adopted later (A4). */
      const begin: SuspectJobs.Stage["begin"] = (deliveries, holdings, turns) =>
        store.begin(holdings, turns).pipe(
          Effect.retry({ schedule: Retry.settling, while: isTransient, times: 20 }),
          Effect.catch((error) =>
            Effect.logError("begin failed; entries will be redelivered").pipe(
              Effect.annotateLogs({ stage: mailbox, error: error.message }),
              Effect.andThen(Effect.sync(() => deliveries.forEach(system.postpone))),
              Effect.as([])
            )
          )
        )

      const takeUp = (delivery: Delivery, holding: Holding, begun: BeginReply): Effect.Effect<void> => {
        switch (begun._tag) {
          case "Run":
            system.wakeIn(delivery.partition, Math.max(0, begun.job.deadline - system.storeTime()))
            return Effect.andThen(
              Metric.update(waitSeconds, begun.waitedMillis / 1000),
              system.work(
                delivery,
                runAll({ delivery, holding, job: begun.job, parent: Tracing.parse(begun.job.trace) })
              )
            )
          case "Unreadable": {
            const failure = { tag: "JobUnreadable", message: begun.error.message }
            return system.work(delivery, outcome.giveUp({ delivery, holding, job: null }, failure, 0))
          }
          case "Dropped":
            return Effect.suspend(() => {
              system.drop(delivery)
              const reason = droppedWithLetter.get(begun.reason)
              return reason === undefined ? Effect.void : letterLeft(reason, { job_id: holding.id })
            })
          case "Suspect": // the answer to a look alone
            return Effect.sync(() => system.postpone(delivery))
        }
      }

      const suspects = SuspectJobs.make(system, {
        begin,
        takeUp,
        run: (delivery, holding, job, restore) =>
          runFrom({ delivery, holding, job, parent: Tracing.parse(job.trace) }, restore),
        giveUp: outcome.giveUp,
        tokenAlone: (consumer) => tokenOf(consumer, stage.name, begins++, true)
      })

      const take = Effect.fnUntraced(function* (deliveries: ReadonlyArray<Delivery>) {
        const holdings: Array<Holding> = []
        const held: Array<Delivery> = []
        for (const delivery of deliveries) {
          const id = delivery.fields.get("job")
          if (id === undefined || !Schema.is(JobId)(id)) {
            // a malformed entry is dead-lettered: no work would ever acknowledge it
            yield* system.work(
              delivery,
              Effect.asVoid(
                record(
                  [delivery],
                  messages.settle(delivery, {
                    _tag: "dead",
                    cause: "EntryMalformed",
                    message: "the entry names no job",
                    attempts: 0
                  })
                )
              )
            )
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
        if (held.length === 0) return
        const begun = yield* begin(held, holdings)
        const suspected: Array<SuspectJobs.Suspect> = []
        for (const [i, one] of begun.entries()) {
          const [delivery, holding] = [held[i]!, holdings[i]!]
          if (one._tag === "Suspect") suspected.push({ ...one, delivery, holding })
          else yield* takeUp(delivery, holding, one)
        }
        yield* suspects.take(suspected)
      })

      runners.set(mailbox, { stage: stage.name, nextToken, run })
      yield* system.serve({ mailbox, concurrency, timeoutMillis: () => limits().timeoutMillis, take })
    })
  )
