/**
 * Collector: what the stages of a collection run do. One source's trouble is its own run's: another source's is another job.
 * NewsData's day is bounded for the whole fleet and over restarts by a limit; a run that would pass it fails, is seen as
 * such, and the next slot tries again.
 */
import { Limit, Pipeline, RateLimiter, Retry } from "@eco2/core"
import { Duration, Effect, Layer, Schema } from "effect"
import { publishedMillis } from "../domain/Article.ts"
import type { Article } from "../domain/Article.ts"
import { deduplicate } from "../domain/Deduplication.ts"
import type { NewsSource, Query, SourceError } from "../source/NewsSource.ts"
import { NewsSources } from "../source/NewsSources.ts"
import { ArticleReading } from "../store/ArticleReading.ts"
import { ArticleStore } from "../store/ArticleStore.ts"
import { classify } from "./Classification.ts"
import { NewsPipeline } from "./NewsPipeline.ts"
import { OgImage } from "./OgImage.ts"

/** The source has no key here; another process's may have. Nothing was asked. */
export class SourceOff extends Schema.TaggedError<SourceOff>()("SourceOff", { setting: Schema.String }) {
  override get message() {
    return `the source is off: ${this.setting} is not set`
  }
}
/** NewsData's calls of the last day are used up. Nothing was asked. */
export class QuotaUsedUp extends Schema.TaggedError<QuotaUsedUp>()("QuotaUsedUp", { limit: Schema.String }) {
  override get message() {
    return `${this.limit} may not be asked again for a while: its calls of a day are used up`
  }
}

/** NewsData's free day; in any 24 hours, so in any UTC day too. */
const newsDataDay = Limit.make("news/newsdata", { requests: 200, window: "24 hours" })
/** Articles of one run, newest first: what a checkpoint has room for, at the longest texts an article may have. */
const mostArticles = 80

const retry = Retry.policy<SourceError | SourceOff | QuotaUsedUp>({
  never: ["SourceOff", "QuotaUsedUp", "SourceRefused"],
  retryAfter: (error) =>
    (error._tag === "SourceRateLimited" || error._tag === "SourceUnavailable") && error.retryAfterMillis !== null
      ? Duration.millis(error.retryAfterMillis)
      : null
})

const fetching = Pipeline.behavior(
  NewsPipeline,
  "fetch",
  Effect.gen(function* () {
    const { off, on } = yield* NewsSources
    const limiter = yield* RateLimiter.RateLimiter
    const ask = (source: NewsSource, query: Query) =>
      source.name === "newsdata"
        ? limiter
            .use(newsDataDay, { patience: 0 }, () => source.find(query))
            .pipe(
              Effect.catchTags({
                RateLimited: ({ limit }) => Effect.fail(new QuotaUsedUp({ limit })),
                PermitLost: Effect.die,
                RedisFull: Effect.die,
                RedisRefused: Effect.die,
                RedisReplyInvalid: Effect.die,
                RedisUnavailable: Effect.die
              })
            )
        : source.find(query)
    return Effect.fnUntraced(function* ({ input }: Pipeline.Read<typeof NewsPipeline, "fetch">) {
      const source = on.get(input.source)
      if (source === undefined) return yield* new SourceOff({ setting: off.get(input.source) ?? input.source })
      const queries = source.queries.filter(({ category }) => input.category === null || category === input.category)
      const found = yield* Effect.forEach(queries, (query) => ask(source, query), { concurrency: 2 })
      const all = found.flatMap(({ articles }) => articles)
      const articles: ReadonlyArray<Article> = deduplicate(all)
        .map(classify)
        .toSorted((a, b) => publishedMillis(b) - publishedMillis(a))
        .slice(0, mostArticles)
      return { fetched: all.length, rejected: found.reduce((sum, { rejected }) => sum + rejected, 0), articles }
    })
  }),
  { retry }
)

const enriching = Pipeline.behavior(
  NewsPipeline,
  "enrich",
  Effect.map(OgImage, (pages) =>
    Effect.fnUntraced(function* ({ fetch: { articles } }: Pipeline.Read<typeof NewsPipeline, "enrich">) {
      const bare = articles.filter(({ thumbnail_url }) => thumbnail_url === null)
      const looks = yield* pages.findAll(bare.map(({ url }) => url))
      const pictures = new Map(bare.map(({ id }, i) => [id, looks[i]?.picture ?? null]))
      const enriched = articles.map((article) => ({
        ...article,
        thumbnail_url: article.thumbnail_url ?? pictures.get(article.id) ?? null
      }))
      return {
        articles: enriched,
        with_images: enriched.filter(({ thumbnail_url }) => thumbnail_url !== null).length
      }
    })
  )
)

const storing = Pipeline.behavior(
  NewsPipeline,
  "store",
  Effect.map(ArticleStore, (store) =>
    Effect.fnUntraced(function* ({ enrich: { articles } }: Pipeline.Read<typeof NewsPipeline, "store">) {
      const { refused, saved } = yield* store.save(articles)
      for (const { id, reason } of refused) {
        yield* Effect.logWarning("an article was refused").pipe(Effect.annotateLogs({ article: id, reason }))
      }
      return { saved, refused: refused.length }
    })
  )
)

const warming = Pipeline.behavior(
  NewsPipeline,
  "warm",
  Effect.map(ArticleReading, (reading) =>
    Effect.fnUntraced(function* ({ enrich, fetch, input, store }: Pipeline.Read<typeof NewsPipeline, "warm">) {
      const cached = yield* reading.warm
      return {
        status: "completed" as const,
        fetched: fetch.fetched,
        unique: fetch.articles.length,
        saved: store.saved,
        cached,
        with_images: enrich.with_images,
        category: input.category
      }
    })
  )
)

export const layer = Layer.mergeAll(fetching, enriching, storing, warming)
