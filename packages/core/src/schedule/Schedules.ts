/**
 * Schedules: what Redis knows of recurring work. Processes that declare a schedule look at it (`look`, called by
 * ScheduleLoop) and so fire it; operators list, pause, resume and run it by hand, from any process.
 * Invariant T1, kept by fire.lua: a schedule fires once a slot fleet-wide, by Redis's clock; of slots missed the latest fires
 * once. Neighbours: Schedule (declaring one), Timing (which slots there are).
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { scheduled } from "../job/JobId.ts"
import * as MailboxCapacity from "../policy/MailboxCapacity.ts"
import type { Policies } from "../policy/Policies.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { movesJobs } from "../job/JobStore.ts"
import * as ServerTime from "../redis/ServerTime.ts"
import * as Script from "../redis/Script.ts"
import * as Tracing from "../telemetry/Tracing.ts"

/** What one run does: a job of a pipeline, or a message where `stage` is "". */
export interface Work {
  readonly mailbox: string
  readonly stage: string
  /** The pipeline's name, or the message's type. */
  readonly kind: string
  /** Job.formatPlan, "" for a message. */
  readonly plan: string
  /** JSON text. */
  readonly payload: string
  /** The job's; by default JOB_DEADLINE. */
  readonly deadlineMillis: number | null
}

/** What a process asks of one schedule. */
export interface Look {
  readonly name: string
  /** Timing.text. */
  readonly timing: string
  readonly overlap: "skip" | "allow"
  /** Redis time of this process's first look; null: this is it. */
  readonly declaredAt: number | null
  readonly slot: number
  readonly nextSlot: number
  readonly work: Work
}

/** See fire.lua. */
export const Outcome = Schema.Literals(["fired", "skipped", "idle", "early", "full", "paused", "other"])
export type Outcome = typeof Outcome.Type

export interface ScheduleState {
  readonly name: string
  readonly timing: string
  readonly overlap: string
  /** What it hands in: a pipeline's name, or an actor's and a message type. */
  readonly work: string
  readonly paused: boolean
  /** Whether a process looks at it; one that nobody declares any more never fires. */
  readonly declared: boolean
  /** Epoch milliseconds by Redis's clock, as all times here; null while paused or undeclared. */
  readonly next: number | null
  /** The last slot that was claimed, and whether it fired or was skipped. */
  readonly lastSlot: number | null
  readonly lastOutcome: string | null
  /** When it last ran, by hand included, and the job of that run (null for a message). */
  readonly lastRun: number | null
  readonly lastJob: string | null
  /** Slots fired, and skipped because the last run was open. */
  readonly fires: number
  readonly skips: number
}

/** No schedule of this name has been declared. Nothing happened. */
export class ScheduleUnknown extends Schema.TaggedError<ScheduleUnknown>()("ScheduleUnknown", {
  schedule: Schema.String
}) {
  override get message() {
    return `there is no schedule ${this.schedule}`
  }
}
/** Its last run is still open, and runs of it do not overlap. Nothing happened. */
export class ScheduleRunning extends Schema.TaggedError<ScheduleRunning>()("ScheduleRunning", {
  schedule: Schema.String,
  jobId: Schema.String
}) {
  override get message() {
    return `the last run of ${this.schedule}, job ${this.jobId}, is still open`
  }
}
/** The mailbox it hands work in at holds its capacity. Nothing happened. */
export class ScheduleRefused extends Schema.TaggedError<ScheduleRefused>()("ScheduleRefused", {
  schedule: Schema.String
}) {
  override get message() {
    return `the mailbox of ${this.schedule} is full; see MAILBOX_CAPACITY`
  }
}

export class Schedules extends Context.Service<
  Schedules,
  {
    /** One call for schedules of one partition; answers in order, and Redis's clock in epoch milliseconds. */
    readonly look: (
      partition: Partition,
      process: string,
      looks: ReadonlyArray<Look>
    ) => Effect.Effect<
      { readonly now: number; readonly outcomes: ReadonlyArray<{ readonly outcome: Outcome; readonly jobId: string }> },
      RedisError
    >
    /** All that were declared within the last 90 days, by name. */
    readonly list: Effect.Effect<ReadonlyArray<ScheduleState>, RedisError>
    /** From now on no slot fires. */
    readonly pause: (name: string) => Effect.Effect<void, ScheduleUnknown | RedisError>
    /** Slots fire again; none that passed meanwhile. */
    readonly resume: (name: string) => Effect.Effect<void, ScheduleUnknown | RedisError>
    /** Runs it once at once, paused or not, with the latest slot's input. Answers the job's id, null for a message. */
    readonly runNow: (
      name: string
    ) => Effect.Effect<string | null, ScheduleUnknown | ScheduleRunning | ScheduleRefused | RedisError>
  }
>()("@eco2/core/schedule/Schedules") {}

const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: [...movesJobs, new URL("./scripts/cron.lua", import.meta.url)],
    numberOfKeys: 1,
    reply
  })
const fireScript = script("fire", Schema.NonEmptyArray(Schema.String))
const steerScript = script(
  "steer",
  Schema.Tuple([Schema.Literals(["done", "ran", "open", "full", "missing"]), Schema.String])
)
const Fields = Schema.Array(Schema.String)
const isOutcome = Schema.is(Outcome)

/** A process looks at least once a minute: after this long its expression is nobody's. */
const staleMillis = 150_000
const forgetMillis = Duration.toMillis("90 days")

const stateOf = (name: string, flat: ReadonlyArray<string>, looked: boolean): ScheduleState => {
  const fields = Pairs.toMap(flat)
  const time = (field: string) => (fields.has(field) ? Number(fields.get(field)) : null)
  const kind = fields.get("kind") ?? ""
  const paused = fields.has("paused")
  return {
    name,
    timing: fields.get("spec") ?? "",
    overlap: fields.get("overlap") ?? "",
    work: fields.get("stage") === "" ? `${fields.get("mailbox")}.${kind}` : kind,
    paused,
    declared: looked,
    next: paused || !looked ? null : time("next"),
    lastSlot: time("slot"),
    lastOutcome: fields.get("outcome") ?? null,
    lastRun: time("fired"),
    lastJob: fields.get("job") || null,
    fires: time("fires") ?? 0,
    skips: time("skips") ?? 0
  }
}

export const layer: Layer.Layer<Schedules, never, RedisClient | Keyspace | CoreConfig | Policies> = Layer.effect(
  Schedules,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const config = yield* CoreConfig
    const capacityOf = yield* MailboxCapacity.perPartition
    const count = keyspace.partitions.length
    const decodeIndex = decodeReply("ZRANGE", Fields)
    const decodeHash = decodeReply("HGETALL", Fields)

    const steer = (name: string, verb: "pause" | "resume" | "run", id = "", trace = "") =>
      Effect.flatMap(
        redis.run(steerScript, [keyspace.of(name).root], [config.clockOffsetMillis, name, verb, id, trace]),
        ([outcome, job]) =>
          outcome === "missing"
            ? Effect.fail(new ScheduleUnknown({ schedule: name }))
            : Effect.succeed({ outcome, job })
      )

    return Schedules.of({
      look: Effect.fnUntraced(function* (partition, process, looks) {
        const traces = yield* Effect.forEach(looks, () => Tracing.current)
        const [time, ...rest] = yield* redis.run(
          fireScript,
          [partition.root],
          [
            config.clockOffsetMillis,
            process,
            staleMillis,
            forgetMillis,
            ...looks.flatMap(({ declaredAt, name, nextSlot, overlap, slot, timing, work }, i) => [
              name,
              timing,
              declaredAt ?? "",
              slot,
              nextSlot,
              overlap,
              work.mailbox,
              work.stage,
              work.kind,
              work.plan,
              work.deadlineMillis ?? Duration.toMillis(config.jobDeadline),
              work.payload,
              capacityOf(work.mailbox),
              scheduled({ schedule: name, slot: String(slot), partitions: count }),
              traces[i]!
            ])
          ]
        )
        const outcomes = yield* Effect.forEach(looks, (_, i) => {
          const outcome = rest[2 * i]
          return isOutcome(outcome)
            ? Effect.succeed({ outcome, jobId: rest[2 * i + 1] ?? "" })
            : Effect.fail(new RedisReplyInvalid({ command: "fire", reason: `unknown answer ${String(outcome)}` }))
        })
        return { now: Number(time), outcomes }
      }),
      list: Effect.gen(function* () {
        const now = (yield* redis.send("TIME").pipe(Effect.flatMap(ServerTime.decode))) + config.clockOffsetMillis
        const parts = yield* Effect.forEach(
          keyspace.partitions,
          Effect.fnUntraced(function* (partition) {
            const index = yield* redis
              .send("ZRANGE", partition.crons, 0, -1, "WITHSCORES")
              .pipe(Effect.flatMap(decodeIndex))
            const names = index.filter((_, i) => i % 2 === 0)
            return yield* Effect.forEach(
              names,
              (name, i) =>
                redis.send("HGETALL", partition.cron(name)).pipe(
                  Effect.flatMap(decodeHash),
                  Effect.map((flat) => stateOf(name, flat, now - Number(index[2 * i + 1]) < staleMillis))
                ),
              { concurrency: 16 }
            )
          }),
          { concurrency: "unbounded" }
        )
        return parts.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1))
      }),
      pause: (name) => Effect.asVoid(steer(name, "pause")),
      resume: (name) => Effect.asVoid(steer(name, "resume")),
      runNow: Effect.fnUntraced(function* (name) {
        // the script itself is sent again with this id when its answer is lost, and runs once
        const id = scheduled({ schedule: name, slot: randomUUID(), partitions: count })
        const { job, outcome } = yield* steer(name, "run", id, yield* Tracing.current)
        if (outcome === "open") return yield* new ScheduleRunning({ schedule: name, jobId: job })
        if (outcome === "full") return yield* new ScheduleRefused({ schedule: name })
        return job === "" ? null : job
      })
    })
  })
)
