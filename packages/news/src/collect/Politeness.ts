/**
 * Politeness: sends one query (a search or a feed) to its source, within rules that the whole fleet shares in Redis:
 *   - Retry-After: until that time no process queries the source (of feeds: that feed), not even after a restart; a source that
 *     asks for fewer calls and names no time (429) is not queried again before its schedule's next slot
 *   - NewsData is not queried more often than its daily quota allows
 *   - a feed is requested with the validators of its last version, so that it need not be sent again, at the address that it has
 *     moved to; one that is gone (410) is not requested for a day
 * A wait that is too long for a run is not a failure: the run gets nothing from the source, and a later run queries it again.
 */
import { Limit, RateLimiter } from "@eco2/core"
import type { RedisError } from "@eco2/core"
import { Duration, Effect, Metric, Schema } from "effect"
import { newsAsks } from "../Metrics.ts"
import type { Found, NewsSource, Query, SourceError } from "../source/NewsSource.ts"
import { feedId } from "../source/RssSource.ts"
import { FeedMemory, here } from "./FeedMemory.ts"
import * as Intervals from "./Intervals.ts"

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

/** What came of a query. `skipped`: why it was not sent, or has no answer; the reason is no failure of the run. */
export interface Answer extends Found {
  readonly skipped: "paused" | "gone" | null
}
const nothing = (skipped: "paused" | "gone"): Answer => ({
  articles: [],
  rejected: {},
  unchanged: false,
  validators: null,
  movedTo: null,
  skipped
})

/** The Retry-After of an error; null if it has none. */
export const retryAfterMillis = (error: { readonly _tag: string }): number | null =>
  "retryAfterMillis" in error && typeof error.retryAfterMillis === "number" ? error.retryAfterMillis : null

export const make = Effect.gen(function* () {
  const limiter = yield* RateLimiter.RateLimiter
  const memory = yield* FeedMemory
  const intervals = yield* Intervals.intervals

  const counted = (query: Query, outcome: string) =>
    Metric.update(Metric.withAttributes(newsAsks, { source: query.source, outcome }), 1)
  const told = (message: string, query: Query, facts: Readonly<Record<string, unknown>> = {}) =>
    Effect.logWarning(message).pipe(
      // a feed's query may contain its key
      Effect.annotateLogs({ source: query.source, search: query.text.split("?", 1)[0], ...facts })
    )

  const findFeed = Effect.fnUntraced(function* (
    source: NewsSource,
    query: Query
  ): Effect.fn.Return<Answer, SourceError> {
    const { place, version } = yield* memory.of(query.text)
    if (place.gone) return nothing("gone")
    const found = yield* source.find(query, { validators: version, movedTo: place.moved_to }).pipe(
      Effect.tapError((error) =>
        error._tag === "SourceGone"
          ? memory.rememberPlace(query.text, { moved_to: null, gone: true })
          : // the next run asks the address that the operator wrote
            place.moved_to === null
            ? Effect.void
            : memory.rememberPlace(query.text, here)
      )
    )
    if (found.movedTo !== null && found.movedTo !== place.moved_to) {
      yield* told("a feed has moved", query, { to: found.movedTo.split("?", 1)[0] })
      yield* memory.rememberPlace(query.text, { moved_to: found.movedTo, gone: false })
    }
    return { ...found, skipped: null }
  })
  const find = (source: NewsSource, query: Query): Effect.Effect<Answer, SourceError> =>
    query.source === "rss"
      ? findFeed(source, query)
      : Effect.map(source.find(query), (found): Answer => ({ ...found, skipped: null }))
  const withinQuota = (source: NewsSource, query: Query): Effect.Effect<Answer, QueryError> =>
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

  /** Up to a little before the next slot, so that this one finds it over. */
  const untilNextSlot = (query: Query) => {
    const interval = Duration.toMillis(Intervals.of(query.source, intervals))
    return Math.max(1_000, interval - Math.min(5_000, interval / 10))
  }
  /** The source asks us to come back later: the fleet waits, and so does this run if that is soon. */
  const backedOff = (query: Query, key: string, error: QueryError): Effect.Effect<Answer, QueryError> => {
    const named = retryAfterMillis(error)
    if (error._tag === "SourceGone") {
      return Effect.as(told("a feed is gone; remove it from NEWS_FEEDS", query), nothing("gone"))
    }
    if (named === null && error._tag !== "SourceRateLimited") return Effect.fail(error)
    const millis = Math.min(named ?? untilNextSlot(query), mostPausedMillis)
    return Effect.andThen(
      limiter.pause(pauses, Duration.millis(millis), key),
      named !== null && named <= mostWaitedMillis
        ? Effect.fail(error)
        : Effect.as(
            told("a news source asked us to back off", query, { seconds: Math.ceil(millis / 1000) }),
            nothing("paused")
          )
    )
  }

  /** Sends a query once. Returns no articles, without an error, while the source asks for a long wait, and from a feed that is gone. */
  return Effect.fnUntraced(function* (source: NewsSource, query: Query): Effect.fn.Return<Answer, QueryError> {
    const key = query.source === "rss" ? `rss/${feedId(query.text)}` : query.source
    return yield* limiter
      .use(pauses, { key, patience: 0 }, () =>
        withinQuota(source, query).pipe(
          Effect.tap(({ skipped, unchanged }) => counted(query, skipped ?? (unchanged ? "unchanged" : "found"))),
          Effect.tapError((error) => counted(query, error._tag)),
          Effect.catch((error) => backedOff(query, key, error))
        )
      )
      .pipe(
        Effect.catchTags({
          RateLimited: () => Effect.as(counted(query, "paused"), nothing("paused")),
          PermitLost: Effect.die
        })
      )
  })
})
