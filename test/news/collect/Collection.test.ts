/** Collection runs as jobs: from a source's reply to what readers get, each article once, whatever is repeated. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Metric } from "effect"
import { afterAll, beforeAll, beforeEach } from "vitest"
import { categories } from "../../../packages/news/src/domain/Article.ts"
import * as Metrics from "../../../packages/news/src/Metrics.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import * as NewsWorker from "./NewsWorker.ts"

const redis = privateRedis()
let world: FakeNews
beforeAll(async () => {
  world = await FakeNews.start()
})
beforeEach(() => {
  world.isSlow = false
})
afterAll(() => world.close())

const feeds = { source: "rss", category: null } as const
const energy = { source: "newsdata", category: "energy" } as const

onServer("a collection run", (database) => {
  const worker = (
    given: { readonly env?: Readonly<Record<string, string>>; readonly looks?: Duration.Duration } = {}
  ) => NewsWorker.make({ world, redis: redis.url, database: database(), ...given })
  const { quietly } = NewsWorker
  it.live(
    "a run fetches, finds pictures, stores and shows its articles, and the same run again changes nothing",
    () =>
      quietly(
        Effect.gen(function* () {
          // how long a page may take is another test's: here a busy machine must not decide who has a picture
          const news = yield* worker({ looks: Duration.seconds(20) })
          const runs = categories.map((category) => ({ source: "naver", category }) as const)
          const first = yield* Effect.forEach(runs, news.run, { concurrency: 3 })
          expect(first.map(({ state }) => state)).toEqual(["done", "done", "done"])
          const unique = first.reduce((sum, { result }) => sum + result.unique, 0)
          // two runs each find three of them, with and without a tracking parameter
          expect(unique).toBe(83)
          expect(first.reduce((sum, { result }) => sum + result.saved, 0)).toBe(80)
          // those that a busy machine does not find within the run's time come after it
          const pictured = Effect.map(news.articles.pictures(world.pages.map(({ url }) => url)), ({ size }) => size)
          yield* until(pictured, (count) => count > unique / 2)
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
    "a source that fails stops no other, and a run of one without its key fails and names the setting",
    () =>
      quietly(
        Effect.gen(function* () {
          const { NAVER_CLIENT_ID: _, ...rest } = world.env
          const news = yield* worker({ env: rest })
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

  it.live(
    "while every source fails readers keep their articles: a schedule renews the cache",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker({ env: { ...world.env, NEWS_CACHE_TTL: "2 hours" } })
          yield* news.run(feeds)
          const inForce = Effect.map(news.send("HGET", "eco2:{news}:state", "until"), Number)
          const before = yield* inForce
          world.next("rss", { _tag: "Http", status: 403 })
          expect((yield* news.run(feeds)).state).toBe("failed")
          expect(yield* inForce).toBe(before)
          expect(yield* news.runNow("news-refresh")).toBe(null)
          yield* until(inForce, (now) => now > before)
          const { source, total } = yield* news.page
          expect([source, total]).toEqual(["redis", 5])
          const refresh = (yield* Effect.orDie(news.schedules.list)).find(({ name }) => name === "news-refresh")
          expect(refresh?.timing).toContain("1h")
        })
      ),
    60_000
  )

  it.live("a run is counted: requests, articles found, looked at and stored, and NewsData's daily quota in use", () =>
    Effect.gen(function* () {
      const { NAVER_CLIENT_ID: _, ...env } = world.env
      const news = yield* worker({ env })
      yield* news.run(energy)
      yield* news.run(energy)
      yield* news.run({ source: "naver", category: "ai" })
      yield* news.scrape
      const count = (metric: Metric.Counter<number>, labels: Record<string, string>) =>
        Effect.map(Metric.value(Metric.withAttributes(metric, labels)), (state) => state.count)
      const gauge = (metric: Metric.Gauge<number>, labels: Record<string, string>) =>
        Effect.map(Metric.value(Metric.withAttributes(metric, labels)), ({ value }) => value)
      const source = "newsdata"
      expect(yield* count(Metrics.newsAsks, { source, outcome: "found" })).toBe(2)
      expect(yield* count(Metrics.newsRuns, { source, outcome: "completed" })).toBe(2)
      expect((yield* Metric.value(Metric.withAttributes(Metrics.newsRunSeconds, { source }))).count).toBe(2)
      expect(yield* count(Metrics.newsArticles, { source, count: "fetched" })).toBe(20)
      expect(yield* count(Metrics.newsArticles, { source, count: "saved" })).toBe(10)
      expect(yield* count(Metrics.newsArticles, { source, count: "with_images" })).toBe(14)
      expect(yield* count(Metrics.newsLooks, { outcome: "found" })).toBe(7)
      expect(yield* count(Metrics.newsLooks, { outcome: "stored" })).toBe(7)
      expect(yield* gauge(Metrics.newsQuotaUsed, {})).toBe(2)
      expect(yield* gauge(Metrics.newsSourceOff, { source: "naver" })).toBe(1)
      expect(yield* gauge(Metrics.newsSourceOff, { source })).toBe(0)
    }).pipe(quietly, Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
