/**
 * NewsHandlers: answers news calls. A list's body is put together from articles that are JSON already. Its ETag is weak: the
 * articles and what comes after them, not the seconds the cache is still in force.
 */
import { Complaint, Postgres, RedisClient } from "@eco2/core"
import { Effect, Result } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { hash } from "node:crypto"
import { ArticleReading, NewsUnavailable } from "../store/ArticleReading.ts"
import type { Reading } from "../store/ArticleReading.ts"
import type { Query } from "../store/ArticlePage.ts"
import { orInternal, refused, unavailable } from "./HttpErrors.ts"
import { categories, NewsApi } from "./NewsApi.ts"
import * as NewsQuery from "./NewsQuery.ts"

/** A reader gives up rather than wait longer for a store. */
const patience = "8 seconds"
const cacheControl = "public, max-age=15"

/** Reads for whoever answers requests: bounded, its trouble said once. */
export const reader = Effect.gen(function* () {
  const reading = yield* ArticleReading
  const complaint = Complaint.make("news cannot be read", "news are read again")
  return (query: Query) =>
    reading.page(query).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.fail(new NewsUnavailable({ reason: "no answer in time" }))
      }),
      Effect.tap(() => complaint.well),
      Effect.tapError(complaint.failed)
    )
})

const etagOf = (articles: string, next: string | null) => `W/"${hash("sha1", `${next} ${articles}`, "base64url")}"`

/** Weak comparison, of any of a list. */
const isKnown = (given: string | undefined, etag: string) =>
  given !== undefined && (given.includes(etag.slice(2)) || given.trim() === "*")

const listResponse = ({ expiresIn, page, source, total }: Reading, known: string | undefined) => {
  const articles = page.articles.join(",")
  const etag = etagOf(articles, page.next)
  const headers = { etag, "cache-control": cacheControl }
  if (isKnown(known, etag)) return HttpServerResponse.empty({ status: 304, headers })
  // a cursor is digits and an id: it needs no quoting
  const next = page.next === null ? "null" : `"${page.next}"`
  return HttpServerResponse.text(
    `{"articles":[${articles}],"next_cursor":${next},"has_more":${page.more},"meta":{"total_cached":${total},"cache_expires_in":${expiresIn},"source":"${source}"}}`,
    { contentType: "application/json", headers }
  )
}

export const layer = HttpApiBuilder.group(
  NewsApi,
  "news",
  Effect.fnUntraced(function* (handlers) {
    const read = yield* reader
    const redis = yield* RedisClient.RedisClient
    const postgres = yield* Postgres.Postgres
    return handlers
      .handleRaw("list", ({ query, request }) => {
        const parsed = NewsQuery.parse(query)
        return Result.isFailure(parsed)
          ? Effect.succeed(refused(parsed.failure))
          : orInternal(
              read(parsed.success).pipe(
                Effect.map((reading) => listResponse(reading, request.headers["if-none-match"])),
                Effect.catch(() => Effect.succeed(refused(unavailable)))
              )
            )
      })
      .handleRaw("categories", () =>
        Effect.succeed(
          HttpServerResponse.jsonUnsafe(categories, { headers: { "cache-control": "public, max-age=3600" } })
        )
      )
      .handleRaw("health", () =>
        Effect.sync(() => {
          const state = { redis: redis.trouble() ?? "up", postgres: postgres.trouble() ?? "up" }
          const healthy = state.redis === "up" || state.postgres === "up"
          return HttpServerResponse.jsonUnsafe(
            {
              status: healthy ? "healthy" : "unhealthy",
              service: "news-api",
              redis: state.redis === "up" ? "up" : "down",
              postgres: state.postgres === "up" ? "up" : "down"
            },
            { status: healthy ? 200 : 503, headers: { "cache-control": "no-store" } }
          )
        })
      )
  })
)
