/**
 * NewsSchedules: the schedules of collection runs (T1: one run for each slot in the whole fleet). Each source and category has
 * a schedule of its own, so that none delays another. A slot whose last run is still open is skipped and counted; a run older
 * than ten minutes is given up. Sources that are off in this process have no schedule here.
 * `news-refresh` renews the cache twice in its lifetime, so that readers have news even if every source fails.
 */
import { Schedule, Setting } from "@eco2/core"
import { Config, Duration, Effect, Layer } from "effect"
import { categories } from "../domain/Article.ts"
import type { Source } from "../domain/Article.ts"
import { NewsSources } from "../source/NewsSources.ts"
import { CacheConfig } from "../store/CacheConfig.ts"
import { ArticleActor } from "./ArticleActor.ts"
import { NewsPipeline } from "./NewsPipeline.ts"

const intervals = Config.all({
  /** NEWS_INTERVAL_NAVER: how often Naver and the feeds are queried. Default 5 minutes. */
  naver: Setting.duration("NEWS_INTERVAL_NAVER", { default: "5 minutes", min: "1 seconds" }),
  /** NEWS_INTERVAL_NEWSDATA: how often NewsData is queried, with three calls each time. Default 30 minutes. */
  newsdata: Setting.duration("NEWS_INTERVAL_NEWSDATA", { default: "30 minutes", min: "1 seconds" })
})
const deadline = "10 minutes"

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { on } = yield* NewsSources
    const { naver, newsdata } = yield* intervals
    const { lists } = yield* CacheConfig
    const run = (source: Source, category: (typeof categories)[number] | null) =>
      Schedule.every(
        `news-${source}${category === null ? "" : `-${category}`}`,
        { interval: source === "newsdata" ? newsdata : naver, overlap: "skip" },
        { pipeline: NewsPipeline, input: () => ({ source, category }), deadline }
      )
    return Layer.mergeAll(
      Schedule.everyTell(
        "news-refresh",
        { interval: Math.max(1_000, Math.floor(Duration.toMillis(lists) / 2)) },
        { actor: ArticleActor, type: "Refresh", payload: () => ({}) }
      ),
      ...[...on.keys()].flatMap((source) =>
        source === "rss" ? [run(source, null)] : categories.map((category) => run(source, category))
      )
    )
  })
)
