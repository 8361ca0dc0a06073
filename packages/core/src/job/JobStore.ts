/**
 * JobStore: the transitions of a job; each is one script and one round trip.
 * Its scripts keep the invariants J1–J7 (see each script's header). It holds no state: any process may call it for any job.
 * Neighbours: Pipeline (types), StageBehavior (calls begin, commit, defer, bury), JobSubmit (submit), Holding (what an attempt
 * begins with and records), JobScripts (the scripts).
 */
import { Context, Duration, Effect, Exit, Layer, Metric, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Policies } from "../policy/Policies.ts"
import { decoded } from "../redis/Command.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { BeginReply, Commit, Committed, Holding, Turn } from "./Holding.ts"
import * as Job from "./Job.ts"
import type { JobId } from "./Job.ts"
import * as JobScripts from "./JobScripts.ts"
import * as JobSubmit from "./JobSubmit.ts"
import * as PartitionBatch from "./PartitionBatch.ts"

export { tokenOf } from "./Holding.ts"
export type { BeginReply, Commit, Committed, Holding, Turn } from "./Holding.ts"
export { movesJobs } from "./JobScripts.ts"
export type { Submission } from "./JobSubmit.ts"
export * from "./SubmitError.ts"

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
    readonly submit: JobSubmit.Submit
    /** The job; null when it never existed or has expired. */
    readonly get: (id: JobId) => Effect.Effect<Job.Job | null, Job.JobUnreadable | RedisError>
    /** The output of a committed stage and the job's input, JSON texts; null: there is none. Reads no other part of the job. */
    readonly output: (
      id: JobId,
      stage: string
    ) => Effect.Effect<{ readonly output: string; readonly input: string } | null, RedisError>
    /** The user's latest jobs, at most `JobSubmit.listedJobs`, the newest first; some may have expired. */
    readonly ofOwner: (owner: string) => Effect.Effect<ReadonlyArray<JobId>, RedisError>
    /**
     * Erases those of the user's latest jobs that are over, with their events, images, ledgers and dead letters. `at`: when, epoch
     * milliseconds by Redis's clock; `open`: the user's listed jobs that are not over. Jobs that are no longer listed expire.
     */
    readonly erase: (
      owner: string
    ) => Effect.Effect<
      { readonly at: number; readonly erased: number; readonly open: ReadonlyArray<JobId> },
      RedisError
    >
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
    /** The same without an effect, for the hot path. `answered` is called once, and must not throw. */
    readonly sendCommit: (commit: Commit, answered: (exit: Exit.Exit<Committed, RedisError>) => void) => void
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
     * next round). When the rounds are used up, or the deadline comes first, the job fails. 0: it fails at once. The letter's
     * message has the failure's detail too.
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

const decodeFlat = decodeReply("HGETALL", Schema.Array(Schema.String))
const Text = Schema.NullOr(Schema.String)
const decodeOutput = decodeReply("HMGET", Schema.Tuple([Text, Text]))
const decodeIds = decodeReply("LRANGE", Schema.Array(Job.JobId))
const decodeLength = decodeReply("STRLEN", Schema.Int)

const uploadMillis = 120_000
/** The first event of a new run; the script adds its progress. */
const queuedAgain = '"stage":"queued","status":"started","result":null'

/** ARGV of commit.lua for these commits. */
const wordsOf = (commits: ReadonlyArray<Commit>) => {
  const words: Array<string | number> = []
  for (const { dropImage, entry, id, mailbox, next, output, progress, stage, tells, token } of commits) {
    const step = `${stage} ${progress} ${dropImage ? "1" : "-"} ${next === null ? "- -" : `${next.stage} ${next.mailbox}`}`
    words.push(id, `${mailbox}:${entry}`, token, step, next?.keep ?? "", output, tells.length)
    for (const tell of tells) words.push(tell.mailbox, tell.type, tell.body)
  }
  return words
}

/** The answers of commit.lua. */
const committed = (answers: ReadonlyArray<readonly [Committed["outcome"], number]>): ReadonlyArray<Committed> =>
  answers.map(([outcome, workMillis]) => ({ outcome, workMillis }))

/** One answer of begin.lua. */
const begun = (holding: Holding, answer: ReadonlyArray<string | number>): BeginReply | RedisReplyInvalid => {
  const [verdict, detail, fresh] = answer
  if (verdict === "dropped") return { _tag: "Dropped", reason: String(detail) }
  if (verdict === "suspect") return { _tag: "Suspect", record: Number(detail), fresh: Number(fresh) === 1 }
  if (verdict !== "run") return new RedisReplyInvalid({ command: "begin", reason: `unknown answer ${String(verdict)}` })
  const job = Job.fromReply(holding.id, answer, 2)
  return job instanceof Job.JobUnreadable
    ? { _tag: "Unreadable", error: job }
    : { _tag: "Run", job, waitedMillis: Number(detail) }
}
/** The answers of begin.lua. */
const allBegun = (
  holdings: ReadonlyArray<Holding>,
  answers: ReadonlyArray<ReadonlyArray<string | number>>
): Exit.Exit<ReadonlyArray<BeginReply>, RedisReplyInvalid> => {
  if (answers.length !== holdings.length) {
    const reason = `${answers.length} answers to ${holdings.length} entries`
    return Exit.fail(new RedisReplyInvalid({ command: "begin", reason }))
  }
  const replies: Array<BeginReply> = []
  for (const [i, holding] of holdings.entries()) {
    const reply = begun(holding, answers[i]!)
    if (reply._tag === "RedisReplyInvalid") return Exit.fail(reply)
    replies.push(reply)
  }
  return Exit.succeed(replies)
}

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

    const sendCommit = PartitionBatch.make<Commit, Committed>((partition, batch, answered) => {
      const words = [offset, ttl, config.userConcurrency, ...wordsOf(batch)]
      redis.call(JobScripts.commit, [partition.root], words, (exit) => answered(Exit.map(exit, committed)))
    }, "commit")

    const sendBegin = (
      holdings: ReadonlyArray<Holding>,
      turns: ReadonlyArray<Turn>,
      answered: (exit: Exit.Exit<ReadonlyArray<BeginReply>, RedisError>) => void
    ) => {
      const partition = holdings[0]?.partition
      if (partition === undefined) return answered(Exit.succeed([]))
      const words: Array<string | number> = [offset, letterTtl]
      for (const [i, { entry, id, mailbox, stage, token }] of holdings.entries()) {
        const turn = turns[i] ?? "look"
        words.push(mailbox, stage, entry, id, token, typeof turn === "string" ? turn : Math.ceil(turn.putOffMillis))
      }
      redis.call(JobScripts.begin, [partition.root], words, (exit) =>
        answered(decoded(() => (Exit.isSuccess(exit) ? allBegun(holdings, exit.value) : Exit.failCause(exit.cause))))
      )
    }

    return JobStore.of({
      upload: Effect.fnUntraced(function* (id, bytes) {
        const upload = randomUUID()
        const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        yield* redis.send("SET", keyspace.of(id).upload(upload), buffer, "PX", uploadMillis)
        return upload
      }),
      submit: yield* JobSubmit.make,
      get: Effect.fnUntraced(function* (id) {
        const reply = yield* redis.send("HGETALL", keyspace.of(id).job(id)).pipe(Effect.flatMap(decodeFlat))
        if (reply.length === 0) return null
        const job = Job.fromReply(id, reply)
        return job instanceof Job.JobUnreadable ? yield* job : job
      }),
      output: Effect.fnUntraced(function* (id, stage) {
        const reply = yield* redis.send("HMGET", keyspace.of(id).job(id), `o:${stage}`, "input")
        const [output, input] = yield* decodeOutput(reply)
        return output === null || input === null ? null : { output: Job.outputOf(output), input }
      }),
      ofOwner: (owner) =>
        redis.send("LRANGE", keyspace.of(owner).jobs(owner), -JobSubmit.listedJobs, -1).pipe(
          Effect.flatMap(decodeIds),
          Effect.map((ids) => ids.toReversed())
        ),
      erase: (owner) =>
        redis
          .run(JobScripts.erase, [keyspace.of(owner).root], [offset, owner])
          .pipe(Effect.map(([at, erased, open]) => ({ at, erased, open }))),
      image: (id) => redis.getBuffer(keyspace.of(id).jobImage(id)),
      imageBytes: (id) => redis.send("STRLEN", keyspace.of(id).jobImage(id)).pipe(Effect.flatMap(decodeLength)),
      cancel: Effect.fnUntraced(function* (id) {
        const [outcome, pipeline] = yield* redis.run(
          JobScripts.cancel,
          [keyspace.of(id).root],
          [offset, id, ttl, JSON.stringify({ code: "CANCELLED" }), config.userConcurrency]
        )
        if (outcome === "cancelled") {
          yield* Metric.update(Metric.withAttributes(Metrics.jobs, { pipeline, outcome: "cancelled" }), 1)
        }
        return outcome
      }),
      begin: (holdings, turns) => Effect.callback((resume) => sendBegin(holdings, turns ?? [], resume)),
      commit: (commit) => Effect.callback((resume) => sendCommit(commit.partition, commit, resume)),
      sendCommit: (commit, answered) => sendCommit(commit.partition, commit, answered),
      defer: Effect.fnUntraced(function* (h, options) {
        const [outcome] = yield* redis.run(
          JobScripts.defer,
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
          JobScripts.bury,
          [h.partition.root],
          [
            offset,
            h.id,
            h.stage,
            h.mailbox,
            h.entry,
            h.token,
            failure.code,
            failure.detail === undefined ? failure.message : `${failure.message}; ${failure.detail}`,
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
          JobScripts.redrive,
          [keyspace.of(id).root],
          [offset, id, Duration.toMillis(config.jobDeadline), queuedAgain]
        )
    })
  })
)
