/**
 * Schedules: the state of schedules in Redis. Processes that declare a schedule check it when a slot is due (`look`, called by
 * ScheduleLoop), which fires the slot, and say meanwhile that they still declare it (`keep`); operators list, pause, resume and run schedules manually, from any process.
 * Invariant T1, kept by fire.lua: a schedule fires once for each slot, fleet-wide and by Redis's clock; of missed slots the
 * latest fires once. Neighbours: Schedule (declares one), Timing (computes slots).
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

/** The work of one run: a job of a pipeline, or a message when `stage` is "". */
export interface Work {
  readonly mailbox: string
  readonly stage: string
  /** The pipeline's name, or the message's type. */
  readonly kind: string
  /** Result of Job.formatPlan; "" for a message. */
  readonly plan: string
  /** JSON text. */
  readonly payload: string
  /** The job's deadline; null: JOB_DEADLINE. */
  readonly deadlineMillis: number | null
}

/** A process's check of one schedule. */
export interface Look {
  readonly name: string
  /** The schedule's Timing.text. */
  readonly timing: string
  readonly overlap: "skip" | "allow"
  /** Redis time of this process's first check; null: this is the first. */
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
  /** What it runs: a pipeline's name, or an actor's name and a message type. */
  readonly work: string
  readonly paused: boolean
  /** Whether a process still declares it; otherwise it never fires. */
  readonly declared: boolean
  /** The next slot; null while paused or undeclared. All times here are epoch milliseconds by Redis's clock. */
  readonly next: number | null
  /** The last claimed slot, and whether it fired or was skipped. */
  readonly lastSlot: number | null
  readonly lastOutcome: string | null
  /** When it last ran, manual runs included, and the job of that run (null for a message). */
  readonly lastRun: number | null
  readonly lastJob: string | null
  /** Slots fired, and slots skipped because the last run was open. */
  readonly fires: number
  readonly skips: number
}

/** No schedule of this name was declared. Nothing happened. */
export class ScheduleUnknown extends Schema.TaggedError<ScheduleUnknown>()("ScheduleUnknown", {
  schedule: Schema.String
}) {
  override get message() {
    return `there is no schedule ${this.schedule}`
  }
}
/** The last run is still open, and runs must not overlap. Nothing happened. */
export class ScheduleRunning extends Schema.TaggedError<ScheduleRunning>()("ScheduleRunning", {
  schedule: Schema.String,
  jobId: Schema.String
}) {
  override get message() {
    return `the last run of ${this.schedule}, job ${this.jobId}, is still open`
  }
}
/** The mailbox for its work is at capacity. Nothing happened. */
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
    /** Checks schedules of one partition in one call; returns outcomes in order, and Redis's clock in epoch milliseconds. */
    readonly look: (
      partition: Partition,
      process: string,
      looks: ReadonlyArray<Look>
    ) => Effect.Effect<
      { readonly now: number; readonly outcomes: ReadonlyArray<{ readonly outcome: Outcome; readonly jobId: string }> },
      RedisError
    >
    /**
     * Says that this process still declares schedules of one partition, in one call. Returns those that it must look at instead,
     * by their place: Redis has another expression of them, or none.
     */
    readonly keep: (
      partition: Partition,
      kept: ReadonlyArray<Pick<Look, "name" | "timing">>
    ) => Effect.Effect<{ readonly now: number; readonly unknown: ReadonlyArray<number> }, RedisError>
    /** All schedules declared within the last 90 days, by name. */
    readonly list: Effect.Effect<ReadonlyArray<ScheduleState>, RedisError>
    /** No slot fires until `resume`. */
    readonly pause: (name: string) => Effect.Effect<void, ScheduleUnknown | RedisError>
    /** Slots fire again; slots that passed meanwhile do not. */
    readonly resume: (name: string) => Effect.Effect<void, ScheduleUnknown | RedisError>
    /** Runs it once now, paused or not, with the latest slot's input. Returns the job's id, null for a message. */
    readonly runNow: (
      name: string
    ) => Effect.Effect<string | null, ScheduleUnknown | ScheduleRunning | ScheduleRefused | RedisError>
  }
>()("@eco2/core/schedule/Schedules") {}

const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: [...movesJobs, new URL("./scripts/cron.lua", import.meta.url)],
    numberOfKeys: "root",
    reply
  })
const fireScript = script("fire", Schema.NonEmptyArray(Schema.String))
const keepScript = script("keep", Schema.NonEmptyArray(Schema.String))
const steerScript = script(
  "steer",
  Schema.Tuple([Schema.Literals(["done", "ran", "open", "full", "missing"]), Schema.String])
)
const Fields = Schema.Array(Schema.String)
const isOutcome = Schema.is(Outcome)

/** Processes look or keep at least every 90 s; after this long without either, no process declares the expression. */
const staleMillis = 150_000
const forgetMillis = Duration.toMillis("90 days")

const stateOf = (name: string, flat: ReadonlyArray<string>, looked: boolean): ScheduleState => {
  const fields = Pairs.toMap(flat)
  const time = (field: string) => Pairs.whole(fields, field, null)
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
      keep: (partition, kept) =>
        Effect.map(
          redis.run(
            keepScript,
            [partition.root],
            [config.clockOffsetMillis, ...kept.flatMap(({ name, timing }) => [name, timing])]
          ),
          ([time, ...unknown]) => ({ now: Number(time), unknown: unknown.map(Number) })
        ),
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
        // a resend of the script after a lost answer has the same id, so it runs once
        const id = scheduled({ schedule: name, slot: randomUUID(), partitions: count })
        const { job, outcome } = yield* steer(name, "run", id, yield* Tracing.current)
        if (outcome === "open") return yield* new ScheduleRunning({ schedule: name, jobId: job })
        if (outcome === "full") return yield* new ScheduleRefused({ schedule: name })
        return job === "" ? null : job
      })
    })
  })
)
