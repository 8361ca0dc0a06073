/**
 * NewsSchedules: the schedules of collection runs (T1: one run for each slot in the whole fleet). Each source and category, and
 * each feed, has a schedule of its own, so that none delays another. A slot whose last run is still open is skipped and counted;
 * a run older than ten minutes is given up. Sources that are off in this process have no schedule here.
 * `news-refresh` renews the cache twice in its lifetime, so that readers have news even if every source fails.
 * A source that has never run does so at once (`firstRuns`): its first slot may be half an hour away.
 */
import { Pipeline, Schedule, Schedules } from "@eco2/core"
import { Duration, Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { categories } from "../domain/Article.ts"
import type { NewsSource } from "../source/NewsSource.ts"
import { NewsSources } from "../source/NewsSources.ts"
import { feedId } from "../source/RssSource.ts"
import { CacheConfig } from "../store/CacheConfig.ts"
import { ArticleActor } from "./ArticleActor.ts"
import * as Intervals from "./Intervals.ts"
import { NewsPipeline } from "./NewsPipeline.ts"
import type { Run } from "./NewsPipeline.ts"

const deadline = "10 minutes"

/** A feed's schedule: its host, so that operators know it, and a part of its id. */
const feedName = (feed: string): string => {
  const host = (URL.parse(feed)?.hostname ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 60)
  return ["news-feed", host, feedId(feed).slice(0, 8)].filter((part) => part !== "").join("-")
}

/** The runs of a source, by the names of their schedules. */
const runsOf = (source: NewsSource): ReadonlyArray<readonly [name: string, run: Run]> =>
  source.name === "rss"
    ? source.queries.map(({ text }) => [feedName(text), { source: "rss", category: null, feed: feedId(text) }])
    : categories.map((category) => [`news-${source.name}-${category}`, { source: source.name, category }])

const allRuns = Effect.map(NewsSources, ({ on }) => [...on.values()].flatMap(runsOf))

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const runs = yield* allRuns
    const intervals = yield* Intervals.intervals
    const { lists } = yield* CacheConfig
    return Layer.mergeAll(
      Schedule.everyTell(
        "news-refresh",
        { interval: Math.max(1_000, Math.floor(Duration.toMillis(lists) / 2)) },
        { actor: ArticleActor, type: "Refresh", payload: () => ({}) }
      ),
      ...runs.map(([name, run]) =>
        Schedule.every(
          name,
          { interval: Intervals.of(run.source, intervals), overlap: "skip" },
          { pipeline: NewsPipeline, input: () => run, deadline }
        )
      )
    )
  })
)

/**
 * Begins the runs of schedules that have never run. Each at most once in the fleet while its job is kept, however many processes
 * start at once. If Redis does not answer, the first slot comes as ever.
 */
export const firstRuns = Layer.effectDiscard(
  Effect.gen(function* () {
    const runs = yield* allRuns
    const schedules = yield* Schedules.Schedules
    const begin = Effect.gen(function* () {
      const states = new Map((yield* schedules.list).map((state) => [state.name, state]))
      for (const [name, run] of runs) {
        if ((states.get(name)?.lastRun ?? null) !== null) continue
        const key = createHash("sha256").update(`first run of ${name}`).digest("hex")
        yield* Pipeline.submit(NewsPipeline, run, { owner: "", key })
      }
    })
    yield* begin.pipe(
      Effect.catch((error) =>
        Effect.logInfo("the first runs wait for their slots").pipe(Effect.annotateLogs({ error: error.message }))
      ),
      Effect.forkScoped
    )
  })
)
