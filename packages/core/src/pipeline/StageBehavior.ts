/**
 * StageBehavior: works off one stage's mailbox. For each entry: begin (fence, count), decode what the stage reads, run the
 * handler under its timeout, record what came of it (commit, defer, bury).
 * Invariants: J2 (only the stage due runs), J3 (one commit), A2 (counted before handler code), A3 (a time-out interrupts
 * and fences), A5 (interrupted work is handed back).
 */
import { Cause, Config, Duration, Effect, Exit, Layer, Metric, Schema } from "effect"
import { ActorSystem } from "../actor/ActorSystem.ts"
import { Attempt } from "../actor/Attempt.ts"
import { concurrencyVariable } from "../actor/Behavior.ts"
import * as Retry from "../actor/Retry.ts"
import * as Setting from "../config/Setting.ts"
import { fragment, openRetrying } from "../event/JobEvent.ts"
import { aloneFrom } from "../mailbox/Delivery.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import { bytesOf, Mailbox } from "../mailbox/Mailbox.ts"
import type { Message } from "../mailbox/Mailbox.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Tracing from "../telemetry/Tracing.ts"
import { ImageMemory } from "./ImageMemory.ts"
import { JobId } from "./Job.ts"
import type { Job, PlanStep } from "./Job.ts"
import { JobStore } from "./JobStore.ts"
import { Policies } from "../policy/Policies.ts"
import * as StageLimits from "../policy/StageLimits.ts"
import type { Begun as Answer, Holding } from "./JobStore.ts"
import * as StageRunners from "./StageRunners.ts"
import type { Begun, StageRunner } from "./StageRunners.ts"
import type { Codec, Needs, Stage, Values } from "./Stage.ts"

export type ConfigError = Config.ConfigError
export type Requirements = Mailbox | ImageMemory | Policies

/** What a handler may know of the job beside the values it reads. */
export interface StageJob {
  readonly id: JobId
  /** Who submitted it; "" for nobody. */
  readonly owner: string
  /** From 1. */
  readonly attempt: number
  /**
   * The submitted image's bytes; null once it is gone. Waits for room (ImageMemory), within the stage's timeout, and holds it
   * until the attempt ends.
   */
  readonly image: Effect.Effect<Buffer | null, RedisError>
  /** Sends a message with this stage's commit: exactly when the stage is recorded (J3). */
  readonly tell: (message: Message) => Effect.Effect<void>
}
export type Handler<N extends Needs, A, E, R> = (values: Values<N>, job: StageJob) => Effect.Effect<A, E, R>
export interface Options<E> {
  readonly retry?: Retry.Policy<E>
}

/** The attempt ran longer than the stage's timeout and was interrupted. What it called may have been paid for. */
export class StageTimeout extends Schema.TaggedError<StageTimeout>()("StageTimeout", {
  stage: Schema.String,
  millis: Schema.Int
}) {
  override get message() {
    return `stage ${this.stage} did not finish within ${this.millis} ms`
  }
}
/** What an earlier stage left does not fit what this one reads: another version wrote it. Parked: a deployment may heal it. */
export class CheckpointUnreadable extends Schema.TaggedError<CheckpointUnreadable>()("CheckpointUnreadable", {
  stage: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `stage ${this.stage}: ${this.reason}`
  }
}
/** What the stage leaves does not fit its schema, or is too large. Trying again would not help: the job fails. */
export class OutputRejected extends Schema.TaggedError<OutputRejected>()("OutputRejected", {
  stage: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `stage ${this.stage}: its output ${this.reason}`
  }
}
type OwnError = StageTimeout | CheckpointUnreadable | OutputRejected

interface Failure {
  readonly tag: string
  readonly message: string
}

const ownPolicy = Retry.policy<OwnError>({
  never: ["OutputRejected"],
  byTag: { CheckpointUnreadable: Retry.notNow }
})
/** How often a job is parked for a cause that may heal, and for an untyped defect. */
const maxRounds = 3
const defectRounds = 1

const parseJson = (text: string): unknown => JSON.parse(text)

export const layer = <N extends Needs, A, E extends { readonly _tag: string }, RH, EX, R>(
  pipeline: { readonly name: string; readonly input: Codec<unknown> },
  stage: Stage<string, N, A>,
  make: Effect.Effect<Handler<N, A, E, RH>, EX, R>,
  options: Options<E>
): Layer.Layer<never, EX | RedisError | Config.ConfigError, R | RH | ActorSystem | JobStore | Requirements> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const store = yield* JobStore
      const messages = yield* Mailbox
      const images = yield* ImageMemory
      const runners = StageRunners.of(system)
      const handler = yield* make
      const around = yield* Tracing.around<RH>(`${pipeline.name}.${stage.name}`)
      const context = yield* Effect.context<never>()
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
      const policy = options.retry ?? Retry.policy<E>()
      const needs = Object.entries(stage.needs).map(([name, codec]) => ({
        name,
        decode: Schema.decodeUnknownExit(Schema.toCodecJson(codec))
      }))
      const encodeOutput = Schema.encodeUnknownExit(Schema.toCodecJson(stage.output))
      const labels = { pipeline: pipeline.name, stage: stage.name }
      const stageSeconds = Metric.withAttributes(Metrics.stageSeconds, labels)
      const waitSeconds = Metric.withAttributes(Metrics.waitSeconds, labels)
      const lateResults = Metric.withAttributes(Metrics.attempts, { stage: mailbox, reason: "LeaseLost" })
      const jobsDone = Metric.withAttributes(Metrics.jobs, { pipeline: pipeline.name, outcome: "done" })
      let begins = 0

      const unreadable = (reason: string) => Exit.fail(new CheckpointUnreadable({ stage: stage.name, reason }))
      // decoding and encoding are synchronous (Stage.Codec): no effect a value
      const readValues = (job: Job): Exit.Exit<Values<N>, CheckpointUnreadable> => {
        const values: Record<string, unknown> = {}
        for (const { decode, name } of needs) {
          const text = job.outputs.get(name)
          let json: unknown
          try {
            json = name === "input" ? job.input : text === undefined ? undefined : parseJson(text)
          } catch {
            return unreadable(`the checkpoint of ${name} is not JSON`)
          }
          const value = decode(json)
          if (Exit.isFailure(value)) return unreadable(`${name}: ${String(Cause.squash(value.cause))}`)
          values[name] = value.value
        }
        return Exit.succeed(values as Values<N>)
      }

      const rejected = (reason: string) => Exit.fail(new OutputRejected({ stage: stage.name, reason }))
      const writeOutput = (output: A): Exit.Exit<string, OutputRejected> => {
        const json = encodeOutput(output)
        if (Exit.isFailure(json)) return rejected(String(Cause.squash(json.cause)))
        const text = JSON.stringify(json.value)
        const bytes = Buffer.byteLength(text)
        return bytes <= PayloadLimit.mostBytes
          ? Exit.succeed(text)
          : rejected(`has ${bytes} bytes, allowed are ${PayloadLimit.mostBytes}`)
      }

      const writeAll = (output: A, tells: ReadonlyArray<Message>): Exit.Exit<string, OutputRejected> => {
        const bytes = tells.reduce((sum, tell) => sum + bytesOf(tell), 0)
        return bytes <= PayloadLimit.mostBytes
          ? writeOutput(output)
          : rejected(`comes with messages of ${bytes} bytes, allowed are ${PayloadLimit.mostBytes}`)
      }

      const whileItMayHelp = {
        schedule: Retry.settling,
        while: (error: RedisError) => isTransient(error) && !system.abandoned(),
        times: 1_800
      }
      /** Sends a result until Redis has it: it may have cost money, and every script may be sent twice. */
      const record = <O>(delivery: Delivery, result: Effect.Effect<O, RedisError>): Effect.Effect<O | "unsettled"> =>
        Effect.suspend(() => {
          delivery.settling = true
          return result
        }).pipe(
          // the schedule is made only for those that need it
          Effect.catchIf(isTransient, () => Effect.retry(result, whileItMayHelp)),
          Effect.catch((error) =>
            Effect.as(
              Effect.logError("result could not be recorded").pipe(Effect.annotateLogs({ error: error.message })),
              "unsettled" as const
            )
          )
        )

      /** Commits; answers the next stage when the job was kept for it. */
      const succeed = Effect.fnUntraced(function* (
        { delivery, holding, job, parent }: Begun,
        output: string,
        tells: ReadonlyArray<Message>
      ): Effect.fn.Return<Begun | null> {
        const at = job.plan.findIndex((step) => step.name === stage.name)
        const step: PlanStep | undefined = job.plan[at]
        const next = job.plan[at + 1]
        const progress = step?.progress ?? stage.progress
        const runner = next === undefined ? undefined : runners.get(next.mailbox)
        const keep =
          next !== undefined && runner !== undefined && system.reserve(next.mailbox) ? runner.nextToken() : null
        const answer = yield* record(
          delivery,
          store.commit({
            ...holding,
            output,
            next: next === undefined ? null : { stage: next.name, mailbox: next.mailbox, keep },
            progress,
            dropImage: step?.image === true && !job.plan.slice(at + 1).some((later) => later.image),
            tells
          })
        )
        const kept = answer !== "unsettled" && answer.outcome === "kept"
        if (next !== undefined && keep !== null) system.redeem(delivery, next.mailbox, kept)
        if (answer === "unsettled") return null
        if (answer.outcome === "lost" || answer.outcome === "gone") {
          yield* Metric.update(lateResults, 1)
          yield* Effect.logWarning("result came too late: the job stands elsewhere").pipe(
            Effect.annotateLogs({ outcome: answer.outcome })
          )
          return null
        }
        stageSeconds.updateUnsafe(answer.workMillis / 1000, context)
        const ended = answer.outcome === "ended"
        if (ended) jobsDone.updateUnsafe(1, context)
        yield* Effect.logInfo(ended ? "job done" : "stage committed").pipe(
          Effect.annotateLogs({ work_ms: answer.workMillis })
        )
        if (!kept || next === undefined || keep === null) return null
        delivery.settling = false
        return {
          delivery,
          parent,
          holding: { ...holding, stage: next.name, home: next.mailbox, token: keep },
          job: {
            ...job,
            state: "running",
            at: next.name,
            progress,
            attempts: 1,
            tries: job.tries + 1,
            outputs: new Map(job.outputs).set(stage.name, output),
            workMillis: new Map(job.workMillis).set(stage.name, answer.workMillis)
          }
        }
      })

      /** `rounds`: how often the job may be parked for this cause before it fails. */
      const giveUp = Effect.fnUntraced(function* (
        delivery: Delivery,
        holding: Holding,
        job: Job | null,
        failure: Failure,
        attempts: number,
        rounds: number
      ) {
        const progress = job?.progress ?? 0
        const answer = yield* record(
          delivery,
          store.bury(holding, {
            failure: {
              code: failure.tag,
              message: failure.message.slice(0, PayloadLimit.mostReasonLength),
              stage: stage.name,
              attempts
            },
            event: fragment({ stage: "failed", status: "failed", progress, result: null }),
            rounds,
            retrying: openRetrying(stage.name, progress, failure.tag, attempts)
          })
        )
        if (answer !== "buried" && answer !== "parked") return
        // the look tells when the next round is due
        if (answer === "parked") system.wakeIn(holding.partition, 0)
        yield* Metric.update(Metric.withAttributes(Metrics.deadLetters, { mailbox, reason: failure.tag }), 1)
        if (answer === "buried") {
          yield* Metric.update(Metric.withAttributes(Metrics.jobs, { pipeline: pipeline.name, outcome: "failed" }), 1)
        }
        yield* Effect.logError(answer === "buried" ? "job failed" : "job parked for another round").pipe(
          Effect.annotateLogs({ reason: failure.tag, error: failure.message, attempts })
        )
      })

      const failed = Effect.fnUntraced(function* (
        delivery: Delivery,
        holding: Holding,
        job: Job,
        cause: Cause.Cause<E | OwnError>
      ) {
        const reason = Retry.reasonOf(cause)
        const failure = Retry.describe(reason)
        const { attempts: most, redrives } = limits()
        const isOwn = (error: E | OwnError): error is OwnError =>
          error instanceof StageTimeout || error instanceof CheckpointUnreadable || error instanceof OutputRejected
        const decision: Retry.Decision = !("error" in reason)
          ? yield* Retry.defects(job.attempts)
          : isOwn(reason.error)
            ? yield* Retry.limited(ownPolicy, most).decide(reason.error, job.attempts)
            : yield* Retry.limited(policy, most).decide(reason.error, job.attempts)
        yield* Metric.update(Metric.withAttributes(Metrics.attempts, { stage: mailbox, reason: failure.tag }), 1)
        if (!("error" in reason)) yield* Effect.logError("defect in a stage's handler", cause)
        if (decision._tag === "give-up") {
          const rounds = !decision.heals ? 0 : "error" in reason ? redrives : Math.min(redrives, defectRounds)
          return yield* giveUp(delivery, holding, job, failure, job.attempts, rounds)
        }
        const delayMillis = Math.max(1, Math.ceil(Duration.toMillis(decision.delay)))
        const answer = yield* record(
          delivery,
          store.defer(holding, {
            delayMillis,
            giveBack: decision._tag === "later",
            cause: failure.tag,
            event: openRetrying(stage.name, job.progress, failure.tag, job.attempts)
          })
        )
        if (answer !== "deferred") return
        system.wakeIn(holding.partition, delayMillis)
        yield* Effect.logWarning("stage will be tried again").pipe(
          Effect.annotateLogs({
            reason: failure.tag,
            error: failure.message,
            attempt: job.attempts,
            delay_ms: delayMillis
          })
        )
      })

      /** Stops the attempt's time-out clock for a wait; several at once stop it once. */
      const untimed = (delivery: Delivery): Attempt["untimed"] => {
        let waits = 0
        let leftMillis = 0
        return (wait) =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              if (waits++ > 0) return
              leftMillis = Math.max(1, (delivery.dueAt ?? Infinity) - performance.now())
              delivery.dueAt = null
            }),
            () => wait,
            () =>
              Effect.sync(() => {
                if (--waits === 0) system.watch(delivery, leftMillis)
              })
          )
      }

      const run: StageRunner["run"] = (begun, restore) => {
        const { delivery, holding, job } = begun
        const tells: Array<Message> = []
        const { timeoutMillis } = limits()
        const pictures = images.attempt(job.id)
        const facts: StageJob = {
          id: job.id,
          owner: job.owner,
          attempt: job.attempts,
          image: pictures.image,
          tell: (message) => Effect.sync(() => void tells.push(message))
        }
        const handle = Effect.suspend(() => {
          system.watch(delivery, timeoutMillis)
          // told to end while the result that kept the job was on its way to Redis: nothing begins after it (A5)
          return delivery.fate === null ? readValues(job) : Effect.interrupt
        }).pipe(
          Effect.flatMap((values) => handler(values, facts)),
          Effect.provideService(Attempt, { place: `${job.id}/${stage.name}`, untimed: untimed(delivery) }),
          Effect.flatMap((output) => (tells.length === 0 ? writeOutput(output) : writeAll(output, tells)))
        )
        const suspected = job.deliveries >= aloneFrom
        const work = suspected ? Effect.andThen(system.alone(delivery), handle) : handle
        const settle = (exit: Exit.Exit<string, E | OwnError>): Effect.Effect<Begun | null> => {
          if (Exit.isSuccess(exit)) return succeed(begun, exit.value, tells)
          if (delivery.fate === "lost") {
            return Effect.as(
              Effect.andThen(Metric.update(lateResults, 1), Effect.logInfo("interrupted: the job is no longer ours")),
              null
            )
          }
          if (delivery.fate === "release") {
            return Effect.as(
              record(delivery, store.defer(holding, { delayMillis: 0, giveBack: true, cause: "", event: "" })),
              null
            )
          }
          const cause =
            delivery.fate === "timeout"
              ? Cause.fail(new StageTimeout({ stage: stage.name, millis: timeoutMillis }))
              : exit.cause
          return Effect.as(failed(delivery, holding, job, cause), null)
        }
        const notes = { job_id: job.id, stage: mailbox, attempt: job.attempts }
        const attempt = Effect.ensuring(Effect.exit(restore(work)), pictures.end)
        return around(Effect.flatMap(attempt, settle), begun.parent, notes)
      }

      /** Stage after stage, as long as the job is kept here. */
      const runAll = (begun: Begun): Effect.Effect<void> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            let next = yield* run(begun, restore)
            while (next !== null) {
              const runner = runners.get(next.holding.home)
              // served when it was kept, and not stopped before this delivery is over
              next = runner === undefined ? null : yield* runner.run(next, restore)
            }
          })
        )

      const nextToken = () => `${system.token()}:${stage.name}.${begins++}`

      const takeUp = (delivery: Delivery, holding: Holding, begun: Answer): Effect.Effect<void> => {
        switch (begun._tag) {
          case "Run":
            return Effect.andThen(
              Metric.update(waitSeconds, begun.waitedMillis / 1000),
              system.work(
                delivery,
                runAll({ delivery, holding, job: begun.job, parent: Tracing.parse(begun.job.trace) })
              )
            )
          case "Exhausted":
            return system.work(
              delivery,
              giveUp(
                delivery,
                holding,
                begun.job,
                {
                  tag: "DeliveriesExhausted",
                  message: `the stage was begun ${begun.job.deliveries} times by processes that never reported back`
                },
                begun.job.attempts,
                0
              )
            )
          case "Unreadable":
            return system.work(
              delivery,
              giveUp(delivery, holding, null, { tag: "JobUnreadable", message: begun.error.message }, 0, 0)
            )
          case "Dropped":
            return Effect.suspend(() => {
              system.drop(delivery)
              return begun.reason === "gone"
                ? Effect.logError("an entry's job is not in Redis").pipe(
                    Effect.annotateLogs({ job_id: holding.id, stage: mailbox })
                  )
                : Effect.void
            })
        }
      }

      const take = Effect.fnUntraced(function* (deliveries: ReadonlyArray<Delivery>) {
        const holdings: Array<Holding> = []
        const held: Array<Delivery> = []
        for (const delivery of deliveries) {
          const id = delivery.fields.get("job")
          if (id === undefined || !Schema.is(JobId)(id)) {
            // an entry of unknown make is never acknowledged by work: it would come back for ever
            yield* system.work(
              delivery,
              Effect.asVoid(
                record(
                  delivery,
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
            // by the name it was read under, which may have been lost since: begin asks whose the entry is
            token: `${delivery.consumer}:${stage.name}.${begins++}`
          })
        }
        if (held.length === 0) return
        const begun = yield* store.begin(holdings).pipe(
          Effect.retry({ schedule: Retry.settling, while: isTransient, times: 20 }),
          Effect.catch((error) =>
            Effect.logError("entries could not be begun; they are taken up again").pipe(
              Effect.annotateLogs({ stage: mailbox, error: error.message }),
              Effect.andThen(Effect.sync(() => held.forEach(system.drop))),
              Effect.as([])
            )
          )
        )
        for (const [i, one] of begun.entries()) yield* takeUp(held[i]!, holdings[i]!, one)
      })

      runners.set(mailbox, { stage: stage.name, nextToken, run })
      yield* system.serve({ mailbox, concurrency, take })
    })
  )
