/**
 * StageRates: how fast stages have worked lately, for operators: jobs done, failed and cancelled a minute, and percentiles of how
 * long they waited for the stage and how long it worked, over some windows. All is read from what is there when somebody looks:
 *   - counts: the rows of jobs that ended (JobList.ends), each counted at the stages that it passed and the one it ended at
 *   - times: a sample of those jobs, spread evenly over each pipeline's rows; jobs that were redriven are left out, because
 *     the time until an operator came is no wait
 * So it costs nothing while nobody looks, and jobs that are still open are not in it. A wait is the time from the commit of the
 * stage before to the begin of the attempt that was committed: mailbox, lane, limits and retries.
 * Mailboxes of actors have no such record: what passed through them is not in Redis.
 */
import { Context, Duration, Effect, Exit, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Fence from "../job/Fence.ts"
import { planOf } from "../job/Job.ts"
import type { PlanStep } from "../job/Job.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as ServerTime from "../redis/ServerTime.ts"
import { JobList } from "./JobList.ts"
import type { Ending } from "./JobList.ts"

export interface Percentiles {
  readonly p50: number
  readonly p95: number
}

/** A stage, by its mailbox. Times are milliseconds; null: no job of the sample has passed it. */
export interface StageRate {
  readonly mailbox: string
  /** Jobs that passed the stage, and those that ended at it. */
  readonly done: number
  readonly failed: number
  readonly cancelled: number
  /** Jobs that the percentiles are of. */
  readonly sampled: number
  readonly wait: Percentiles | null
  readonly run: Percentiles | null
}

export interface Window {
  readonly windowMillis: number
  /** How much of the window was looked at: less where rows are no longer kept (JOB_TTL), or are too many. */
  readonly coveredMillis: number
  /** Jobs that ended. */
  readonly ended: number
  /** Sorted by pipeline; stages as the latest plan has them. */
  readonly stages: ReadonlyArray<StageRate>
}

export class StageRates extends Context.Service<
  StageRates,
  {
    /** The same answer for ten seconds, however many ask. */
    readonly windows: Effect.Effect<ReadonlyArray<Window>, RedisError>
  }
>()("@eco2/core/operations/StageRates") {}

const lengths = [Duration.toMillis("5 minutes"), Duration.toMillis("1 hour")]
/** Rows that a look reads at most, the last that ended first. */
const mostRows = 50_000
/** Jobs of a pipeline whose times are read, in each window. */
const sampleSize = 300
const keptFor = Duration.seconds(10)

const timesScript = Script.make({
  file: new URL("../job/scripts/stage-times.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Array(Schema.String)
})
const readAbout = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ pipeline: Schema.String, plan: Schema.String }))
)

/** What a job of the sample tells of its stages. */
interface Times {
  readonly plan: ReadonlyArray<PlanStep>
  /** Of the stages that were committed, in order; null where a redrive stands between. */
  readonly stages: ReadonlyArray<{ readonly stage: string; readonly wait: number; readonly run: number }>
}

const timesOf = ([now = "", aboutText = "", ...flat]: ReadonlyArray<string>): Times | null => {
  const fence = Fence.split(now)
  const about = readAbout(aboutText)
  if (fence === null || about._tag === "None") return null
  const plan = planOf(about.value.pipeline, about.value.plan)
  if (plan === null) return null
  const committed = new Map<string, { readonly run: number; readonly at: number }>()
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [, run, at] = /^(-?\d+)@(\d+)$/.exec(flat[i + 1]!) ?? []
    if (run !== undefined) committed.set(flat[i]!, { run: Number(run), at: Number(at) })
  }
  let before = Number(fence.created)
  const stages: Array<Times["stages"][number]> = []
  for (const { name } of plan) {
    const one = committed.get(name)
    if (one === undefined || fence.run !== "1") break
    stages.push({ stage: name, wait: Math.max(0, one.at - one.run - before), run: Math.max(0, one.run) })
    before = one.at
  }
  return { plan, stages }
}

/** The nearest rank; null of no values. */
export const percentiles = (values: ReadonlyArray<number>): Percentiles | null => {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
  return { p50: at(0.5), p95: at(0.95) }
}

/** At most `most` of them, evenly spread. */
export const spread = <A>(all: ReadonlyArray<A>, most: number): ReadonlyArray<A> =>
  all.length <= most ? all : Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]!)

/** The stages of one pipeline. `sample`: the latest job first. */
const stagesOf = (ends: ReadonlyArray<Ending>, sample: ReadonlyArray<Times>): ReadonlyArray<StageRate> => {
  const plan = sample[0]?.plan ?? []
  return plan.map(({ mailbox, name }, i) => {
    const later = new Set(plan.slice(i + 1).map((step) => step.name))
    const endedAt = (state: Ending["state"]) => ends.filter((one) => one.state === state && one.stage === name).length
    const times = sample.flatMap(({ stages }) => stages.filter(({ stage }) => stage === name))
    return {
      mailbox,
      done: ends.filter(({ stage, state }) => state === "done" || later.has(stage)).length,
      failed: endedAt("failed"),
      cancelled: endedAt("cancelled"),
      sampled: times.length,
      wait: percentiles(times.map(({ wait }) => wait)),
      run: percentiles(times.map(({ run }) => run))
    }
  })
}

export const layer: Layer.Layer<StageRates, never, JobList | RedisClient | Keyspace | CoreConfig> = Layer.effect(
  StageRates,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const list = yield* JobList
    const { clockOffsetMillis, jobTtl } = yield* CoreConfig

    const times = ({ id }: Ending) => Effect.map(redis.run(timesScript, [keyspace.of(id).job(id)], []), timesOf)

    const look = Effect.gen(function* () {
      const now = (yield* Effect.flatMap(redis.send("TIME"), ServerTime.decode)) + clockOffsetMillis
      const longest = Math.max(...lengths)
      const { ends, isWhole } = yield* list.ends(now - longest, mostRows)
      const reach = isWhole ? longest : now - (ends.at(-1)?.at ?? now)
      const known = Math.min(reach, Duration.toMillis(jobTtl))
      return yield* Effect.forEach(
        lengths,
        Effect.fnUntraced(function* (windowMillis) {
          const coveredMillis = Math.max(1, Math.min(windowMillis, known))
          const within = ends.filter(({ at }) => at > now - coveredMillis)
          const pipelines = [...Map.groupBy(within, ({ pipeline }) => pipeline)].toSorted(([a], [b]) =>
            a < b ? -1 : 1
          )
          const stages = yield* Effect.forEach(
            pipelines,
            Effect.fnUntraced(function* ([, its]) {
              const read = yield* Effect.forEach(spread(its, sampleSize), times, { concurrency: 32 })
              return stagesOf(
                its,
                read.filter((one) => one !== null)
              )
            })
          )
          return { windowMillis, coveredMillis, ended: within.length, stages: stages.flat() }
        })
      )
    })
    return StageRates.of({
      windows: yield* Effect.cachedWithTTL(look, (exit) => (Exit.isSuccess(exit) ? keptFor : Duration.zero))
    })
  })
)
