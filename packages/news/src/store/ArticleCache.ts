/**
 * ArticleCache: the newest articles of every list, in Redis: written whole by one script (warm.lua), read by one (page.lua),
 * so that a reader sees one writing. Lists are in force for NEWS_CACHE_TTL; they and their articles are kept for
 * ARTICLE_CACHE_TTL, so that there is something to show while Postgres is away.
 * A list's members are `<id> <source> <picture>`: filters need no article, and members sort as their ids do.
 * Filled and read by ArticleReading. Writes are whole and idempotent: every replica may warm.
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

/** What the cache knows of a page. */
export type Look =
  | {
      readonly _tag: "Hit"
      readonly page: Page
      /** Articles of the list, in the cache. */
      readonly total: number
      /** How long the list is in force; 0 for one that is no longer. */
      readonly expiresMillis: number
    }
  /** The page reaches beyond the newest. */
  | { readonly _tag: "Short"; readonly total: number }
  /** `asOf`: which lists were looked at, "" for none. */
  | { readonly _tag: "Miss"; readonly asOf: string }

/** `filled`: it has been filled since the look that missed. `taken`: another process is at it. */
export type Claim = "mine" | "taken" | "filled"

export class ArticleCache extends Context.Service<
  ArticleCache,
  {
    /** `stale`: also from lists that are no longer in force. One round trip, given up after half a second. */
    readonly page: (query: Query, options: { readonly stale: boolean }) => Effect.Effect<Look, RedisError.RedisError>
    /** Puts a snapshot in place of what is there; false where that is newer. The lock is given back. */
    readonly warm: (snapshot: Snapshot) => Effect.Effect<boolean, RedisError.RedisError>
    /** Takes the right to warm after a miss, from all processes, for five seconds at most. */
    readonly claim: (asOf: string) => Effect.Effect<Claim, RedisError.RedisError>
  }
>()("@eco2/news/store/ArticleCache") {}

const pageScript = Script.make({
  file: new URL("./scripts/page.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.NonEmptyArray(Schema.String)
})
const warmScript = Script.make({
  file: new URL("./scripts/warm.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Tuple([Schema.Literals(["warmed", "older"])])
})
const claimScript = Script.make({
  file: new URL("./scripts/claim.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Tuple([Schema.Literals(["mine", "taken", "filled"])])
})

/** How long reading all lists and writing them may take before another tries too. */
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

const lookOf = ([kind, total = "", left = "0", more, next = "", ...articles]: ReadonlyArray<string>): Look => {
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

/** `clockOffsetMillis`: added to Redis's clock; 0 but in tests. */
export const layerWith = (
  config: CacheConfig,
  clockOffsetMillis = 0
): Layer.Layer<ArticleCache, never, RedisClient.RedisClient> =>
  Layer.effect(
    ArticleCache,
    Effect.gen(function* () {
      const redis = yield* RedisClient.RedisClient
      return ArticleCache.of({
        page: ({ after, hasImage, limit, list, source }, { stale }) =>
          Effect.map(
            redis.run(
              pageScript,
              [NewsKeys.root],
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
            lookOf
          ),
        warm: (snapshot) =>
          Effect.map(
            redis.run(warmScript, [NewsKeys.root], warmWords(snapshot, config, clockOffsetMillis)),
            ([outcome]) => outcome === "warmed"
          ),
        claim: (asOf) =>
          Effect.suspend(() =>
            Effect.map(
              redis.run(claimScript, [NewsKeys.root], [asOf, randomUUID(), claimMillis], { quick: true }),
              ([outcome]) => outcome
            )
          )
      })
    })
  )

export const layer: Layer.Layer<ArticleCache, Config.ConfigError, RedisClient.RedisClient> = Layer.unwrap(
  Effect.map(CacheConfig, (config) => layerWith(config))
)
