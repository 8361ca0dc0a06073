/**
 * NewsOpsHandlers: the operators' view of the news collection, from its schedules and jobs in Redis (RunList). What a run was asked
 * for and came to is read by the schemas of NewsOpsApi; of one that cannot be read, the state alone is told.
 */
import { Schedules } from "@eco2/core/client"
import { RunList } from "@eco2/core/operations"
import { Effect, Option, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { RunInput, RunResult } from "./NewsOpsApi.ts"
import type { NewsRun } from "./NewsOpsApi.ts"
import { usualLimit } from "./OpsWords.ts"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

const pipeline = "news"

const readInput = Schema.decodeUnknownOption(RunInput)
const readResult = Schema.decodeUnknownOption(RunResult)

type Run = typeof NewsRun.Type

const runState = (run: RunList.Run, schedule: string | null): Run => {
  const input = Option.getOrNull(readInput(run.input))
  const result = Option.getOrNull(readResult(run.result))
  return {
    job_id: run.id,
    schedule,
    state: run.state,
    created: run.created,
    ended: run.ended,
    cause: run.cause,
    source: input?.source ?? null,
    category: input?.category ?? null,
    fetched: result?.fetched ?? null,
    saved: result?.saved ?? null,
    left: result?.left ?? null,
    refused: result?.refused ?? null,
    rejected: result?.rejected ?? {},
    skipped: result?.skipped ?? []
  }
}
const shortOf = ({ cause, fetched, job_id, saved, skipped, state }: Run) => ({
  job_id,
  state,
  cause,
  fetched,
  saved,
  skipped
})

/** Runs that ask for the same are of one schedule; null: what it asks for is unreadable. */
const askedOf = ({ input }: RunList.Run) =>
  Option.getOrNull(
    Option.map(readInput(input), ({ category, feed, source }) => JSON.stringify([source, category, feed]))
  )

/** Items that were no articles, by source and cause, the most first. */
const rejectedOf = (runs: ReadonlyArray<Run>) => {
  const rows = runs.flatMap(({ rejected, source }) =>
    Object.entries(rejected).map(([cause, items]) => ({ source: source ?? "", cause, items }))
  )
  return [...Map.groupBy(rows, ({ cause, source }) => `${source}\n${cause}`).values()]
    .map((group) => ({
      source: group[0]!.source,
      cause: group[0]!.cause,
      items: group.reduce((sum, { items }) => sum + items, 0),
      runs: group.length
    }))
    .toSorted((a, b) => b.items - a.items)
}

export const layer = HttpApiBuilder.group(
  Api,
  "news",
  Effect.fnUntraced(function* (handlers) {
    const schedules = yield* Schedules.Schedules
    const list = yield* RunList.RunList
    return handlers.handle("show", ({ query: { limit = usualLimit } }) =>
      Effect.mapError(
        Effect.gen(function* () {
          const its = (yield* schedules.list).filter(({ work }) => work === pipeline)
          const [lasts, ended] = yield* Effect.all(
            [list.of(its.flatMap(({ lastJob }) => lastJob ?? [])), list.ended(pipeline, limit)],
            { concurrency: 2 }
          )
          const names = new Map<string | null, string>()
          const sources = its.map((schedule) => {
            const last = lasts.get(schedule.lastJob ?? "")
            if (last !== undefined) names.set(askedOf(last), schedule.name)
            return {
              schedule: schedule.name,
              timing: schedule.timing,
              paused: schedule.paused,
              declared: schedule.declared,
              next: schedule.next,
              last_run: schedule.lastRun,
              skips: schedule.skips,
              last: last === undefined ? null : shortOf(runState(last, schedule.name))
            }
          })
          names.delete(null)
          const runs = ended.runs.map((run) => runState(run, names.get(askedOf(run)) ?? null))
          return { sources, runs, rejected: rejectedOf(runs), complete: ended.complete }
        }),
        fromRedis
      )
    )
  })
)
