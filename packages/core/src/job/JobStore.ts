/**
 * JobStore: the transitions of a job; each is one script and one round trip.
 * Its scripts keep the invariants J1–J7 (see each script's header). It holds no state: any process may call it for any job.
 * Neighbours: Pipeline (types), StageBehavior (calls begin, commit, defer, bury), JobSubmit (submit), Holding (what an attempt
 * begins with and records), JobScripts (the scripts).
 */
import { Context, Duration, Effect, Layer, Metric, Schema } from "effect"
import type { Exit } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Policies } from "../policy/Policies.ts"
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

/** One answer of begin.lua. */
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

    const sendCommit = PartitionBatch.sender(
      (partition, batch: ReadonlyArray<Commit>) =>
        redis
          .run(JobScripts.commit, [partition.root], [offset, ttl, config.userConcurrency, ...wordsOf(batch)])
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
      submit: yield* JobSubmit.make,
      get: Effect.fnUntraced(function* (id) {
        const reply = yield* redis.send("HGETALL", keyspace.of(id).job(id)).pipe(Effect.flatMap(decodeFlat))
        return reply.length === 0 ? null : yield* Job.fromReply(id, reply)
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
      begin: Effect.fnUntraced(function* (holdings, turns = []) {
        const partition = holdings[0]?.partition
        if (partition === undefined) return []
        const answers = yield* redis.run(
          JobScripts.begin,
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
