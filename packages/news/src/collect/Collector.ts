/**
 * Collector: the handlers of a collection run's stages. Each source has runs of its own, so one source's failure does not
 * affect another. If a search or feed fails, the run continues without it; if all fail, the run fails, and the next slot
 * retries.
 */
import { Pipeline, Retry, StageBehavior } from "@eco2/core"
import { Clock, Duration, Effect, Layer, Metric, Result, Schema } from "effect"
import { publishedMillis } from "../domain/Article.ts"
import type { Article } from "../domain/Article.ts"
import { newsArticles, newsRuns, newsRunSeconds } from "../Metrics.ts"
import { deduplicate } from "../domain/Deduplication.ts"
import { total } from "../source/Items.ts"
import { NewsSources } from "../source/NewsSources.ts"
import { ArticleReading } from "../store/ArticleReading.ts"
import { ArticleStore } from "../store/ArticleStore.ts"
import { classify } from "./Classification.ts"
import { FeedVersions } from "./FeedVersions.ts"
import { NewsPipeline } from "./NewsPipeline.ts"
import { PictureSearch } from "./PictureSearch.ts"
import * as Politeness from "./Politeness.ts"

/** This process has no key for the source; another process may have one. Nothing was sent. */
export class SourceOff extends Schema.TaggedError<SourceOff>()("SourceOff", { setting: Schema.String }) {
  override get message() {
    return `the source is off: ${this.setting} is not set`
  }
}

/** Articles of one run, newest first: as many as fit into a checkpoint if every text has its maximum length. */
const mostArticles = 80

const retry = Retry.policy<Politeness.QueryError | SourceOff>({
  never: ["SourceOff", "QuotaUsedUp", "SourceRefused"],
  retryAfter: (error) => {
    const millis = Politeness.retryAfterMillis(error)
    return millis === null ? null : Duration.millis(millis)
  }
})

const fetching = StageBehavior.layer(
  NewsPipeline,
  "fetch",
  Effect.gen(function* () {
    const { off, on } = yield* NewsSources
    const find = yield* Politeness.make
    return Effect.fnUntraced(function* ({ input }: Pipeline.Read<typeof NewsPipeline, "fetch">) {
      const source = on.get(input.source)
      if (source === undefined) return yield* new SourceOff({ setting: off.get(input.source) ?? input.source })
      const began_ms = yield* Clock.currentTimeMillis
      const queries = source.queries.filter(({ category }) => input.category === null || category === input.category)
      const answers = yield* Effect.forEach(
        queries,
        (query) => Effect.map(Effect.result(find(source, query)), (answer) => ({ query, answer })),
        { concurrency: 2 }
      )
      const failures = answers.flatMap(({ answer, query }) =>
        Result.isFailure(answer) ? [{ query, error: answer.failure }] : []
      )
      const [first] = failures
      if (first !== undefined && failures.length === answers.length) {
        yield* Metric.update(Metric.withAttributes(newsRuns, { source: source.name, outcome: "failed" }), 1)
        return yield* Effect.fail(first.error)
      }
      for (const { error, query } of failures) {
        yield* Effect.logWarning("a news search failed; the run continues without it").pipe(
          // a feed's query may contain its key
          Effect.annotateLogs({ source: source.name, search: query.text.split("?", 1)[0], error: error.message })
        )
      }
      const found = answers.flatMap(({ answer, query }) =>
        Result.isSuccess(answer) ? [{ ...answer.success, query }] : []
      )
      const all = found.flatMap(({ articles }) => articles)
      const articles: ReadonlyArray<Article> = deduplicate(all)
        .map(classify)
        .toSorted((a, b) => publishedMillis(b) - publishedMillis(a))
        .slice(0, mostArticles)
      return {
        fetched: all.length,
        rejected: found.reduce((sum, { rejected }) => sum + total(rejected), 0),
        articles,
        versions: found.flatMap(({ query, unchanged, validators }) =>
          unchanged || validators === null ? [] : [{ feed: query.text, version: validators }]
        ),
        began_ms
      }
    })
  }),
  { retry }
)

const enriching = StageBehavior.layer(
  NewsPipeline,
  "enrich",
  Effect.map(PictureSearch, (pictures) =>
    Effect.fnUntraced(function* ({ fetch }: Pipeline.Read<typeof NewsPipeline, "enrich">) {
      const articles = yield* pictures.complete(fetch.articles)
      return {
        articles,
        with_images: articles.filter(({ thumbnail_url }) => thumbnail_url !== null).length
      }
    })
  )
)

const storing = StageBehavior.layer(
  NewsPipeline,
  "store",
  Effect.gen(function* () {
    const store = yield* ArticleStore
    const versions = yield* FeedVersions
    return Effect.fnUntraced(function* ({ enrich, fetch }: Pipeline.Read<typeof NewsPipeline, "store">) {
      const { refused, saved } = yield* store.save(enrich.articles)
      for (const { id, reason } of refused) {
        yield* Effect.logWarning("an article was refused").pipe(Effect.annotateLogs({ article: id, reason }))
      }
      yield* Effect.forEach(fetch.versions, ({ feed, version }) => versions.remember(feed, version), { discard: true })
      return { saved, refused: refused.length }
    })
  })
)

const warming = StageBehavior.layer(
  NewsPipeline,
  "warm",
  Effect.map(ArticleReading, (reading) =>
    Effect.fnUntraced(function* ({ enrich, fetch, input, store }: Pipeline.Read<typeof NewsPipeline, "warm">) {
      const cached = yield* reading.warm
      const collected = {
        status: "completed" as const,
        fetched: fetch.fetched,
        unique: fetch.articles.length,
        saved: store.saved,
        cached,
        with_images: enrich.with_images,
        category: input.category
      }
      const { source } = input
      for (const count of ["fetched", "unique", "saved", "with_images"] as const) {
        yield* Metric.update(Metric.withAttributes(newsArticles, { source, count }), collected[count])
      }
      const millis = (yield* Clock.currentTimeMillis) - fetch.began_ms
      yield* Metric.update(Metric.withAttributes(newsRunSeconds, { source }), Math.max(0, millis) / 1000)
      yield* Metric.update(Metric.withAttributes(newsRuns, { source, outcome: "completed" }), 1)
      return collected
    })
  )
)

export const layer = Layer.mergeAll(fetching, enriching, storing, warming)
