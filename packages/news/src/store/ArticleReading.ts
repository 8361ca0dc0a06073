/**
 * ArticleReading: reads a page from Redis first, and from Postgres on a miss, beyond the cached articles, or while Redis is down.
 * Both stores have the same order and cursors, so that a reader may change stores from page to page (N1).
 *   N3  Redis being down is not an error: a reader waits for it half a second at most, then Redis is skipped (OutageGate)
 *   N4  however many readers miss at once, one process of the fleet fills the cache, by one statement; its other readers are
 *       answered from what it read, readers of other processes read their page, equal pages together
 *   N5  while Postgres is down, the articles still in Redis are shown, also from expired lists
 * Used by NewsHandlers and NewsPage; `warm` is for processes that store articles.
 */
import { RedisError } from "@eco2/core"
import { OutageLog } from "@eco2/core/telemetry"
import type { PostgresError } from "@eco2/core/postgres"
import { Context, Effect, Layer, Metric, Schema } from "effect"
import { ArticleCache } from "./ArticleCache.ts"
import type { Claim, Lookup } from "./ArticleCache.ts"
import { cut } from "./ArticlePage.ts"
import type { Page, Query } from "./ArticlePage.ts"
import { ArticleStore } from "./ArticleStore.ts"
import type { Snapshot } from "./ArticleStore.ts"
import * as OutageGate from "./OutageGate.ts"
import { newsReads, newsWarms } from "../Metrics.ts"
import * as SingleFlight from "./SingleFlight.ts"

/** Neither store can answer. Retrying later is safe. */
export class NewsUnavailable extends Schema.TaggedError<NewsUnavailable>()("NewsUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `news cannot be read: ${this.reason}`
  }
}

export interface Reading {
  readonly page: Page
  readonly source: "redis" | "postgres"
  /** Articles of the list in the cache; 0 if not known. */
  readonly total: number
  /** Whole seconds that the list is still current; 0 from Postgres. */
  readonly expiresIn: number
}

export class ArticleReading extends Context.Service<
  ArticleReading,
  {
    readonly page: (query: Query) => Effect.Effect<Reading, NewsUnavailable>
    /** Fills the cache from Postgres after articles were stored; returns the length of the list `all`. */
    readonly warm: Effect.Effect<number, PostgresError.PostgresError | RedisError.RedisError>
  }
>()("@eco2/news/store/ArticleReading") {}

/** The longest that readers wait for the cache to be written after a miss, so that the next ones find it. */
const writePatience = "2 seconds"
/** The longest a reader waits for Postgres. */
const storePatience = "8 seconds"

const reads = {
  redis: Metric.withAttributes(newsReads, { source: "redis" }),
  postgres: Metric.withAttributes(newsReads, { source: "postgres" }),
  stale: Metric.withAttributes(newsReads, { source: "stale" }),
  none: Metric.withAttributes(newsReads, { source: "none" })
}
const warms = (outcome: "warmed" | "older" | "failed") =>
  Metric.update(Metric.withAttributes(newsWarms, { outcome }), 1)

type Filling = Snapshot | Exclude<Claim, "mine">

const fromCache = ({ expiresMillis, page, total }: Extract<Lookup, { _tag: "Hit" }>): Reading => ({
  page,
  source: "redis",
  total,
  expiresIn: Math.ceil(expiresMillis / 1000)
})

const keyOf = ({ after, hasImage, limit, list, source }: Query) =>
  [list, source, hasImage, limit, after?.millis, after?.id].join(" ")

export const layer: Layer.Layer<ArticleReading, never, ArticleStore | ArticleCache> = Layer.effect(
  ArticleReading,
  Effect.gen(function* () {
    const store = yield* ArticleStore
    const cache = yield* ArticleCache
    const gate = OutageGate.make()
    const outage = OutageLog.make("the news cache cannot be filled", "the news cache is filled again")
    const pages = yield* SingleFlight.make<Page, PostgresError.PostgresError>()
    const fillings = yield* SingleFlight.make<Filling, PostgresError.PostgresError>()

    /** Null: Redis does not answer, or refuses. A final error counts as a miss. */
    const look = (query: Query, stale: boolean): Effect.Effect<Lookup | null> =>
      gate
        .pass(cache.page(query, { stale }), RedisError.isTransient)
        .pipe(Effect.catch((error) => Effect.as(outage.failed(error), { _tag: "Miss" as const, asOf: "" })))

    const write = (snapshot: Snapshot) =>
      cache.warm(snapshot).pipe(
        Effect.tap((warmed) => Effect.andThen(warms(warmed ? "warmed" : "older"), outage.over)),
        Effect.tapError((error) => Effect.andThen(warms("failed"), outage.failed(error)))
      )
    /** Caches Postgres's newest articles; does nothing if another process fills or has filled the cache, or if Redis refuses. */
    const fill = Effect.fnUntraced(function* (asOf: string): Effect.fn.Return<Filling, PostgresError.PostgresError> {
      const claim = yield* cache.claim(asOf).pipe(
        Effect.tapError(outage.failed),
        Effect.orElseSucceed(() => "taken" as const)
      )
      if (claim !== "mine") return claim
      const snapshot = yield* store.newest
      yield* Effect.ignore(Effect.timeout(write(snapshot), writePatience))
      return snapshot
    })

    const fromStore = (query: Query, total: number) =>
      Effect.map(pages(keyOf(query), store.page(query)), (page): Reading => ({
        page,
        source: "postgres",
        total,
        expiresIn: 0
      }))
    const missed = Effect.fnUntraced(function* (query: Query, asOf: string) {
      const filling = yield* fillings(asOf, fill(asOf))
      if (filling === "filled") {
        const found = yield* look(query, false)
        return found?._tag === "Hit" ? fromCache(found) : yield* fromStore(query, 0)
      }
      const loaded = filling === "taken" ? undefined : filling.lists.get(query.list)
      const page = loaded === undefined ? undefined : cut(loaded, query)
      const total = loaded?.articles.length ?? 0
      return page === undefined
        ? yield* fromStore(query, total)
        : ({ page, source: "postgres", total, expiresIn: 0 } satisfies Reading)
    })
    /** While Postgres is down: what Redis still has. */
    const stale = (query: Query, away: boolean, error: { readonly message: string }) =>
      Effect.flatMap(away ? Effect.succeed(null) : look(query, true), (found) =>
        found?._tag === "Hit"
          ? Effect.as(Metric.update(reads.stale, 1), fromCache(found))
          : Effect.andThen(Metric.update(reads.none, 1), Effect.fail(new NewsUnavailable({ reason: error.message })))
      )

    return ArticleReading.of({
      page: Effect.fnUntraced(function* (query) {
        const found = yield* look(query, false)
        if (found?._tag === "Hit") {
          yield* Metric.update(reads.redis, 1)
          return fromCache(found)
        }
        const read = found?._tag === "Miss" ? missed(query, found.asOf) : fromStore(query, found?.total ?? 0)
        return yield* read.pipe(
          Effect.timeoutOrElse({
            duration: storePatience,
            orElse: () => Effect.fail({ message: "no answer in time" })
          }),
          Effect.tap(({ source }) => Metric.update(reads[source], 1)),
          Effect.catch((error) => stale(query, found === null, error))
        )
      }),
      warm: Effect.gen(function* () {
        const snapshot = yield* store.newest
        yield* write(snapshot)
        return snapshot.lists.get("all")?.articles.length ?? 0
      })
    })
  })
)
