/**
 * ArticleCache: the newest articles of every list, in Redis. One script writes all of it (warm.lua) and one reads a page
 * (page.lua), so that a reader sees a consistent state. Lists are current for NEWS_CACHE_TTL; they and their articles are kept
 * for ARTICLE_CACHE_TTL, to be shown while Postgres is down.
 * A list's members are `<id> <source> <picture>`: filters need no article, and members sort as their ids do.
 * ArticleReading fills and reads it. Writes are whole and idempotent: every replica may warm the cache.
 */
import type { RedisError } from "@eco2/core"
import { RedisClient, Script } from "@eco2/core/redis"
import { Context, Duration, Effect, Layer, Schema } from "effect"
import type { Config } from "effect"
import { randomUUID } from "node:crypto"
import { publishedMillis } from "../domain/Article.ts"
import type { Article } from "../domain/Article.ts"
import type { Page, Query } from "./ArticlePage.ts"
import type { Snapshot } from "./ArticleStore.ts"
import { CacheConfig } from "./CacheConfig.ts"
import * as NewsKeys from "./NewsKeys.ts"

/** The cache's answer for a page. */
export type Lookup =
  | {
      readonly _tag: "Hit"
      readonly page: Page
      /** Articles of the list in the cache. */
      readonly total: number
      /** How long the list is still current; 0 if it has expired. */
      readonly expiresMillis: number
    }
  /** The page reaches beyond the cached articles. */
  | { readonly _tag: "Short"; readonly total: number }
  /** `asOf`: the version of the lists that missed, "" for none. */
  | { readonly _tag: "Miss"; readonly asOf: string }

/** `filled`: the cache has been filled since the miss. `taken`: another process is filling it. */
export type Claim = "mine" | "taken" | "filled"

export class ArticleCache extends Context.Service<
  ArticleCache,
  {
    /** `stale`: also from expired lists. One round trip, given up after half a second. */
    readonly page: (query: Query, options: { readonly stale: boolean }) => Effect.Effect<Lookup, RedisError.RedisError>
    /** Replaces the cache's content with a snapshot; false if the content is newer. Releases the lock. */
    readonly warm: (snapshot: Snapshot) => Effect.Effect<boolean, RedisError.RedisError>
    /** Takes the lock for filling the cache after a miss, among all processes, for five seconds at most. */
    readonly claim: (asOf: string) => Effect.Effect<Claim, RedisError.RedisError>
  }
>()("@eco2/news/store/ArticleCache") {}

const pageScript = Script.make({
  file: new URL("./scripts/page.lua", import.meta.url),
  numberOfKeys: "root",
  reply: Schema.NonEmptyArray(Schema.String)
})
const warmScript = Script.make({
  file: new URL("./scripts/warm.lua", import.meta.url),
  numberOfKeys: "root",
  reply: Schema.Tuple([Schema.Literals(["warmed", "older"])])
})
const claimScript = Script.make({
  file: new URL("./scripts/claim.lua", import.meta.url),
  numberOfKeys: "root",
  reply: Schema.Tuple([Schema.Literals(["mine", "taken", "filled"])])
})

/** How long reading and writing all lists may take before another process tries too. */
const claimMillis = 5_000

const memberOf = ({ id, source, thumbnail_url }: Article) => `${id} ${source} ${thumbnail_url === null ? 0 : 1}`

const warmWords = ({ asOf, lists }: Snapshot, config: CacheConfig, clockOffsetMillis: number) => {
  const articles = new Map([...lists.values()].flatMap(({ articles }) => articles.map((one) => [one.id, one] as const)))
  return [
    clockOffsetMillis,
    asOf,
    Duration.toMillis(config.lists),
    Duration.toMillis(config.articles),
    articles.size,
    ...[...articles].flatMap(([id, article]) => [id, JSON.stringify(article)]),
    lists.size,
    ...[...lists].flatMap(([list, { articles, complete }]) => [
      list,
      complete ? 1 : 0,
      articles.length,
      ...articles.flatMap((article) => [publishedMillis(article), memberOf(article)])
    ])
  ]
}

const lookupOf = ([kind, total = "", left = "0", more, next = "", ...articles]: ReadonlyArray<string>): Lookup => {
  if (kind === "short") return { _tag: "Short", total: Number(total) }
  return kind === "hit"
    ? {
        _tag: "Hit",
        page: { articles, more: more === "1", next: more === "1" ? next : null },
        total: Number(total),
        expiresMillis: Number(left)
      }
    : { _tag: "Miss", asOf: total }
}

/** `clockOffsetMillis`: added to Redis's clock; 0 except in tests. */
export const layerWith = (
  config: CacheConfig,
  clockOffsetMillis = 0
): Layer.Layer<ArticleCache, never, RedisClient.RedisClient> =>
  Layer.effect(
    ArticleCache,
    Effect.gen(function* () {
      const redis = yield* RedisClient.RedisClient
      const root = NewsKeys.root(redis.keys)
      return ArticleCache.of({
        page: ({ after, hasImage, limit, list, source }, { stale }) =>
          Effect.map(
            redis.run(
              pageScript,
              [root],
              [
                clockOffsetMillis,
                list,
                limit,
                source === "all" ? "" : source,
                hasImage ? 1 : 0,
                stale ? 1 : 0,
                after?.millis ?? "",
                after?.id ?? ""
              ],
              { quick: true }
            ),
            lookupOf
          ),
        warm: (snapshot) =>
          Effect.map(
            redis.run(warmScript, [root], warmWords(snapshot, config, clockOffsetMillis)),
            ([outcome]) => outcome === "warmed"
          ),
        claim: (asOf) =>
          Effect.suspend(() =>
            Effect.map(
              redis.run(claimScript, [root], [asOf, randomUUID(), claimMillis], { quick: true }),
              ([outcome]) => outcome
            )
          )
      })
    })
  )

export const layer: Layer.Layer<ArticleCache, Config.ConfigError, RedisClient.RedisClient> = Layer.unwrap(
  Effect.map(CacheConfig, (config) => layerWith(config))
)
