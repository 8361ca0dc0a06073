/**
 * JobList: lists and counts jobs for operators: open ones, and those that ended. Open jobs are found by their timers (every open
 * job has one), ended jobs by the lists that the scripts keep (`{p}:ended`, `{p}:failed`). A call looks at a bounded number of
 * jobs and says where the next goes on. Read-only, and not a snapshot: jobs go on during the search. Neighbour: JobWalk.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Fence from "../job/Fence.ts"
import { isOver, JobId, JobState } from "../job/Job.ts"
import * as CauseName from "./CauseName.ts"
import * as JobWalk from "./JobWalk.ts"

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
  /** Why it was last put off or parked, or why it failed, an error's tag; null for none. */
  readonly cause: string | null
  /** As its pipeline declares them: `model:gpt-5`. */
  readonly tags: ReadonlyArray<string>
}

export interface Wanted {
  /** `open`, `ended`, or one state. */
  readonly state: "open" | "ended" | JobState
  readonly pipeline?: string
  readonly owner?: string
  /** The stage that it is at. */
  readonly stage?: string
  readonly cause?: string
  readonly tag?: string
  /** What its id begins with. */
  readonly id?: string
  /** Created at this time or later, epoch milliseconds. */
  readonly since?: number
  /** Created at this time or earlier. */
  readonly until?: number
  readonly limit: number
  /** `next` of an earlier answer to the same question: goes on there. */
  readonly cursor?: string
}

export interface Found {
  /** Open jobs: the newest first within a page. Ended jobs: the last that ended first. */
  readonly jobs: ReadonlyArray<JobSummary>
  /** Whether all jobs were examined; if not, there may be more. */
  readonly complete: boolean
  /** The cursor of the rest; null when all were examined. */
  readonly next: string | null
}

export interface Counted {
  readonly jobs: number
  readonly states: ReadonlyMap<JobState, number>
  /** By cause, of those that have one. */
  readonly causes: ReadonlyMap<string, number>
  readonly complete: boolean
}

/** A job as it ended; an operator's redrive may have begun it anew since. */
export interface Ending extends Pick<JobWalk.Ended, "run" | "state" | "stage" | "pipeline"> {
  readonly id: JobId
  /** When it ended, epoch milliseconds. */
  readonly at: number
}

export class JobList extends Context.Service<
  JobList,
  {
    /** Examines at most about 20,000 open jobs or 250,000 ended ones. */
    readonly find: (wanted: Wanted) => Effect.Effect<Found, RedisError>
    /** Jobs that ended since then, the last first, at most `most`; `isWhole`: these are all that are kept. */
    readonly ends: (
      since: number,
      most: number
    ) => Effect.Effect<{ readonly ends: ReadonlyArray<Ending>; readonly isWhole: boolean }, RedisError>
    /** Whose job it is, and of which pipeline; null: there is none, or it is unreadable. */
    readonly about: (
      id: string
    ) => Effect.Effect<{ readonly pipeline: string; readonly owner: string } | null, RedisError>
    /** How many there are, as far as one search goes. `limit` and `cursor` are not used. */
    readonly count: (wanted: Omit<Wanted, "limit" | "cursor">) => Effect.Effect<Counted, RedisError>
  }
>()("@eco2/core/operations/JobList") {}

/** What one search may cost: a row of a list is one, a job that is read ten. */
const mostCost = 250_000
const readCost = 10
/** Hashes read at once; a search must not fill the shared connection. */
const page = 500

const Names = Schema.Array(Schema.String)
const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
const Values = Schema.Array(Schema.NullOr(Schema.String))
const isJobId = Schema.is(JobId)
const isState = Schema.is(JobState)
const readAbout = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({ pipeline: Schema.String, tags: Schema.optionalKey(Schema.Array(Schema.String)) })
  )
)

/** Null: the job was deleted since it was found, or is unreadable. */
const summary = (id: JobId, fence: string | null, about: string | null, cause: string | null): JobSummary | null => {
  const words = Fence.split(fence ?? "")
  const read = readAbout(about)
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
    cause: tag === "" ? null : tag,
    tags: read.value.tags ?? []
  }
}

/** What both a row and a job tell. */
interface Facts {
  readonly id: string
  readonly state: JobState
  readonly pipeline: string
  readonly owner: string
  readonly stage: string
  readonly cause: string | null
  readonly created: number
}
type Filters = Omit<Wanted, "limit" | "cursor">

const isOpenState = (state: Wanted["state"]) => state === "open" || (state !== "ended" && !isOver(state))
const fits = (wanted: Filters) => (job: Facts) =>
  (wanted.state === "open"
    ? !isOver(job.state)
    : wanted.state === "ended"
      ? isOver(job.state)
      : job.state === wanted.state) &&
  (wanted.pipeline === undefined || job.pipeline === wanted.pipeline) &&
  (wanted.owner === undefined || job.owner === wanted.owner) &&
  (wanted.stage === undefined || job.stage === wanted.stage) &&
  (wanted.cause === undefined || (job.cause !== null && CauseName.isSame(job.cause, wanted.cause))) &&
  (wanted.id === undefined || job.id.startsWith(wanted.id)) &&
  (wanted.since === undefined || job.created >= wanted.since) &&
  (wanted.until === undefined || job.created <= wanted.until)

/** A row's words, as job.lua writes them; null: another version's. */
const rowOf = (entry: string, place: number, text: string): JobWalk.Row | null => {
  const [id, run = "", state = "", stage = "", created = "", pipeline = "", cause = "", ...owner] = text.split("\u001f")
  if (!isJobId(id) || !isState(state)) return null
  const [at = "", sequence = ""] = entry.split("-")
  return {
    at: Number(at),
    tie: `${sequence}.${place}`,
    id,
    ended: {
      run: Number(run),
      state,
      stage,
      created: Number(created),
      pipeline,
      cause,
      owner: owner.join("\u001f")
    }
  }
}

export const layer: Layer.Layer<JobList, never, RedisClient | Keyspace> = Layer.effect(
  JobList,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const decodeNames = decodeReply("ZRANGE", Names)
    const decodeValues = decodeReply("HMGET", Values)
    const decodeEntries = decodeReply("XREVRANGE", Entries)

    const read = (id: JobId, partition: Partition) =>
      redis.send("HMGET", partition.job(id), "now", "about", "cause").pipe(
        Effect.flatMap(decodeValues),
        Effect.map(([fence = null, about = null, cause = null]) => summary(id, fence, about, cause))
      )

    /** Open jobs of a partition by their timers: `<score>/<members of it that were read>`. */
    const open = (partition: Partition, sign: 1 | -1): JobWalk.List => ({
      index: partition.index * 2,
      isUpTo: (tie, last) => (sign < 0 ? tie >= last : tie <= last),
      start: (from) =>
        from === null ? (sign < 0 ? "+inf/0" : "-inf/0") : `${from.isBehind ? from.at + sign : from.at}/0`,
      read: Effect.fnUntraced(function* (from, count) {
        const [score = "", skipped = ""] = from.split("/")
        const range = sign < 0 ? [score, "-inf", "BYSCORE", "REV"] : [score, "+inf", "BYSCORE"]
        const flat = yield* redis
          .send("ZRANGE", partition.timers, ...range, "LIMIT", skipped, count, "WITHSCORES")
          .pipe(Effect.flatMap(decodeNames))
        const members = Array.from({ length: flat.length / 2 }, (_, i) => ({
          id: flat[2 * i]!,
          at: Number(flat[2 * i + 1])
        }))
        const last = members.at(-1)
        const same = members.filter(({ at }) => at === last?.at).length
        const before = last !== undefined && Number(score) === last.at ? Number(skipped) : 0
        return {
          rows: members.flatMap(({ at, id }) => (isJobId(id) ? [{ at, tie: id, id, ended: null }] : [])),
          next: last === undefined || members.length < count ? null : `${last.at}/${before + same}`
        }
      })
    })

    /** A list of ended jobs. */
    const over = (key: string, index: number): JobWalk.List => ({
      index,
      isUpTo: (tie, last) => {
        const [[sequence = 0, place = 0], [lastSequence = 0, lastPlace = 0]] = [
          tie.split(".").map(Number),
          last.split(".").map(Number)
        ]
        return sequence > lastSequence || (sequence === lastSequence && place >= lastPlace)
      },
      start: (from) => (from === null ? "+" : String(from.isBehind ? from.at - 1 : from.at)),
      read: Effect.fnUntraced(function* (from, count) {
        const entries = yield* redis
          .send("XREVRANGE", key, from, "-", "COUNT", count)
          .pipe(Effect.flatMap(decodeEntries))
        const rows = entries.flatMap(([entry, flat]) =>
          flat.flatMap((text, i) => (i % 2 === 1 ? [rowOf(entry, i, text)] : [])).toReversed()
        )
        const last = entries.at(-1)
        return {
          rows: rows.filter((row) => row !== null),
          next: last === undefined || entries.length < count ? null : `(${last[0]}`
        }
      })
    })

    const listsOf = ({ owner, state }: Filters) => {
      // a user's jobs are in the user's partition; those of nobody are everywhere
      const partitions = owner === undefined || owner === "" ? keyspace.partitions : [keyspace.of(owner)]
      if (isOpenState(state)) {
        // what waits for its next attempt is due before the deadline of any other
        const sign = state === "parked" || state === "delayed" ? 1 : -1
        return { lists: partitions.map((partition) => open(partition, sign)), sign } as const
      }
      const lists = partitions.flatMap((partition) => [
        ...(state === "failed" ? [] : [over(partition.ended, partition.index * 2)]),
        ...(state === "ended" || state === "failed" ? [over(partition.failed, partition.index * 2 + 1)] : [])
      ])
      return { lists, sign: -1 } as const
    }

    const isWantedRow = (wanted: Filters) => {
      const isWanted = fits(wanted)
      return ({ ended, id }: JobWalk.Row) =>
        ended === null
          ? wanted.id === undefined || id.startsWith(wanted.id)
          : isWanted({ ...ended, id, cause: ended.cause === "" ? null : ended.cause })
    }

    /** The job of a row, as it is now; null: it is another one's by now, or gone. */
    const jobOf = Effect.fnUntraced(function* ({ ended, id }: JobWalk.Row) {
      const job = yield* read(id, keyspace.of(id))
      if (ended === null || job === null) return job
      const isSame = job.run === ended.run && job.state === ended.state
      return isSame ? { ...job, cause: ended.cause === "" ? null : ended.cause } : null
    })

    /**
     * Walks on until `visit` says that it is enough, or the search has cost enough; returns the place of the last row that was
     * looked at, null when all were.
     */
    const walk = Effect.fnUntraced(function* (
      wanted: Filters,
      from: JobWalk.Place | null,
      chunk: () => number,
      visit: (
        rows: ReadonlyArray<JobWalk.Row & JobWalk.Place>
      ) => Effect.Effect<{ readonly isEnough: boolean; readonly read: number }, RedisError>
    ) {
      const { lists, sign } = listsOf(wanted)
      const take = JobWalk.make(lists, sign, from)
      const isWanted = isWantedRow(wanted)
      let cost = 0
      let last: JobWalk.Place | null = null
      for (;;) {
        const most = chunk()
        const rows: Array<JobWalk.Row & JobWalk.Place> = []
        while (rows.length < most && cost < mostCost) {
          const next: ReadonlyArray<JobWalk.Row & JobWalk.Place> = yield* take(most - rows.length)
          if (next.length === 0) break
          // an ended job was created before it ended
          const isEarly = ({ at, ended }: JobWalk.Row) => ended !== null && at < (wanted.since ?? 0)
          const end = next.findIndex(isEarly)
          const these = end < 0 ? next : next.slice(0, end)
          cost += these.length
          last = these.at(-1) ?? last
          rows.push(...these.filter(isWanted))
          if (end >= 0) {
            yield* visit(rows)
            return null
          }
        }
        if (rows.length === 0 && cost < mostCost) return null
        const { isEnough, read } = yield* visit(rows)
        cost += read * readCost
        if (isEnough || cost >= mostCost) return last
      }
    })

    const hasTag =
      ({ tag }: Filters) =>
      ({ tags }: JobSummary) =>
        tag === undefined || tags.includes(tag)
    const readAll = (rows: ReadonlyArray<JobWalk.Row>) => Effect.forEach(rows, jobOf, { concurrency: "unbounded" })

    return JobList.of({
      find: Effect.fnUntraced(function* ({ cursor, limit, ...wanted }) {
        const from = cursor === undefined ? null : JobWalk.placeOf(cursor)
        const isWanted = fits(wanted)
        const tagged = hasTag(wanted)
        const found: Array<JobSummary> = []
        let [last, isFull]: [JobWalk.Place | null, boolean] = [null, false]
        // the first page is small; what is searched far is read in larger ones
        let rounds = 0
        const end = yield* walk(
          wanted,
          from,
          () => (rounds++ === 0 ? Math.min(page, limit + 1) : page),
          (rows) =>
            Effect.map(readAll(rows), (jobs) => {
              for (const [i, job] of jobs.entries()) {
                if (job === null || !isWanted(job) || !tagged(job)) continue
                if (found.length === limit) {
                  isFull = true
                  break
                }
                found.push(job)
                last = rows[i]!
              }
              return { isEnough: isFull, read: rows.length }
            })
        )
        const rest = isFull ? last : end
        return {
          jobs: isOpenState(wanted.state) ? found.toSorted((a, b) => b.created - a.created) : found,
          complete: rest === null,
          next: rest === null ? null : JobWalk.cursorOf(rest)
        }
      }),
      ends: Effect.fnUntraced(function* (since, most) {
        const { lists, sign } = listsOf({ state: "ended" })
        const take = JobWalk.make(lists, sign, null)
        const ends: Array<Ending> = []
        while (ends.length < most) {
          const rows = yield* take(Math.min(page, most - ends.length))
          if (rows.length === 0) return { ends, isWhole: true }
          for (const { at, ended, id } of rows) {
            if (at < since) return { ends, isWhole: true }
            if (ended !== null) ends.push({ ...ended, id, at })
          }
        }
        return { ends, isWhole: false }
      }),
      about: (id) =>
        isJobId(id)
          ? Effect.map(read(id, keyspace.of(id)), (job) =>
              job === null ? null : { pipeline: job.pipeline, owner: job.owner }
            )
          : Effect.succeed(null),
      count: Effect.fnUntraced(function* (wanted) {
        const isWanted = fits(wanted)
        const tagged = hasTag(wanted)
        const states = new Map<JobState, number>()
        const causes = new Map<string, number>()
        let jobs = 0
        const add = (state: JobState, cause: string | null) => {
          jobs++
          states.set(state, (states.get(state) ?? 0) + 1)
          if (cause !== null) causes.set(cause, (causes.get(cause) ?? 0) + 1)
        }
        const end = yield* walk(
          wanted,
          null,
          () => page,
          Effect.fnUntraced(function* (rows) {
            // done and cancelled jobs stay what they are; a failed one may be redriven
            const isCertain = ({ ended }: JobWalk.Row) =>
              wanted.tag === undefined && (ended?.state === "done" || ended?.state === "cancelled")
            for (const { ended } of rows.filter(isCertain)) add(ended!.state, null)
            const others = rows.filter((row) => !isCertain(row))
            for (const job of yield* readAll(others)) {
              if (job !== null && isWanted(job) && tagged(job)) add(job.state, job.cause)
            }
            return { isEnough: false, read: others.length }
          })
        )
        return { jobs, states, causes, complete: end === null }
      })
    })
  })
)
