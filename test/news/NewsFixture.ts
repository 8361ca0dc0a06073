/** NewsFixture: articles for tests, and the stores for them. */
import { RedisError } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Article, Category, Source } from "../../packages/news/src/domain/Article.ts"
import type { Cursor, Query } from "../../packages/news/src/store/ArticlePage.ts"
import { cursorText, parseCursor } from "../../packages/news/src/store/ArticlePage.ts"
import * as ArticleCache from "../../packages/news/src/store/ArticleCache.ts"
import * as ArticleReading from "../../packages/news/src/store/ArticleReading.ts"
import * as ArticleStore from "../../packages/news/src/store/ArticleStore.ts"
import * as NewsKeys from "../../packages/news/src/store/NewsKeys.ts"

/** Midday of a day. */
export const noon = Date.UTC(2026, 10, 21, 12)

/** The n-th article; by default each is a second older than the one before. */
export const article = (n: number, given: Partial<Article> = {}): Article => {
  const source: Source = given.source ?? (["naver", "newsdata"] as const)[n % 2]!
  const category: Category = given.category ?? (["environment", "energy", "ai"] as const)[n % 3]!
  return {
    id: `${source}_${String(n).padStart(6, "0")}`,
    url: `https://news.example/${n}`,
    title: `기사 ${n}`,
    snippet: `본문 ${n}`,
    source,
    source_name: "예시일보",
    source_icon_url: null,
    thumbnail_url: n % 4 === 0 ? null : `https://pictures.example/${n}.jpg`,
    video_url: null,
    category,
    keywords: ["분리배출"],
    ai_tag: null,
    published_at: new Date(noon - n * 1000).toISOString(),
    ...given
  }
}

export const articles = (count: number, from = 0, given: (n: number) => Partial<Article> = () => ({})) =>
  Array.from({ length: count }, (_, i) => article(from + i, given(from + i)))

export const query = (given: Partial<Query> = {}): Query => ({
  list: "all",
  source: "all",
  hasImage: false,
  after: null,
  limit: 10,
  ...given
})

export const idsOf = (texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  texts.map((text) => String((JSON.parse(text) as Article).id))

/** The order of every list, computed independently. */
export const newestFirst = (all: ReadonlyArray<Article>) =>
  all.toSorted((a, b) =>
    a.published_at === b.published_at ? (a.id < b.id ? 1 : -1) : a.published_at < b.published_at ? 1 : -1
  )

/** Reads page after page to the end. `between` runs before each page but the first. */
export const walk = <E, R, E2, R2>(
  read: (
    after: Cursor | null
  ) => Effect.Effect<{ readonly articles: ReadonlyArray<string>; readonly next: string | null }, E, R>,
  between: Effect.Effect<unknown, E2, R2>
) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    let after: Cursor | null = null
    for (;;) {
      const page: { readonly articles: ReadonlyArray<string>; readonly next: string | null } = yield* read(after)
      seen.push(...idsOf(page.articles))
      if (page.next === null) return seen
      after = parseCursor(page.next) ?? null
      if (after === null || cursorText(after) !== page.next) throw new Error(`unusable cursor ${page.next}`)
      yield* between
    }
  })

export const cacheTimes = { lists: Duration.hours(1), articles: Duration.hours(24) }

/** A process's own stores, new each time. */
export const reading = (
  stores: { readonly redis: string; readonly postgres: Layer.Layer<Postgres.Postgres> },
  clockOffsetMillis = 0
) =>
  ArticleReading.layer.pipe(
    Layer.provideMerge(Layer.merge(ArticleStore.layer, ArticleCache.layerWith(cacheTimes, clockOffsetMillis))),
    Layer.provideMerge(Layer.merge(RedisClient.layerUrl(stores.redis), stores.postgres)),
    Layer.fresh
  )

/** A RedisClient that waits for every script's answer, however late: it sends the script again, with the same words. */
const patientRedis = (url: string) =>
  Layer.effect(
    RedisClient.RedisClient,
    Effect.map(RedisClient.RedisClient, (client) => {
      const run: typeof client.run = (script, keys, args) =>
        Effect.retry(client.run(script, keys, args), { while: RedisError.isTransient })
      return { ...client, run }
    })
  ).pipe(Layer.provide(RedisClient.layerUrl(url)))
/** The claim of the cache's lock, which does not expire. */
const lastingClaim = Layer.effect(
  ArticleCache.ArticleCache,
  Effect.gen(function* () {
    const cache = yield* ArticleCache.ArticleCache
    const { keys, send } = yield* RedisClient.RedisClient
    return {
      ...cache,
      claim: (asOf: string) => Effect.tap(cache.claim(asOf), () => send("PERSIST", `${NewsKeys.root(keys)}:warming`))
    }
  })
).pipe(Layer.provide(ArticleCache.layerWith(cacheTimes)))

/**
 * As `reading`, where nothing times out, however slow the machine: the virtual time stands still, an answer of Redis is never
 * late, and a claim does not expire.
 */
export const timelessReading = (stores: {
  readonly redis: string
  readonly postgres: Layer.Layer<Postgres.Postgres>
}) =>
  ArticleReading.layer.pipe(
    Layer.provideMerge(Layer.merge(ArticleStore.layer, lastingClaim)),
    Layer.provideMerge(Layer.merge(patientRedis(stores.redis), stores.postgres)),
    Layer.provideMerge(TestClock.layer()),
    Layer.fresh
  )
