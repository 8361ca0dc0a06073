/**
 * JobStore: the transitions of a job; each is one script and one round trip.
 * Its scripts keep the invariants J1–J7 (see each script's header). It holds no state: any process may call it for any job.
 * Neighbours: Pipeline (types), StageBehavior (calls begin, commit, defer, bury).
 */
import { Context, Duration, Effect, Layer, Metric, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { RateLimited } from "../limit/Limit.ts"
import { MailboxFull, movesEntries } from "../mailbox/Mailbox.ts"
import * as MailboxCapacity from "../policy/MailboxCapacity.ts"
import { Policies } from "../policy/Policies.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as TickBatch from "../clock/TickBatch.ts"
import * as Job from "./Job.ts"
import type { JobId } from "./Job.ts"

/** The same idempotency key came with another body. Nothing happened. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  jobId: Schema.String
}) {
  override get message() {
    return `job ${this.jobId} was submitted under this key with another body`
  }
}
/**
 * The user's lane is at LANE_CAPACITY, or has as many jobs as the mailbox has places left. Nothing was stored; submitting again
 * when some of the user's jobs have ended is safe.
 */
export class LaneFull extends Schema.TaggedError<LaneFull>()("LaneFull", { owner: Schema.String, depth: Schema.Int }) {
  override get message() {
    return `${this.depth} jobs of this user are waiting already; see LANE_CAPACITY and MAILBOX_CAPACITY (a lane holds at most as many jobs as the mailbox has places left)`
  }
}
/**
 * The images of the user's jobs are at USER_IMAGE_STORAGE. Nothing was stored; submitting again when some of the user's jobs have
 * been worked on is safe.
 */
export class ImagesFull extends Schema.TaggedError<ImagesFull>()("ImagesFull", {
  owner: Schema.String,
  bytes: Schema.Int
}) {
  override get message() {
    return `${this.bytes} bytes of images of this user's jobs are stored; see USER_IMAGE_STORAGE`
  }
}
/** A part of the input is larger than allowed. Nothing happened; submitting it again would not help. */
export class InputTooLarge extends Schema.TaggedError<InputTooLarge>()("InputTooLarge", {
  part: Schema.Literals(["input", "image", "owner", "key"]),
  bytes: Schema.Int,
  most: Schema.Int
}) {
  override get message() {
    return `the ${this.part} has ${this.bytes} bytes, allowed are ${this.most}`
  }
}
/**
 * The job is stored, but fewer than SUBMIT_REPLICAS replicas confirmed it within a second: a failover may lose it, or it runs.
 * Submitting again under the same key is safe (J6).
 */
export class NotReplicated extends Schema.TaggedError<NotReplicated>()("NotReplicated", {
  wanted: Schema.Int,
  confirmed: Schema.Int
}) {
  override get message() {
    return `${this.confirmed} of the ${this.wanted} replicas of SUBMIT_REPLICAS confirmed the submit in time`
  }
}
/** The uploaded image expired before its job was submitted. Nothing happened; upload it again. */
export class UploadGone extends Schema.TaggedError<UploadGone>()("UploadGone", { upload: Schema.String }) {}

export interface Submission {
  readonly id: JobId
  readonly bodyHash: string
  readonly owner: string
  readonly pipeline: string
  readonly plan: ReadonlyArray<Job.PlanStep>
  /** JSON text. */
  readonly input: string
  /** The id that `upload` returned, for a job with an image; else null. */
  readonly upload: string | null
  /** W3C traceparent. */
  readonly trace: string
}

/** A job's entry in a mailbox, and its holder. */
export interface Holding {
  readonly partition: Partition
  readonly id: JobId
  readonly stage: string
  /** The stage's own mailbox. */
  readonly home: string
  /** The mailbox of the entry: `home`, or an earlier stage's mailbox when the job was kept. */
  readonly mailbox: string
  readonly entry: string
  /** Unique to one `begin`. */
  readonly token: string
}

/** What a begin does with the entry of a suspect (A2): "look" leaves it and reports it; "run" begins it; a number puts it off. */
export type Turn = "look" | "run" | { readonly putOffMillis: number }

/** The token of a begin: `consumer` read the entry; begin.lua knows by the end whether the job runs alone there. */
export const tokenOf = (consumer: string, stage: string, begin: number, alone = false): string =>
  `${consumer}:${stage}.${begin}${alone ? "/alone" : ""}`

export type BeginReply =
  | { readonly _tag: "Run"; readonly job: Job.Job; readonly waitedMillis: number }
  /** It was in work when a process died, and has not begun. `record`: Suspicion.read; `fresh`: the crash was counted just now. */
  | { readonly _tag: "Suspect"; readonly record: number; readonly fresh: boolean }
  | { readonly _tag: "Unreadable"; readonly error: Job.JobUnreadable }
  | { readonly _tag: "Dropped"; readonly reason: string }

export interface Commit extends Holding {
  /** JSON text of the checkpoint. */
  readonly output: string
  /** `keep`: token under which the next stage begins here at once, if this is still the current holder; null: hand off. */
  readonly next: { readonly stage: string; readonly mailbox: string; readonly keep: string | null } | null
  readonly progress: number
  readonly dropImage: boolean
  readonly tells: ReadonlyArray<{ readonly mailbox: string; readonly type: string; readonly body: string }>
}

/**
 * committed: recorded, now or before, and handed off · kept: recorded, and the next stage has begun here · ended: the last
 * stage was recorded · lost: the job has moved on · gone: the job does not exist.
 */
export interface Committed {
  readonly outcome: "committed" | "kept" | "ended" | "lost" | "gone"
  readonly workMillis: number
}

export class JobStore extends Context.Service<
  JobStore,
  {
    /**
     * Stores image bytes for two minutes, until a job takes them. Returns the upload's id. One round trip.
     * `id`: their job, whose partition they must share. RedisFull: nothing stored.
     */
    readonly upload: (id: JobId, bytes: Uint8Array) => Effect.Effect<string, RedisError>
    /**
     * Accepts a job. `created` false: it was accepted before; `ended`: and is over. With SUBMIT_REPLICAS it returns once that
     * many replicas have the job. RedisUnavailable, NotReplicated: unknown, submit again with the same id.
     */
    readonly submit: (
      submission: Submission
    ) => Effect.Effect<
      { readonly created: boolean; readonly ended: boolean },
      IdempotencyConflict | MailboxFull | LaneFull | ImagesFull | RateLimited | UploadGone | NotReplicated | RedisError
    >
    /** The job; null when it never existed or has expired. */
    readonly get: (id: JobId) => Effect.Effect<Job.Job | null, Job.JobUnreadable | RedisError>
    /** The image's bytes; null once it is deleted. */
    readonly image: (id: JobId) => Effect.Effect<Buffer | null, RedisError>
    /** The number of the image's bytes; 0 once it is deleted. */
    readonly imageBytes: (id: JobId) => Effect.Effect<number, RedisError>
    readonly cancel: (id: JobId) => Effect.Effect<"cancelled" | "already" | "finished" | "missing", RedisError>
    /** Begins entries of one partition in one call; replies in the same order. `turns`: of each; "look" where it is not given. */
    readonly begin: (
      holdings: ReadonlyArray<Holding>,
      turns?: ReadonlyArray<Turn>
    ) => Effect.Effect<ReadonlyArray<BeginReply>, RedisError>
    /** Commits of one tick share a round trip. */
    readonly commit: (commit: Commit) => Effect.Effect<Committed, RedisError>
    readonly defer: (
      holding: Holding,
      options: {
        readonly delayMillis: number
        readonly giveBack: boolean
        /** An error's tag; "": viewers get no event. */
        readonly cause: string
        /** JobEvent.openRetrying, or "" without a cause. */
        readonly event: string
      }
    ) => Effect.Effect<"deferred" | "lost" | "gone", RedisError>
    /**
     * Gives an attempt up and writes a dead letter. `rounds`: how often a job may be parked (it waits REDRIVE_INTERVAL for its
     * next round). When the rounds are used up, or the deadline comes first, the job fails. 0: it fails at once.
     */
    readonly bury: (
      holding: Holding,
      options: {
        readonly failure: Job.JobFailure & { readonly message: string }
        readonly event: string
        readonly rounds: number
        /** JobEvent.openRetrying: the event when the job is parked. */
        readonly retrying: string
      }
    ) => Effect.Effect<"buried" | "parked" | "lost" | "gone", RedisError>
    /** Starts a parked job's next round now, or a new run of a failed job at its failed stage; `open`: the job is neither. */
    readonly redrive: (id: JobId) => Effect.Effect<"redriven" | "open" | "missing", RedisError>
  }
>()("@eco2/core/job/JobStore") {}

/** Preludes of every script that changes a job. */
export const movesJobs: ReadonlyArray<URL> = [
  ...movesEntries,
  new URL("./scripts/fence.lua", import.meta.url),
  new URL("./scripts/job.lua", import.meta.url)
]

const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: movesJobs,
    numberOfKeys: "root",
    reply
  })

const submitScript = script(
  "submit",
  Schema.Array(
    Schema.Tuple([
      Schema.Literals([
        "created",
        "exists",
        "conflict",
        "full",
        "lane-full",
        "rate-limited",
        "images-full",
        "upload-gone"
      ]),
      Schema.String
    ])
  )
)
const beginScript = script("begin", Schema.Array(Schema.Array(Schema.Union([Schema.String, Schema.Number]))))
const commitScript = script(
  "commit",
  Schema.Array(Schema.Tuple([Schema.Literals(["committed", "kept", "ended", "lost", "gone"]), Schema.Number]))
)
const deferScript = script("defer", Schema.Tuple([Schema.Literals(["deferred", "lost", "gone"]), Schema.Number]))
const buryScript = script(
  "bury",
  Schema.Tuple([Schema.Literals(["buried", "parked", "lost", "gone"]), Schema.String, Schema.Number])
)
const redriveScript = script("redrive", Schema.Literals(["redriven", "open", "missing"]))
const cancelScript = script(
  "cancel",
  Schema.Tuple([Schema.Literals(["cancelled", "already", "finished", "missing"]), Schema.String])
)
const isJobState = Schema.is(Job.JobState)
const Flat = Schema.Array(Schema.String)

const uploadMillis = 120_000
/** The first event of a new run; the script adds its progress. */
const queuedAgain = '"stage":"queued","status":"started","result":null'
/** Submits or commits in one script call; a long script delays every client of Redis. */
const mostTogether = 32

export const layer: Layer.Layer<JobStore, never, RedisClient | Keyspace | CoreConfig | Policies> = Layer.effect(
  JobStore,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const config = yield* CoreConfig
    const offset = config.clockOffsetMillis
    const ttl = Duration.toMillis(config.jobTtl)
    const letterTtl = Duration.toMillis(config.letterTtl)
    const policies = yield* Policies
    const capacityOf = yield* MailboxCapacity.perPartition
    const decodeFlat = decodeReply("HGETALL", Flat)
    const decodeLength = decodeReply("STRLEN", Schema.Int)

    const begun = (
      holding: Holding,
      answer: ReadonlyArray<string | number>
    ): Effect.Effect<BeginReply, RedisReplyInvalid> => {
      const [verdict, detail, fresh] = answer
      if (verdict === "dropped") return Effect.succeed({ _tag: "Dropped", reason: String(detail) })
      if (verdict === "suspect")
        return Effect.succeed({ _tag: "Suspect", record: Number(detail), fresh: Number(fresh) === 1 })
      if (verdict !== "run") {
        return Effect.fail(new RedisReplyInvalid({ command: "begin", reason: `unknown answer ${String(verdict)}` }))
      }
      return Job.fromReply(holding.id, answer.slice(2)).pipe(
        Effect.map((job): BeginReply => ({ _tag: "Run", job, waitedMillis: Number(detail) })),
        Effect.catchTag("JobUnreadable", (error) => Effect.succeed<BeginReply>({ _tag: "Unreadable", error }))
      )
    }

    /** Calls of one kind for one partition in one tick share a round trip. */
    const batched = <A, B>(
      run: (partition: Partition, batch: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, RedisError>,
      command: string
    ) => {
      const byPartition = new Map<Partition, (item: A) => Effect.Effect<B, RedisError>>()
      return (partition: Partition, item: A): Effect.Effect<B, RedisError> => {
        const known = byPartition.get(partition)
        if (known !== undefined) return known(item)
        const send = TickBatch.make(
          (batch: ReadonlyArray<A>) =>
            Effect.filterOrFail(
              run(partition, batch),
              (answers) => answers.length === batch.length,
              (answers) =>
                new RedisReplyInvalid({ command, reason: `${answers.length} answers to ${batch.length} calls` })
            ),
          mostTogether
        )
        byPartition.set(partition, send)
        return send(item)
      }
    }

    const wanted = config.submitReplicas
    const replicated = wanted === 0 ? null : yield* redis.replicated(wanted)
    /** `confirmed`: replicas that have the submits; as many as wanted where none is asked. */
    const runSubmit = (partition: Partition, args: ReadonlyArray<string | number>) =>
      replicated === null
        ? Effect.map(redis.run(submitScript, [partition.root], args), (answers) => ({ answers, confirmed: wanted }))
        : Effect.map(replicated.run(submitScript, [partition.root], args), ({ replicas, reply }) => ({
            answers: reply,
            confirmed: replicas
          }))

    const sendSubmit = batched(
      (partition, batch: ReadonlyArray<Submission & { readonly first: Job.PlanStep }>) =>
        runSubmit(partition, [
          offset,
          Duration.toMillis(config.jobDeadline),
          config.userConcurrency,
          config.laneCapacity,
          config.userRate?.number ?? 0,
          config.userRate === null ? 0 : Math.ceil(Duration.toMillis(config.userRate.window)),
          config.userImageStorage,
          Math.max(ttl, letterTtl),
          ...batch.flatMap((job) => [
            job.id,
            job.bodyHash,
            JSON.stringify({
              pipeline: job.pipeline,
              trace: job.trace,
              hash: job.bodyHash,
              plan: Job.formatPlan(job.plan)
            }),
            job.first.name,
            job.first.mailbox,
            job.input,
            job.upload ?? "",
            job.owner,
            capacityOf(job.first.mailbox)
          ])
        ]).pipe(
          Effect.map(({ answers, confirmed }) => answers.map(([outcome, detail]) => ({ outcome, detail, confirmed })))
        ),
      "submit"
    )

    const sendCommit = batched(
      (partition, batch: ReadonlyArray<Commit>) =>
        redis
          .run(
            commitScript,
            [partition.root],
            [
              offset,
              ttl,
              config.userConcurrency,
              ...batch.flatMap((c) => [
                c.id,
                `${c.mailbox}:${c.entry}`,
                c.token,
                `${c.stage} ${c.progress} ${c.dropImage ? "1" : "-"} ${c.next?.stage ?? "-"} ${c.next?.mailbox ?? "-"}`,
                c.next?.keep ?? "",
                c.output,
                c.tells.length,
                ...c.tells.flatMap((tell) => [tell.mailbox, tell.type, tell.body])
              ])
            ]
          )
          .pipe(Effect.map((answers) => answers.map(([outcome, workMillis]): Committed => ({ outcome, workMillis })))),
      "commit"
    )

    return JobStore.of({
      upload: Effect.fnUntraced(function* (id, bytes) {
        const upload = randomUUID()
        const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        yield* redis.send("SET", keyspace.of(id).upload(upload), buffer, "PX", uploadMillis)
        return upload
      }),
      submit: Effect.fnUntraced(function* (job) {
        const first = job.plan[0]
        if (first === undefined) return yield* Effect.die(new Error(`pipeline ${job.pipeline} has no stage`))
        const { confirmed, detail, outcome } = yield* sendSubmit(keyspace.of(job.id), { ...job, first })
        if ((outcome === "created" || outcome === "exists") && confirmed < wanted) {
          return yield* new NotReplicated({ wanted, confirmed })
        }
        switch (outcome) {
          case "created":
            return { created: true, ended: false }
          case "exists":
            return { created: false, ended: isJobState(detail) && Job.isOver(detail) }
          case "conflict":
            return yield* new IdempotencyConflict({ jobId: job.id })
          case "full":
            return yield* new MailboxFull({ mailbox: first.mailbox, depth: Number(detail) })
          case "lane-full":
            return yield* new LaneFull({ owner: job.owner, depth: Number(detail) })
          case "rate-limited":
            return yield* new RateLimited({ limit: "USER_RATE", retryAfter: Duration.millis(Number(detail)) })
          case "images-full":
            return yield* new ImagesFull({ owner: job.owner, bytes: Number(detail) })
          case "upload-gone":
            return yield* new UploadGone({ upload: job.upload ?? "" })
        }
      }),
      get: Effect.fnUntraced(function* (id) {
        const reply = yield* redis.send("HGETALL", keyspace.of(id).job(id)).pipe(Effect.flatMap(decodeFlat))
        return reply.length === 0 ? null : yield* Job.fromReply(id, reply)
      }),
      image: (id) => redis.getBuffer(keyspace.of(id).jobImage(id)),
      imageBytes: (id) => redis.send("STRLEN", keyspace.of(id).jobImage(id)).pipe(Effect.flatMap(decodeLength)),
      cancel: Effect.fnUntraced(function* (id) {
        const [outcome, pipeline] = yield* redis.run(
          cancelScript,
          [keyspace.of(id).root],
          [offset, id, ttl, JSON.stringify({ code: "CANCELLED" }), config.userConcurrency]
        )
        if (outcome === "cancelled") {
          yield* Metric.update(Metric.withAttributes(Metrics.jobs, { pipeline, outcome: "cancelled" }), 1)
        }
        return outcome
      }),
      begin: Effect.fnUntraced(function* (holdings, turns = []) {
        const partition = holdings[0]?.partition
        if (partition === undefined) return []
        const answers = yield* redis.run(
          beginScript,
          [partition.root],
          [
            offset,
            letterTtl,
            ...holdings.flatMap((h, i) => {
              const turn = turns[i] ?? "look"
              const word = typeof turn === "string" ? turn : Math.ceil(turn.putOffMillis)
              return [h.mailbox, h.stage, h.entry, h.id, h.token, word]
            })
          ]
        )
        if (answers.length !== holdings.length) {
          return yield* new RedisReplyInvalid({
            command: "begin",
            reason: `${answers.length} answers to ${holdings.length} entries`
          })
        }
        return yield* Effect.forEach(answers, (answer, i) => begun(holdings[i]!, answer))
      }),
      commit: (commit) => sendCommit(commit.partition, commit),
      defer: Effect.fnUntraced(function* (h, options) {
        const [outcome] = yield* redis.run(
          deferScript,
          [h.partition.root],
          [
            offset,
            h.id,
            h.stage,
            h.mailbox,
            h.entry,
            h.token,
            Math.ceil(options.delayMillis),
            options.giveBack ? "1" : "0",
            options.cause,
            options.event,
            h.home
          ]
        )
        return outcome
      }),
      bury: Effect.fnUntraced(function* (h, { event, failure, retrying, rounds }) {
        const [outcome] = yield* redis.run(
          buryScript,
          [h.partition.root],
          [
            offset,
            h.id,
            h.stage,
            h.mailbox,
            h.entry,
            h.token,
            failure.code,
            failure.message,
            JSON.stringify(failure),
            event,
            ttl,
            letterTtl,
            h.home,
            config.userConcurrency,
            rounds,
            policies.of(h.home).redrive_ms ?? Duration.toMillis(config.redriveInterval),
            retrying
          ]
        )
        return outcome
      }),
      redrive: (id) =>
        redis.run(
          redriveScript,
          [keyspace.of(id).root],
          [offset, id, Duration.toMillis(config.jobDeadline), queuedAgain]
        )
    })
  })
)
