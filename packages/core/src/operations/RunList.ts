/**
 * RunList: what the runs of a pipeline came to, for operators: jobs that no user owns, such as those of schedules, each with its
 * input and its result. A job that has an owner is in no answer: what users sent and got is theirs. Two commands a run; bounded by
 * the number of runs and by the size of what is shown of each. Read-only. Neighbour: JobList, which finds them.
 */
import { Context, Effect, Layer, Option, Schema } from "effect"
import * as Fence from "../job/Fence.ts"
import { isOver, JobFailure, JobId, JobState, planOf } from "../job/Job.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { JobList } from "./JobList.ts"

/** Times are epoch milliseconds. */
export interface Run {
  readonly id: JobId
  readonly pipeline: string
  readonly state: JobState
  readonly stage: string
  readonly created: number
  readonly ended: number | null
  /** Why it failed: an error's tag; null where it has not. */
  readonly cause: string | null
  readonly input: unknown
  /** The output of its last stage; null while there is none, or where it is too large to show. */
  readonly result: unknown
}

export interface Runs {
  /** The last that ended first. */
  readonly runs: ReadonlyArray<Run>
  /** Whether all were looked at; if not, there may be more. */
  readonly complete: boolean
}

export class RunList extends Context.Service<
  RunList,
  {
    /** Those that ended and are still kept. */
    readonly ended: (pipeline: string, most: number) => Effect.Effect<Runs, RedisError>
    /** Those of these ids that are runs and still kept, open ones too. */
    readonly of: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Run>, RedisError>
  }
>()("@eco2/core/operations/RunList") {}

/** Bytes of an input or a result that are shown. */
const mostShown = 4_096

const isJobId = Schema.is(JobId)
const isState = Schema.is(JobState)
const readJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const readFailure = Schema.decodeUnknownOption(Schema.fromJsonString(JobFailure))
const readAbout = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ pipeline: Schema.String, plan: Schema.String }))
)
const shown = (text: string | null): unknown =>
  text === null || Buffer.byteLength(text) > mostShown ? null : Option.getOrNull(readJson(text))

export const layer: Layer.Layer<RunList, never, JobList | RedisClient | Keyspace> = Layer.effect(
  RunList,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const list = yield* JobList
    const decodeFields = decodeReply("HMGET", Schema.Array(Schema.NullOr(Schema.String)))
    const decodeField = decodeReply("HGET", Schema.NullOr(Schema.String))

    /** Null: it is gone, a user's, or of another version. */
    const read = Effect.fnUntraced(function* (id: JobId): Effect.fn.Return<Run | null, RedisError> {
      const key = keyspace.of(id).job(id)
      const [now = null, aboutText = null, input = null, error = null] = yield* redis
        .send("HMGET", key, "now", "about", "input", "error")
        .pipe(Effect.flatMap(decodeFields))
      const fence = Fence.split(now ?? "")
      const about = Option.getOrNull(readAbout(aboutText))
      if (fence === null || about === null || fence.owner !== "" || !isState(fence.state)) return null
      const last = planOf(about.pipeline, about.plan)?.at(-1)?.name
      const isDone = fence.state === "done" && last !== undefined
      const output = isDone ? yield* Effect.flatMap(redis.send("HGET", key, `o:${last}`), decodeField) : null
      return {
        id,
        pipeline: about.pipeline,
        state: fence.state,
        stage: fence.at,
        created: Number(fence.created),
        ended: isOver(fence.state) ? Number(fence.since) : null,
        cause: Option.getOrNull(readFailure(error))?.code ?? null,
        input: shown(input),
        // `<milliseconds of work>@<when it was written> <json>`
        result: output === null ? null : shown(output.slice(output.indexOf(" ") + 1))
      }
    })
    const readAll = (ids: ReadonlyArray<JobId>) =>
      Effect.map(Effect.forEach(ids, read, { concurrency: 16 }), (runs) => runs.filter((run) => run !== null))

    return RunList.of({
      ended: Effect.fnUntraced(function* (pipeline, most) {
        const { complete, jobs } = yield* list.find({ state: "ended", pipeline, owner: "", limit: most })
        return { runs: yield* readAll(jobs.map(({ id }) => id)), complete }
      }),
      of: (ids) => Effect.map(readAll(ids.filter(isJobId)), (runs) => new Map(runs.map((run) => [run.id, run])))
    })
  })
)
