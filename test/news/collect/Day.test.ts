/**
 * A simulated day of collecting (three hours in a short run): the test moves Redis's clock from slot to slot. At each slot new
 * workers start, as after a restart of the fleet, all five of them or fewer, compete for the slot's runs, and end: usually in
 * order, sometimes cut off from Redis.
 * Calls are counted at the sources, fired slots in Redis (T1).
 */
import { expect, it } from "@effect/vitest"
import { CoreConfig, JobStore, Mailbox, Schedules, Worker } from "@eco2/core"
import type { Job } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Gauges } from "@eco2/core/telemetry"
import { Migrations } from "@eco2/core/postgres"
import { FaultProxy } from "@eco2/core/testing"
import { ConfigProvider, Duration, Effect, Exit, Layer, References, Scope } from "effect"
import { afterAll, beforeAll, beforeEach } from "vitest"
import { ArticleActor } from "../../../packages/news/src/collect/ArticleActor.ts"
import { NewsPipeline } from "../../../packages/news/src/collect/NewsPipeline.ts"
import * as NewsSchedules from "../../../packages/news/src/collect/NewsSchedules.ts"
import * as OgImage from "../../../packages/news/src/collect/OgImage.ts"
import { categories } from "../../../packages/news/src/domain/Article.ts"
import { articles, collection } from "../../../packages/news/src/layers.ts"
import * as NewsSources from "../../../packages/news/src/source/NewsSources.ts"
import { migrations } from "../../../packages/news/src/store/ArticleStore.ts"
import * as Fleet from "../../core/CoreFixture.ts"
import { onServer, postgresLayer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import { isLong } from "../../harness/Long.ts"

const minute = 60_000
const hour = 60 * minute
const hours = isLong ? 24 : 3
/** When NewsData fails, for an hour in the afternoon. */
const failing = Math.floor((hours * 15) / 24) * hour
const redis = Fleet.privateRedis()
let world: FakeNews
let proxy: FaultProxy.FaultProxy
beforeAll(async () => {
  world = await FakeNews.start()
  world.isSlow = false
  proxy = await FaultProxy.start(Number(new URL(redis.url).port))
})
afterAll(() => Promise.all([world.close(), proxy.close()]))
beforeEach(() => {
  world.calls.length = 0
  world.clearNext()
})

const quietly = Effect.provideService(References.MinimumLogLevel, "None")
const nothing = { naver: `{"items":[]}`, newsdata: `{"status":"success","results":[]}` }
/** Another test checks articles: here a reply without any is answered at once. */
const answerNothing = (source: "naver" | "newsdata", times = 3_000) =>
  world.next(source, { _tag: "Http", status: 200, body: nothing[source] }, times)
const callsTo = (source: "naver" | "newsdata") => world.calls.filter((call) => call.source === source).length

onServer("a day of collecting", (database) => {
  /** A process of the role news-worker at one moment of the day. */
  const worker = Effect.fnUntraced(function* (clockOffsetMillis: number, env: Readonly<Record<string, string>>) {
    const scope = yield* Scope.make()
    const layer = Layer.merge(collection, NewsSchedules.layer).pipe(
      Layer.provide([NewsSources.layer, OgImage.layer, Worker.limits, articles]),
      Layer.provide(Worker.layer({ role: "news-worker" })),
      Layer.provide(Gauges.layer),
      Layer.provide([world.guard(), postgresLayer(database())]),
      Layer.provide(RedisClient.layerUrl(proxy.url)),
      Layer.provide(
        CoreConfig.layerWith({
          clockOffsetMillis,
          lease: Duration.seconds(1),
          shutdownGrace: Duration.millis(100),
          // a process reads its first partition's timers when it starts, and others' later than these processes exist
          partitions: 1
        })
      ),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
      Layer.fresh
    )
    yield* Effect.orDie(Layer.buildWithScope(layer, scope))
    return Scope.close(scope, Exit.void)
  })

  /** The day as an operator observes it. Its first slots are an hour from now at most. */
  const day = Effect.fnUntraced(function* (
    env: Readonly<Record<string, string>>,
    fleet: (at: number) => number,
    intervals: Readonly<Record<"naver" | "newsdata", number>>
  ) {
    yield* Effect.provide(Migrations.apply(migrations), postgresLayer(database()))
    const operator = yield* Fleet.joined(redis.url, { partitions: 1 })
    const began = yield* Fleet.timeOf(operator)
    const first = Math.ceil(began / hour) * hour
    const since = performance.now()
    /** How far Redis's clock must be moved to be a second after this moment of the day. */
    const offset = (at: number) => Math.round(first + at + 1_000 - began - (performance.now() - since))
    const list = operator.run(Effect.orDie(Schedules.Schedules.use(({ list }) => list)))
    const mailboxes = [...NewsPipeline.plan.map(({ mailbox }) => mailbox), ArticleActor.name]
    const held = Effect.map(operator.run(Effect.orDie(Mailbox.Mailbox.use((one) => one.depths(mailboxes)))), (depths) =>
      depths.reduce((sum, { entries }) => sum + entries, 0)
    )
    const begin = (at: number) =>
      Effect.forEach(Array.from({ length: fleet(at) }), () => worker(offset(at), env), { concurrency: "unbounded" })
    const allEnd = (ends: ReadonlyArray<Effect.Effect<void>>) =>
      Effect.forEach(ends, (end) => end, { concurrency: "unbounded", discard: true })
    /** Waits until everything due at this moment of the day has been claimed. */
    const claimed = (at: number) =>
      Effect.asVoid(
        Fleet.until(list, (all) =>
          all.every(({ lastSlot, name }) => {
            const interval =
              name === "news-refresh" ? 30 * minute : intervals[name.startsWith("news-naver") ? "naver" : "newsdata"]
            return lastSlot === Math.floor((first + at) / interval) * interval
          })
        )
      )
    return {
      list,
      jobOf: (id: string) => operator.run(Effect.orDie(JobStore.JobStore.use((store) => store.get(id as Job.JobId)))),
      /** Declared before the first slot: nobody works on what is due before that. */
      declare: Effect.gen(function* () {
        const ends = yield* begin(-minute)
        yield* Fleet.until(list, (all) => all.length > 0 && all.every(({ next }) => next !== null))
        yield* allEnd(ends)
      }),
      /** The fleet starts, does all the work of this moment, and ends. */
      pass: Effect.fnUntraced(function* (at: number) {
        const ends = yield* begin(at)
        yield* claimed(at)
        yield* Fleet.until(held, (entries) => entries === 0)
        yield* allEnd(ends)
      }),
      /** The fleet starts and is cut off from Redis during a run. */
      crash: Effect.fnUntraced(function* (at: number) {
        world.next("naver", { _tag: "Hang" }, 1, "first")
        const before = world.hanging
        const ends = yield* begin(at)
        yield* claimed(at)
        yield* Fleet.until(
          Effect.sync(() => world.hanging),
          (hanging) => hanging > before
        )
        yield* Fleet.until(held, (entries) => entries === 1)
        proxy.refuse()
        yield* allEnd(ends)
        proxy.heal()
      })
    }
  })

  it.live(
    `T1 the schedule of ${hours} h fires each slot once and asks NewsData 200 times at most, with restarts, crashes and a failing source`,
    () =>
      quietly(
        Effect.gen(function* () {
          const { NEWS_FEEDS: _, ...env } = world.env
          const { crash, declare, list, pass } = yield* day(env, (at) => (at % (30 * minute) === 0 ? 5 : 2), {
            naver: 5 * minute,
            newsdata: 30 * minute
          })
          answerNothing("naver")
          answerNothing("newsdata")
          yield* declare
          expect(world.calls).toEqual([])
          let crashes = 0
          for (let at = 0; at < hours * hour; at += 5 * minute) {
            if (at === failing) {
              world.clearNext("newsdata")
              world.next("newsdata", { _tag: "Http", status: 500, body: "" }, 1_000)
            }
            if (at === failing + hour) {
              world.clearNext("newsdata")
              answerNothing("newsdata")
            }
            if (at % (6 * hour) === 2 * hour + 10 * minute) {
              crashes++
              yield* crash(at)
            } else yield* pass(at)
          }
          const slots = { naver: (hours * hour) / (5 * minute), newsdata: (hours * hour) / (30 * minute) }
          const schedules = yield* list
          expect(schedules.map(({ name }) => name)).toEqual(
            [
              ...(["naver", "newsdata"] as const).flatMap((source) => categories.map((one) => `news-${source}-${one}`)),
              "news-refresh"
            ].toSorted((a, b) => (a < b ? -1 : 1))
          )
          for (const { fires, lastOutcome, name, skips } of schedules) {
            const expected = name.startsWith("news-naver") ? slots.naver : slots.newsdata
            expect([name, fires + skips, lastOutcome]).toEqual([name, expected, "fired"])
          }
          const fired = (source: string) =>
            schedules.filter(({ name }) => name.startsWith(`news-${source}`)).reduce((sum, { fires }) => sum + fires, 0)
          // a crash may interrupt one run of each category: whose run is open at the next slot, that slot is skipped
          const interrupted = categories.length * crashes
          expect(3 * slots.naver - fired("naver")).toBeLessThanOrEqual(interrupted)
          // two searches a run, and again those of the interrupted runs
          expect(callsTo("naver")).toBeGreaterThanOrEqual(2 * fired("naver"))
          expect(callsTo("naver")).toBeLessThanOrEqual(2 * (fired("naver") + interrupted))
          // one search a run; more only while NewsData fails, and never more than its daily quota
          expect(callsTo("newsdata")).toBeGreaterThan(fired("newsdata"))
          expect(callsTo("newsdata")).toBeLessThanOrEqual(200)
        })
      ),
    240_000
  )

  // 67 runs use up its quota
  it.live.skipIf(!isLong)(
    "NewsData is asked 200 times a day at most, over all processes and restarts; the run says why, and the next day goes on",
    () =>
      quietly(
        Effect.gen(function* () {
          const { NEWS_FEEDS: _, NAVER_CLIENT_ID: __, ...rest } = world.env
          const { declare, jobOf, list, pass } = yield* day(
            { ...rest, NEWS_INTERVAL_NEWSDATA: "10 minutes" },
            () => 3,
            {
              naver: 0,
              newsdata: 10 * minute
            }
          )
          answerNothing("newsdata")
          yield* declare
          // with three calls each, 67 of these use the quota up
          for (let at = 0; at < 70 * 10 * minute; at += 10 * minute) yield* pass(at)
          expect(callsTo("newsdata")).toBe(200)
          const [one] = yield* list
          expect(one!.fires).toBe(70)
          const job = (yield* jobOf(one!.lastJob!))!
          expect([job.state, job.error?.code, job.error?.message]).toEqual([
            "failed",
            "QuotaUsedUp",
            expect.stringContaining("the daily calls of news/newsdata are used up")
          ])
          yield* pass(24 * hour - 10 * minute)
          expect(callsTo("newsdata")).toBe(200)
          // the first calls are a day old, plus a sixtieth of a day, the limit's precision
          yield* pass(24 * hour + 30 * minute)
          expect(callsTo("newsdata")).toBe(203)
        })
      ),
    120_000
  )
})
