/** Feeds between runs: their versions and retry times are kept for the whole fleet. */
import { expect, it } from "@effect/vitest"
import { CoreConfig } from "@eco2/core"
import { LimitList } from "@eco2/core/operations"
import { Postgres } from "@eco2/core/postgres"
import { RedisClient } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import { Effect, Layer, Metric } from "effect"
import { afterAll, beforeAll } from "vitest"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer, postgresLayer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import * as NewsWorker from "./NewsWorker.ts"

const redis = privateRedis()
let world: FakeNews
beforeAll(async () => {
  world = await FakeNews.start()
  world.isSlow = false
})
afterAll(() => world.close())

const feeds = { source: "rss", category: null } as const

onServer("a run of feeds", (database) => {
  const worker = (given: { readonly env?: Readonly<Record<string, string>> } = {}) =>
    NewsWorker.make({ world, redis: redis.url, database: database(), ...given })
  const { quietly } = NewsWorker

  it.live(
    "an unchanged feed is not sent again to any worker, and its run changes no article",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker()
          const { result } = yield* news.run(feeds)
          expect([result.fetched, result.saved]).toEqual([5, 5])
          const shown = (yield* news.page).page.articles
          const other = yield* worker()
          const again = yield* other.run(feeds)
          expect(world.calls.at(-1)?.headers["if-none-match"]).toBe('"v1"')
          expect(again.result).toMatchObject({ status: "completed", fetched: 0, unique: 0, saved: 0, cached: 5 })
          expect((yield* other.page).page.articles).toEqual(shown)
        })
      ),
    60_000
  )

  it.live(
    "a feed's version is kept for a day from its last full answer: an unchanged feed does not renew it",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker()
          yield* news.run(feeds)
          const [key] = (yield* news.send("KEYS", "eco2:{news}:feed:*")) as ReadonlyArray<string>
          const left = Effect.map(news.send("PTTL", key!), Number)
          expect(yield* left).toBeGreaterThan(86_000_000)
          yield* news.send("PEXPIRE", key!, 80_000_000)
          const again = yield* news.run(feeds)
          expect(again.result).toMatchObject({ status: "completed", fetched: 0 })
          expect(yield* left).toBeLessThanOrEqual(80_000_000)
        })
      ),
    60_000
  )

  it.live(
    "a feed that answers 429 does not stop the other feeds, and is not asked before its Retry-After",
    () =>
      quietly(
        Effect.gen(function* () {
          const env = { ...world.env, NEWS_FEEDS: `${world.feedUrl},${world.url}/feeds/other.xml` }
          const news = yield* worker({ env })
          const asked = () => world.calls.splice(0).map(({ url }) => url.pathname)
          asked()
          world.next("rss", { _tag: "Http", status: 429, headers: { "retry-after": "3600" } })
          const run = yield* news.run(feeds)
          expect([run.state, run.result.fetched]).toEqual(["done", 5])
          const [limited, well] = asked()
          const again = yield* Effect.flatMap(worker({ env }), (other) => other.run(feeds))
          expect([again.state, asked()]).toEqual(["done", [well]])
          expect(limited).not.toBe(well)
        })
      ),
    60_000
  )

  it.live(
    "a feed that fails does not stop the other feeds, and is asked again by the next run",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker({
            env: { ...world.env, NEWS_FEEDS: `${world.feedUrl},${world.url}/feeds/other.xml` }
          })
          world.calls.splice(0)
          world.next("rss", { _tag: "Http", status: 404 })
          for (const calls of [2, 4]) {
            const run = yield* news.run(feeds)
            expect([run.state, run.result.fetched, world.calls.length]).toEqual(["done", 5, calls])
          }
        })
      ),
    60_000
  )

  it.live(
    "a run whose only feed answers 429 ends with nothing, and the next run asks nothing",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker()
          world.calls.splice(0)
          world.next("rss", { _tag: "Http", status: 429, headers: { "retry-after": "3600" } })
          for (const { result, state } of [yield* news.run(feeds), yield* news.run(feeds)]) {
            expect([state, result.fetched, world.calls.length]).toEqual(["done", 0, 1])
          }
        })
      ),
    60_000
  )

  it.live(
    "a source that asks to wait for a second is asked again by the same run",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker()
          world.calls.splice(0)
          world.next("rss", { _tag: "Http", status: 503, headers: { "retry-after": "1" } })
          const run = yield* news.run(feeds)
          expect([run.state, run.result.fetched, world.calls.length]).toEqual(["done", 5, 2])
        })
      ),
    60_000
  )

  it.live(
    "no Retry-After is believed beyond a day",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker()
          world.next("rss", { _tag: "Http", status: 429, headers: { "retry-after": "864000" } })
          yield* news.run(feeds)
          const list = LimitList.layer.pipe(Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})]))
          const { limits } = yield* Effect.provide(
            LimitList.LimitList.use((limits) => limits.list),
            list
          )
          const paused = limits.map(({ pausedMillis }) => pausedMillis).filter((millis) => millis > 0)
          expect(paused).toHaveLength(1)
          expect(paused[0]).toBeGreaterThan(86_000_000)
          expect(paused[0]).toBeLessThanOrEqual(86_400_000)
        })
      ),
    60_000
  )

  it.live(
    "a feed whose articles could not be stored is sent whole again, as its version is stored after them",
    () =>
      Effect.gen(function* () {
        const news = yield* worker()
        const script = (text: string) =>
          Postgres.Postgres.use((postgres) => postgres.script("test.guard", text)).pipe(
            Effect.orDie,
            Effect.provide(postgresLayer(database()))
          )
        yield* script(`CREATE FUNCTION info.refuse() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '42501'; END $$;
          CREATE TRIGGER refuse BEFORE INSERT ON info.news_articles EXECUTE FUNCTION info.refuse();`)
        const refusals = Metric.value(Metric.withAttributes(Metrics.postgresErrors, { reason: "42501" }))
        const { count: before } = yield* refusals
        const id = yield* news.submit(feeds)
        yield* until(refusals, ({ count }) => count > before)
        const versions = news.send("KEYS", "eco2:{news}:feed:*")
        expect(yield* versions).toEqual([])
        yield* script("DROP TRIGGER refuse ON info.news_articles")
        expect((yield* news.ended(id)).result).toMatchObject({ fetched: 5, saved: 5 })
        expect(yield* versions).toHaveLength(1)
      }).pipe(quietly, Effect.provideService(Metric.MetricRegistry, new Map())),
    60_000
  )
})
