/** Collection runs as jobs: from a source's reply to what readers are answered, each article once, whatever comes again. */
import { expect, it } from "@effect/vitest"
import { Core, CoreConfig, JobStore, Migrations, Pipeline, RedisClient } from "@eco2/core"
import type { Job } from "@eco2/core"
import { ConfigProvider, Context, Effect, Layer, References } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Collector from "../../../packages/news/src/collect/Collector.ts"
import { NewsPipeline } from "../../../packages/news/src/collect/NewsPipeline.ts"
import type { Run } from "../../../packages/news/src/collect/NewsPipeline.ts"
import * as OgImage from "../../../packages/news/src/collect/OgImage.ts"
import { categories } from "../../../packages/news/src/domain/Article.ts"
import { articles } from "../../../packages/news/src/layers.ts"
import * as NewsSources from "../../../packages/news/src/source/NewsSources.ts"
import { ArticleReading } from "../../../packages/news/src/store/ArticleReading.ts"
import { migrations } from "../../../packages/news/src/store/ArticleStore.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer, postgresLayer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import { query } from "../NewsFixture.ts"

const redis = privateRedis()
let world: FakeNews
beforeAll(async () => {
  world = await FakeNews.start()
})
afterAll(() => world.close())

onServer("a collection run", (database) => {
  /** A news-worker, and whoever hands it runs. */
  const worker = (env: Readonly<Record<string, string>> = world.env) =>
    Effect.gen(function* () {
      yield* Effect.provide(Migrations.apply(migrations), postgresLayer(database()))
      const layer = Collector.layer.pipe(
        Layer.provide([NewsSources.layer, OgImage.layer, Core.limits]),
        Layer.provideMerge(articles),
        Layer.provideMerge(Core.worker({ role: "news-worker" })),
        Layer.provide([world.guard(), postgresLayer(database())]),
        Layer.provideMerge(Layer.merge(RedisClient.layerUrl(redis.url), CoreConfig.layerWith({}))),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Layer.fresh
      )
      const context = yield* Effect.orDie(Layer.build(layer))
      const store = Context.get(context, JobStore.JobStore)
      const ended = (id: Job.JobId) =>
        Effect.orDie(
          until(Effect.orDie(store.get(id)), (job) => job !== null && (job.state === "done" || job.state === "failed"))
        )
      return {
        run: (run: Run) =>
          Effect.gen(function* () {
            const { id } = yield* Effect.orDie(Pipeline.submit(NewsPipeline, run, { owner: "", key: null }))
            const job = (yield* ended(id))!
            const text = job.outputs.get("warm")
            return { state: job.state, error: job.error, result: text === undefined ? null : JSON.parse(text) }
          }).pipe(Effect.provideContext(context)),
        page: Effect.orDie(Context.get(context, ArticleReading).page(query({ limit: 50 })))
      }
    })
  const quietly = Effect.provideService(References.MinimumLogLevel, "None")

  it.live(
    "fetches, finds pictures, stores and shows; the same again changes nothing and loses nothing",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker()
          const runs = categories.map((category) => ({ source: "naver", category }) as const)
          const first = yield* Effect.forEach(runs, news.run, { concurrency: 3 })
          expect(first.map(({ state }) => state)).toEqual(["done", "done", "done"])
          const unique = first.reduce((sum, { result }) => sum + result.unique, 0)
          const pictured = first.reduce((sum, { result }) => sum + result.with_images, 0)
          // each of the runs finds one article of another's, at an address with a tracking parameter
          expect([first.reduce((sum, { result }) => sum + result.saved, 0), unique]).toEqual([80, 83])
          expect(pictured).toBeGreaterThan(unique / 2)
          const page = yield* news.page
          expect([page.source, page.total]).toEqual(["redis", 80])
          const again = yield* Effect.forEach(runs, news.run, { concurrency: 3 })
          expect(again.map(({ result }) => result.saved)).toEqual([0, 0, 0])
          expect((yield* news.page).total).toBe(80)
          expect(world.trespasses).toEqual([])
        })
      ),
    60_000
  )

  it.live(
    "one source that fails stops no other; one that is off here fails its own run, and says what to set",
    () =>
      quietly(
        Effect.gen(function* () {
          const { NAVER_CLIENT_ID: _, ...rest } = world.env
          const news = yield* worker(rest)
          world.next("newsdata", { _tag: "Http", status: 401, body: "{}" })
          const [refused, off, feeds] = yield* Effect.forEach(
            [
              { source: "newsdata", category: "energy" },
              { source: "naver", category: "energy" },
              { source: "rss", category: null }
            ] as const,
            news.run,
            { concurrency: 3 }
          )
          expect(refused).toMatchObject({ state: "failed", error: { code: "SourceRefused" } })
          expect(off).toMatchObject({
            state: "failed",
            error: { code: "SourceOff", message: expect.stringContaining("NAVER_CLIENT_ID") }
          })
          expect(feeds!.state).toBe("done")
          expect((yield* news.page).total).toBe(feeds!.result.unique)
        })
      ),
    60_000
  )
})
