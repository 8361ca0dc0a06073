/**
 * NewsHandlers: answers the news calls. A list's body is joined from articles that are JSON already. Its ETag is weak: it covers
 * the articles and whether more follow, but not the remaining lifetime of the cache.
 */
import { OutageLog } from "@eco2/core/telemetry"
import { ErrorBody, Refusal } from "@eco2/core/http"
import { Postgres } from "@eco2/core/postgres"
import { RedisClient } from "@eco2/core/redis"
import { Effect, Result } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { hash } from "node:crypto"
import { ArticleReading } from "../store/ArticleReading.ts"
import type { Reading } from "../store/ArticleReading.ts"
import type { Query } from "../store/ArticlePage.ts"
import { categories } from "./NewsApi.ts"
import * as NewsQuery from "./NewsQuery.ts"

const cacheControl = "public, max-age=15"

/** The reader behind the handlers; an outage is logged once. */
export const reader = Effect.gen(function* () {
  const reading = yield* ArticleReading
  const outage = OutageLog.make("news cannot be read", "news is read again")
  return (query: Query) =>
    reading.page(query).pipe(
      Effect.tap(() => outage.over),
      Effect.tapError(outage.failed)
    )
})

const etagOf = (articles: string, next: string | null) => `W/"${hash("sha1", `${next} ${articles}`, "base64url")}"`

/** Whether If-None-Match, perhaps a list, contains the ETag; weak comparison. */
const isKnown = (given: string | undefined, etag: string) =>
  given !== undefined && (given.includes(etag.slice(2)) || given.trim() === "*")

const listResponse = ({ expiresIn, page, source, total }: Reading, known: string | undefined) => {
  const articles = page.articles.join(",")
  const etag = etagOf(articles, page.next)
  const headers = { etag, "cache-control": cacheControl }
  if (isKnown(known, etag)) {
    return HttpServerResponse.empty({ status: 304, headers: { ...headers, vary: "Accept-Encoding" } })
  }
  // a cursor is digits and an id: it needs no escaping
  const next = page.next === null ? "null" : `"${page.next}"`
  return HttpServerResponse.text(
    `{"articles":[${articles}],"next_cursor":${next},"has_more":${page.more},"meta":{"total_cached":${total},"cache_expires_in":${expiresIn},"source":"${source}"}}`,
    { contentType: "application/json", headers }
  )
}

/** A refusal is not cached. */
const refused = (refusal: Refusal.Refusal) =>
  HttpServerResponse.setHeader(Refusal.toResponse(refusal), "cache-control", "no-store")
const unavailable = refused(Refusal.unavailable("the news cannot be read; try again"))

const base = "/api/v1/info"

/**
 * Plain routes: HttpApi's own work would be a third of a request's cost here. NewsApi describes them; NewsApi.test checks answer
 * by answer that both agree.
 */
export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const read = yield* reader
    const redis = yield* RedisClient.RedisClient
    const postgres = yield* Postgres.Postgres
    const list = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, url }) => {
      const parsed = NewsQuery.ofUrl(url)
      return Result.isFailure(parsed)
        ? Effect.succeed(refused(parsed.failure))
        : read(parsed.success).pipe(
            Effect.map((reading) => listResponse(reading, headers["if-none-match"])),
            Effect.catch(() => Effect.succeed(unavailable))
          )
    })
    const categoryNames = HttpServerResponse.jsonUnsafe(categories, {
      headers: { "cache-control": "public, max-age=3600" }
    })
    const health = Effect.sync(() => {
      const up = { redis: redis.trouble() === null, postgres: postgres.trouble() === null }
      const healthy = up.redis || up.postgres
      return HttpServerResponse.jsonUnsafe(
        {
          status: healthy ? "healthy" : "unhealthy",
          service: "news-api",
          redis: up.redis ? "up" : "down",
          postgres: up.postgres ? "up" : "down"
        },
        { status: healthy ? 200 : 503, headers: { "cache-control": "no-store" } }
      )
    })
    yield* router.add("GET", `${base}/news`, ErrorBody.orInternal(list))
    yield* router.add("GET", `${base}/news/categories`, Effect.succeed(categoryNames))
    yield* router.add("GET", `${base}/health`, health)
  })
)
