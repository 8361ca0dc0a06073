/**
 * JobList: lists jobs for operators: open ones, and those that ended lately. Open jobs are found by their timers (every open
 * job has one), ended jobs by a bounded scan of the keys. Read-only, and not a snapshot: jobs go on during the search.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Fence from "../job/Fence.ts"
import { isOver, JobId, JobState } from "../job/Job.ts"

/** A job's fence and plan, without its input and checkpoints. Times are epoch milliseconds. */
export interface JobSummary {
  readonly id: JobId
  readonly pipeline: string
  readonly owner: string
  readonly state: JobState
  /** The current stage. */
  readonly stage: string
  readonly progress: number
  readonly run: number
  readonly attempts: number
  readonly created: number
  /** When its state began. */
  readonly since: number
  readonly deadline: number
  /** Why it was last put off or parked, an error's tag; null for none, and for a job that is over. */
  readonly cause: string | null
}

export interface Wanted {
  /** `open`, `ended`, or one state. */
  readonly state: "open" | "ended" | JobState
  readonly pipeline?: string
  readonly owner?: string
  /** The stage that it is at. */
  readonly stage?: string
  readonly cause?: string
  /** Created at this time or later, epoch milliseconds. */
  readonly since?: number
  /** Created at this time or earlier. */
  readonly until?: number
  readonly limit: number
}

export interface Found {
  /** Newest first. */
  readonly jobs: ReadonlyArray<JobSummary>
  /** Whether all jobs were examined; if not, there may be more, even newer ones. */
  readonly complete: boolean
}

export class JobList extends Context.Service<
  JobList,
  {
    /** Examines at most 20,000 open jobs, or for ended jobs about 100,000 keys of each master. */
    readonly find: (wanted: Wanted) => Effect.Effect<Found, RedisError>
  }
>()("@eco2/core/operations/JobList") {}

const mostOpen = 20_000
const mostKeys = 100_000
/** Hashes read at once; a search must not fill the shared connection. */
const page = 500

const Names = Schema.Array(Schema.String)
const Values = Schema.Array(Schema.NullOr(Schema.String))
const isJobId = Schema.is(JobId)
const isState = Schema.is(JobState)
const readPipeline = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ pipeline: Schema.String })))

/** Null: the job was deleted since it was found, or is unreadable. */
const summary = (id: JobId, fence: string | null, about: string | null, cause: string | null): JobSummary | null => {
  const words = Fence.split(fence ?? "")
  const read = readPipeline(about)
  if (words === null || read._tag === "None" || !isState(words.state)) return null
  const numbers = {
    progress: Number(words.progress),
    run: Number(words.run),
    attempts: Number(words.attempts),
    created: Number(words.created),
    since: Number(words.since),
    deadline: Number(words.deadline)
  }
  if (!Object.values(numbers).every(Number.isSafeInteger)) return null
  // stored as `<stage>:<error's tag>`
  const tag = cause === null || isOver(words.state) ? "" : cause.slice(cause.indexOf(":") + 1)
  return {
    id,
    pipeline: read.value.pipeline,
    owner: words.owner,
    state: words.state,
    stage: words.at,
    ...numbers,
    cause: tag === "" ? null : tag
  }
}

const fits = (wanted: Wanted) => (job: JobSummary) =>
  (wanted.state === "open"
    ? !isOver(job.state)
    : wanted.state === "ended"
      ? isOver(job.state)
      : job.state === wanted.state) &&
  (wanted.pipeline === undefined || job.pipeline === wanted.pipeline) &&
  (wanted.owner === undefined || job.owner === wanted.owner) &&
  (wanted.stage === undefined || job.stage === wanted.stage) &&
  (wanted.cause === undefined || job.cause === wanted.cause) &&
  (wanted.since === undefined || job.created >= wanted.since) &&
  (wanted.until === undefined || job.created <= wanted.until)

export const layer: Layer.Layer<JobList, never, RedisClient | Keyspace> = Layer.effect(
  JobList,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const decodeNames = decodeReply("ZRANGE", Names)
    const decodeValues = decodeReply("HMGET", Values)

    const read = (id: JobId, partition: Partition) =>
      redis.send("HMGET", partition.job(id), "now", "about", "cause").pipe(
        Effect.flatMap(decodeValues),
        Effect.map(([fence = null, about = null, cause = null]) => summary(id, fence, about, cause))
      )

    /** The newest `limit` jobs of a list that match. */
    const choose = Effect.fnUntraced(function* (ids: ReadonlyArray<JobId>, wanted: Wanted) {
      const isWanted = fits(wanted)
      let best: ReadonlyArray<JobSummary> = []
      for (let i = 0; i < ids.length; i += page) {
        const jobs = yield* Effect.forEach(ids.slice(i, i + page), (id) => read(id, keyspace.of(id)), {
          concurrency: "unbounded"
        })
        best = [...best, ...jobs.filter((job) => job !== null).filter(isWanted)]
          .toSorted((a, b) => b.created - a.created)
          .slice(0, wanted.limit)
      }
      return best
    })

    const open = Effect.fnUntraced(function* () {
      const most = Math.ceil(mostOpen / keyspace.partitions.length)
      const parts = yield* Effect.forEach(
        keyspace.partitions,
        (partition) => redis.send("ZRANGE", partition.timers, 0, most, "REV").pipe(Effect.flatMap(decodeNames)),
        { concurrency: "unbounded" }
      )
      return { ids: parts.flat().filter(isJobId), complete: parts.every((part) => part.length <= most) }
    })
    const ended = Effect.map(redis.sweep(`${redis.keys.prefix}*:job:*`, mostKeys), ({ complete, keys }) => ({
      ids: keys.map((key) => key.slice(key.indexOf(":job:") + 5)).filter(isJobId),
      complete
    }))

    return JobList.of({
      find: Effect.fnUntraced(function* (wanted) {
        const isOpen = wanted.state === "open" || (wanted.state !== "ended" && !isOver(wanted.state))
        const { complete, ids } = yield* isOpen ? open() : ended
        return { jobs: yield* choose(ids, wanted), complete }
      })
    })
  })
)
