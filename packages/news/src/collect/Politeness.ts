/**
 * Politeness: sends one query (a search or a feed) to its source, within rules that the whole fleet shares in Redis:
 *   - Retry-After: until that time no process queries the source (of feeds: that feed), not even after a restart
 *   - NewsData is not queried more often than its daily quota allows
 *   - a feed is requested with the validators of its last version, so that it need not be sent again
 * A wait that is too long for a run is not a failure: the run gets nothing from the source, and a later run queries it again.
 */
import { Limit, RateLimiter } from "@eco2/core"
import type { RedisError } from "@eco2/core"
import { Duration, Effect, Metric, Schema } from "effect"
import { newsAsks } from "../Metrics.ts"
import * as FoundArticle from "../source/FoundArticle.ts"
import type { Found, NewsSource, Query, SourceError } from "../source/NewsSource.ts"
import { FeedVersions } from "./FeedVersions.ts"

/** The fleet has used NewsData's calls of the last 24 hours. Nothing was sent. */
export class QuotaUsedUp extends Schema.TaggedError<QuotaUsedUp>()("QuotaUsedUp", { limit: Schema.String }) {
  override get message() {
    return `the daily calls of ${this.limit} are used up; no call is made until some are free again`
  }
}

export type QueryError = SourceError | QuotaUsedUp | RedisError.RedisError

/** NewsData's free quota: a day's calls in any 24 hours, and so in any UTC day. */
export const newsDataDay = Limit.make("news/newsdata", { requests: 200, window: "24 hours" })
/** Limits nothing; paused while a source or a feed asks us to back off. */
const pauses = Limit.make("news/pause", {})

/** The longest Retry-After that a run waits for, and the longest that is respected. */
const mostWaitedMillis = 60_000
const mostPausedMillis = 86_400_000

const nothing: Found = { articles: [], rejected: {}, unchanged: false, validators: null }

/** The Retry-After of an error; null if it has none. */
export const retryAfterMillis = (error: { readonly _tag: string }): number | null =>
  "retryAfterMillis" in error && typeof error.retryAfterMillis === "number" ? error.retryAfterMillis : null

export const make = Effect.gen(function* () {
  const limiter = yield* RateLimiter.RateLimiter
  const versions = yield* FeedVersions

  const counted = (query: Query, outcome: string) =>
    Metric.update(Metric.withAttributes(newsAsks, { source: query.source, outcome }), 1)

  const find = (source: NewsSource, query: Query): Effect.Effect<Found, SourceError> =>
    query.source === "rss"
      ? Effect.flatMap(versions.of(query.text), (known) => source.find(query, known))
      : source.find(query)
  const withinQuota = (source: NewsSource, query: Query): Effect.Effect<Found, QueryError> =>
    query.source === "newsdata"
      ? limiter
          .use(newsDataDay, { patience: 0 }, () => find(source, query))
          .pipe(
            Effect.catchTags({
              RateLimited: ({ limit }) => Effect.fail(new QuotaUsedUp({ limit })),
              PermitLost: Effect.die
            })
          )
      : find(source, query)

  /** Sends a query once. Returns no articles, without an error, while the source asks for a long wait. */
  return Effect.fnUntraced(function* (source: NewsSource, query: Query): Effect.fn.Return<Found, QueryError> {
    const key = query.source === "rss" ? `rss/${FoundArticle.hash("sha256", query.text, 24)}` : query.source
    return yield* limiter
      .use(pauses, { key, patience: 0 }, () =>
        withinQuota(source, query).pipe(
          Effect.tap(({ unchanged }) => counted(query, unchanged ? "unchanged" : "found")),
          Effect.tapError((error) => counted(query, error._tag)),
          Effect.catchIf(
            (error) => retryAfterMillis(error) !== null,
            (error) => {
              const millis = Math.min(retryAfterMillis(error) ?? 0, mostPausedMillis)
              const paused = limiter.pause(pauses, Duration.millis(millis), key)
              return Effect.andThen(
                paused,
                millis <= mostWaitedMillis
                  ? Effect.fail(error)
                  : Effect.as(
                      Effect.logWarning("a news source asked us to back off").pipe(
                        Effect.annotateLogs({ source: query.source, seconds: Math.ceil(millis / 1000) })
                      ),
                      nothing
                    )
              )
            }
          )
        )
      )
      .pipe(
        Effect.catchTags({
          RateLimited: () => Effect.as(counted(query, "paused"), nothing),
          PermitLost: Effect.die
        })
      )
  })
})
