/** NewsWorker: a news-worker as in production, on real stores and FakeNews, and a submitter of runs. */
import { CoreConfig, JobStore, Pipeline, Schedules, Worker } from "@eco2/core"
import type { Job } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Gauges } from "@eco2/core/telemetry"
import { Migrations } from "@eco2/core/postgres"
import { ConfigProvider, Context, Effect, Layer, References, Schedule } from "effect"
import type { Duration } from "effect"
import * as LookMemory from "../../../packages/news/src/collect/LookMemory.ts"
import { NewsPipeline } from "../../../packages/news/src/collect/NewsPipeline.ts"
import type { Collected, Run } from "../../../packages/news/src/collect/NewsPipeline.ts"
import * as NewsSchedules from "../../../packages/news/src/collect/NewsSchedules.ts"
import * as OgImage from "../../../packages/news/src/collect/OgImage.ts"
import * as PictureSearch from "../../../packages/news/src/collect/PictureSearch.ts"
import { articles, collectionWith } from "../../../packages/news/src/layers.ts"
import * as NewsSources from "../../../packages/news/src/source/NewsSources.ts"
import { ArticleReading } from "../../../packages/news/src/store/ArticleReading.ts"
import { ArticleStore, migrations } from "../../../packages/news/src/store/ArticleStore.ts"
import { until } from "../../core/CoreFixture.ts"
import { postgresLayer } from "../../core/postgres/PostgresFixture.ts"
import type { Database } from "../../core/postgres/PostgresFixture.ts"
import type { FakeNews } from "../../harness/FakeNews.ts"
import { query } from "../NewsFixture.ts"

export const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const untilDeclared = Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))

interface Ended {
  readonly state: Job.Job["state"]
  readonly error: Job.Job["error"]
  /** The result of a done run. */
  readonly result: typeof Collected.Type
}

/** `env`: beside FakeNews's own. `looks`: the time limit of a look; `late`: of a run's late looks. No source's schedule fires while a test runs. */
export const make = Effect.fnUntraced(function* (given: {
  readonly world: FakeNews
  readonly redis: string
  readonly database: Database
  readonly env?: Readonly<Record<string, string>>
  readonly looks?: Duration.Duration
  readonly late?: Duration.Duration
}) {
  const { database, late, looks, redis, world } = given
  const env = {
    NEWS_INTERVAL_NAVER: "19000 days",
    NEWS_INTERVAL_NEWSDATA: "19000 days",
    ...(given.env ?? world.env)
  }
  yield* Effect.orDie(Effect.provide(Migrations.apply(migrations), postgresLayer(database)))
  const layer = Layer.merge(
    collectionWith(late === undefined ? PictureSearch.layer : PictureSearch.layerWith({ latest: late })),
    NewsSchedules.layer
  ).pipe(
    Layer.provide([NewsSources.layer, Worker.limits]),
    Layer.provideMerge(
      Layer.mergeAll(articles, LookMemory.layer, looks === undefined ? OgImage.layer : OgImage.layerWith(looks))
    ),
    Layer.provideMerge(Worker.layer({ role: "news-worker" })),
    Layer.provideMerge(Gauges.layer),
    Layer.provide([world.guard(), postgresLayer(database)]),
    Layer.provideMerge(Layer.merge(RedisClient.layerUrl(redis), CoreConfig.layerWith({}))),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
    Layer.fresh
  )
  const context = yield* Effect.orDie(Layer.build(layer))
  const store = Context.get(context, JobStore.JobStore)
  const client = Context.get(context, RedisClient.RedisClient)
  const schedules = Context.get(context, Schedules.Schedules)

  const ended = (id: Job.JobId): Effect.Effect<Ended> =>
    until(Effect.orDie(store.get(id)), (job) => job !== null && (job.state === "done" || job.state === "failed")).pipe(
      Effect.map((job) => ({
        state: job!.state,
        error: job!.error,
        result: JSON.parse(job!.outputs.get("warm") ?? "null") as typeof Collected.Type
      }))
    )
  const submit = (given: Run): Effect.Effect<Job.JobId> =>
    Pipeline.submit(NewsPipeline, given, { owner: "", key: null }).pipe(
      Effect.orDie,
      Effect.map(({ id }) => id),
      Effect.provideContext(context)
    )
  const run = (given: Run): Effect.Effect<Ended> => Effect.flatMap(submit(given), ended)
  return {
    run,
    /** Submits a run and does not wait for it. */
    submit,
    ended,
    job: (id: Job.JobId) => Effect.orDie(store.get(id)),
    scrape: Context.get(context, Gauges).readAll,
    /** The services of this worker. */
    services: Layer.succeedContext(context),
    /** Runs a declared schedule as at a slot, and waits for the run's job. */
    runNow: (name: string): Effect.Effect<Ended | null> =>
      schedules.runNow(name).pipe(
        Effect.retry({ schedule: untilDeclared, while: ({ _tag }) => _tag === "ScheduleUnknown" }),
        Effect.orDie,
        Effect.flatMap((id) => (id === null ? Effect.succeed(null) : ended(id as Job.JobId)))
      ),
    schedules,
    articles: Context.get(context, ArticleStore),
    /** What readers are shown; the newest fifty. */
    page: Effect.orDie(Context.get(context, ArticleReading).page(query({ limit: 50 }))),
    send: (...words: readonly [string, ...ReadonlyArray<string | number>]) => Effect.orDie(client.send(...words))
  }
})
