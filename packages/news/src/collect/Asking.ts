/**
 * Asking: one search or feed, asked with the manners the whole fleet keeps:
 *   - a source that has named a time (Retry-After) is not asked before it, by nobody, over restarts; a feed has its own time
 *   - NewsData is not asked more often than its day allows
 *   - a feed is asked with what it last said of its version, and need not send it again
 * A wait longer than a run can bear is no failure: the run has nothing from there, and the next comes when it is over.
 */
import { Limit, RateLimiter } from "@eco2/core"
import type { RedisError } from "@eco2/core"
import { Duration, Effect, Metric, Schema } from "effect"
import { newsAsks } from "../Metrics.ts"
import * as FoundArticle from "../source/FoundArticle.ts"
import type { Found, NewsSource, Query, SourceError } from "../source/NewsSource.ts"
import { FeedVersions } from "./FeedVersions.ts"

/** NewsData's calls of the last day are used up. Nothing was asked. */
export class QuotaUsedUp extends Schema.TaggedError<QuotaUsedUp>()("QuotaUsedUp", { limit: Schema.String }) {
  override get message() {
    return `the daily calls of ${this.limit} are used up; it is not asked until some are free again`
  }
}

export type AskError = SourceError | QuotaUsedUp | RedisError.RedisError

/** NewsData's free day; in any 24 hours, so in any UTC day too. */
export const newsDataDay = Limit.make("news/newsdata", { requests: 200, window: "24 hours" })
/** Of nothing: paused while a source, or a feed, wants to be left alone. */
const pauses = Limit.make("news/pause", {})

/** The longest Retry-After a run waits for, and the longest that is believed. */
const mostWaitedMillis = 60_000
const mostPausedMillis = 86_400_000

const nothing: Found = { articles: [], rejected: 0, unchanged: false, validators: null }

/** What a failure says of when to come again; null: nothing. */
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
  const withinQuota = (source: NewsSource, query: Query): Effect.Effect<Found, AskError> =>
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

  /** Asks once. `articles` are empty, and nothing failed, where the source has asked for a long wait. */
  return Effect.fnUntraced(function* (source: NewsSource, query: Query): Effect.fn.Return<Found, AskError> {
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
