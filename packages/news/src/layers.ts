/** The roles of this package as layers, for composition roots. */
import { Worker } from "@eco2/core"
import { confirmPermissions, RedisClient } from "@eco2/core/redis"
import { GuardedFetch } from "@eco2/core/net"
import { Readiness } from "@eco2/core/telemetry"
import { CorsOrigins, ErrorBody, Pages } from "@eco2/core/http"
import { Migrations, Postgres } from "@eco2/core/postgres"
import { Effect, Layer, Schedule } from "effect"
import * as ArticleBehavior from "./collect/ArticleBehavior.ts"
import * as Collector from "./collect/Collector.ts"
import * as FeedMemory from "./collect/FeedMemory.ts"
import * as LookMemory from "./collect/LookMemory.ts"
import * as NewsSchedules from "./collect/NewsSchedules.ts"
import * as OgImage from "./collect/OgImage.ts"
import * as PictureSearch from "./collect/PictureSearch.ts"
import * as QuotaGauge from "./collect/QuotaGauge.ts"
import { NewsApi } from "./http/NewsApi.ts"
import * as NewsHandlers from "./http/NewsHandlers.ts"
import * as NewsPage from "./http/NewsPage.ts"
import * as NewsSources from "./source/NewsSources.ts"
import * as ArticleCache from "./store/ArticleCache.ts"
import * as ArticleKeyFill from "./store/ArticleKeyFill.ts"
import * as ArticleReading from "./store/ArticleReading.ts"
import * as CachePermissions from "./store/CachePermissions.ts"
import * as ArticleStore from "./store/ArticleStore.ts"

/** The migrations of this package. */
export const { migrations } = ArticleStore

/**
 * Prepares the database for the roles: applies missing migrations, and gives articles from before the article keys theirs.
 * Returns the migrations it applied. Many processes may run it at once.
 */
export const prepareDatabase = Effect.tap(Migrations.apply(migrations), () => ArticleKeyFill.fillAll)

/** Articles in both stores: saving, reading, warming. */
export const articles = ArticleReading.layer.pipe(
  Layer.provideMerge(Layer.merge(ArticleStore.layer, ArticleCache.layer))
)

const isAway = (error: { readonly _tag: string }) =>
  error._tag === "PostgresUnavailable" || error._tag === "PostgresBusy"
/** Fails only if the database is up and lacks the tables; what Redis holds can be shown without it. */
const databaseNotWrong = Migrations.check(migrations).pipe(Effect.catchIf(isAway, () => Effect.void))

/**
 * /readyz: not before a first page of news has been read, from whichever store. Until then the database may be starting, or the
 * cache be empty. Later troubles are for other checks.
 */
const firstAnswer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { register } = yield* Readiness
    const reading = yield* ArticleReading.ArticleReading
    let isRead = false
    yield* register("news", () => (isRead ? null : "no news could be read yet"))
    yield* reading.page({ list: "all", source: "all", hasImage: false, after: null, limit: 1 }).pipe(
      Effect.retry(Schedule.spaced("100 millis")),
      Effect.andThen(
        Effect.sync(() => {
          isRead = true
        })
      ),
      Effect.forkScoped
    )
  })
)

/** The news calls, the page at /news, and the calls' OpenAPI: routes for any process that serves HTTP. */
export const newsRoutes = Layer.mergeAll(
  firstAnswer,
  NewsHandlers.layer,
  Pages.description(NewsApi, { json: "/api/v1/info/openapi.json", page: "/api/v1/info/docs" }),
  NewsPage.layer
).pipe(Layer.provide(articles))

/** /readyz: one of the two stores is enough. */
const readiness = Layer.effectDiscard(
  Effect.gen(function* () {
    const { register } = yield* Readiness
    const redis = yield* RedisClient.RedisClient
    const postgres = yield* Postgres.Postgres
    yield* register("stores", () =>
      redis.trouble() === null || postgres.trouble() === null ? null : "neither Redis nor Postgres answers"
    )
  })
)

/** Waits while the database is down, without limit; fails if it lacks the tables. */
const databaseReady = Migrations.check(migrations).pipe(
  Effect.retry({ schedule: Schedule.spaced("1 second"), while: isAway })
)

/** The workers of runs and articles; needs the sources, the pages and the stores. */
export const collectionWith = (pictures: typeof PictureSearch.layer) =>
  Layer.mergeAll(Collector.layer, ArticleBehavior.layer, QuotaGauge.layer).pipe(
    Layer.provide(pictures),
    Layer.provide([FeedMemory.layer, LookMemory.layer])
  )
export const collection = collectionWith(PictureSearch.layer)

/** Role `news-worker`: collects by schedule from the sources that are on in this process. */
export const newsWorker = Layer.mergeAll(collection, NewsSchedules.layer, NewsSchedules.firstRuns).pipe(
  Layer.provide([NewsSources.layer, OgImage.layer, Worker.limits, articles]),
  Layer.provide(GuardedFetch.layer),
  Layer.provide(Layer.effectDiscard(databaseReady))
)
/** /readyz of a news-worker, which needs Postgres. */
export const workerReadiness = Layer.effectDiscard(
  Effect.gen(function* () {
    const { register } = yield* Readiness
    const postgres = yield* Postgres.Postgres
    yield* register("postgres", postgres.trouble)
  })
)

/** What news-api needs of its Redis user; for its RedisClient. */
export const newsApiPermissions = CachePermissions.layer

/** Role `news-api`: the routes in a process of their own. */
export const newsApi = Layer.unwrap(
  Effect.map(CorsOrigins.corsOrigins, (origins) =>
    Layer.mergeAll(
      newsRoutes,
      ErrorBody.layer,
      CorsOrigins.layer(origins, {
        methods: ["GET", "OPTIONS"],
        headers: ["content-type", "authorization", "if-none-match"],
        exposed: ["etag", "retry-after"]
      }),
      readiness,
      Layer.effectDiscard(databaseNotWrong),
      Layer.effectDiscard(confirmPermissions)
    )
  )
)
