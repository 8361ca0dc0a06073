/**
 * Collector: the handlers of a collection run's stages. Each source and each feed has runs of its own, so the trouble of one
 * does not affect another. If a search fails, the run continues without it; if all fail, the run fails, and the next slot
 * retries. Nothing is lost silently: what has no room in this run is counted and taken by the next (Selection), items that are
 * no articles are counted by cause, and a feed's version is remembered only when all of its articles are stored.
 */
import { Pipeline, Retry, StageBehavior } from "@eco2/core"
import type { PostgresError } from "@eco2/core/postgres"
import { Clock, Duration, Effect, Layer, Metric, Result, Schema } from "effect"
import type { Article, Source } from "../domain/Article.ts"
import { newsArticles, newsLooks, newsRejected, newsRuns, newsRunSeconds } from "../Metrics.ts"
import { deduplicating } from "../domain/Deduplication.ts"
import { total } from "../source/Items.ts"
import type { Query } from "../source/NewsSource.ts"
import { feedId } from "../source/RssSource.ts"
import * as SourceRequest from "../source/SourceRequest.ts"
import { NewsSources } from "../source/NewsSources.ts"
import { ArticleReading } from "../store/ArticleReading.ts"
import { ArticleStore } from "../store/ArticleStore.ts"
import { classify } from "./Classification.ts"
import { FeedMemory } from "./FeedMemory.ts"
import { NewsPipeline } from "./NewsPipeline.ts"
import { PictureSearch } from "./PictureSearch.ts"
import * as Politeness from "./Politeness.ts"
import { bounded, select } from "./Selection.ts"

/** This process has no key for the source; another process may have one. Nothing was sent. */
export class SourceOff extends Schema.TaggedError<SourceOff>()("SourceOff", { setting: Schema.String }) {
  override get message() {
    return `the source is off: ${this.setting} is not set`
  }
}

const retry = Retry.policy<Politeness.QueryError | SourceOff | PostgresError.PostgresError>({
  never: ["SourceOff", "QuotaUsedUp", "SourceRefused", "SourceGone", "SourceReplyInvalid"],
  retryAfter: (error) => {
    const millis = Politeness.retryAfterMillis(error)
    return millis === null ? null : Duration.millis(millis)
  }
})

/** Logged once a reply, with the causes: an unchanged feed is not read again. */
const tellRejected = Effect.fnUntraced(function* (
  source: Source,
  queries: ReadonlyArray<Query>,
  causes: Readonly<Record<string, number>>,
  left: number
) {
  // a feed's query may contain its key
  const search = queries.map(({ text }) => text.split("?", 1)[0]).join(" | ")
  for (const [cause, count] of Object.entries(causes)) {
    yield* Metric.update(Metric.withAttributes(newsRejected, { source, cause }), count)
  }
  if (Object.keys(causes).length > 0) {
    yield* Effect.logWarning("items of a news source are no articles").pipe(
      Effect.annotateLogs({ source, search, ...causes })
    )
  }
  if (left > 0) {
    yield* Effect.logInfo("a run has no room for all new articles; the next one takes the others").pipe(
      Effect.annotateLogs({ source, search, left })
    )
  }
})

const fetching = StageBehavior.layer(
  NewsPipeline,
  "fetch",
  Effect.gen(function* () {
    const { off, on } = yield* NewsSources
    const find = yield* Politeness.make
    const store = yield* ArticleStore
    return Effect.fnUntraced(function* ({ input }: Pipeline.Read<typeof NewsPipeline, "fetch">) {
      const source = on.get(input.source)
      if (source === undefined) return yield* new SourceOff({ setting: off.get(input.source) ?? input.source })
      const began_ms = yield* Clock.currentTimeMillis
      const queries = source.queries.filter(
        ({ category, text }) =>
          (input.category === null || category === input.category) &&
          (input.feed === undefined || feedId(text) === input.feed)
      )
      // taken by a process that has other feeds, while its setting changes
      if (queries.length === 0) return yield* new SourceOff({ setting: "this feed in NEWS_FEEDS" })
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
      const articles = yield* SourceRequest.inSlices(source.name, function* () {
        const classified: Array<Article> = []
        for (const article of yield* deduplicating(all)) {
          classified.push(classify(article))
          yield
        }
        return classified
      })
      const unknown = yield* store.unknown(articles)
      const { left, taken } = select(articles, ({ id }) => unknown.has(id))
      const causes: Record<string, number> = {}
      for (const [cause, count] of found.flatMap(({ rejected }) => Object.entries(rejected))) {
        causes[cause] = (causes[cause] ?? 0) + count
      }
      yield* tellRejected(source.name, queries, causes, left)
      return {
        fetched: all.length,
        rejected: found.reduce((sum, { rejected }) => sum + total(rejected), 0),
        causes,
        left,
        skipped: found.flatMap(({ skipped }) => skipped ?? []),
        articles: taken,
        versions: found.flatMap(({ query, unchanged, validators }) =>
          unchanged || validators === null || left > 0 ? [] : [{ feed: query.text, version: validators }]
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
      const { articles, dropped } = bounded(yield* pictures.complete(fetch.articles), fetch.articles)
      if (dropped > 0) yield* Metric.update(Metric.withAttributes(newsLooks, { outcome: "dropped" }), dropped)
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
    const memory = yield* FeedMemory
    return Effect.fnUntraced(function* ({ enrich, fetch }: Pipeline.Read<typeof NewsPipeline, "store">) {
      const { refused, saved } = yield* store.save(enrich.articles)
      for (const { id, reason } of refused) {
        yield* Effect.logWarning("an article was refused").pipe(Effect.annotateLogs({ article: id, reason }))
      }
      const versions = refused.length > 0 ? [] : fetch.versions
      yield* Effect.forEach(versions, ({ feed, version }) => memory.rememberVersion(feed, version), { discard: true })
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
        category: input.category,
        rejected: fetch.causes ?? {},
        left: fetch.left ?? 0,
        refused: store.refused,
        skipped: fetch.skipped ?? []
      }
      const { source } = input
      for (const count of ["fetched", "unique", "saved", "with_images", "left"] as const) {
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
