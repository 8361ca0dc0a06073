/**
 * A complete slot: six runs at once, 110 articles on the pages of 34 publishers, as slow and as irregular as real pages
 * (FakeNews). Times are printed, not judged, because they depend on this machine's load.
 */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { afterAll, beforeAll } from "vitest"
import { categories } from "../../../packages/news/src/domain/Article.ts"
import type { Article } from "../../../packages/news/src/domain/Article.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import { query, walk } from "../NewsFixture.ts"
import * as NewsWorker from "./NewsWorker.ts"

/** What this worker holds, bytes; other workers share its process. */
const held = () => {
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}
const redis = privateRedis()
let world: FakeNews
beforeAll(async () => {
  world = await FakeNews.start()
})
afterAll(() => world.close())

onServer("a slot of all sources", (database) => {
  it.live(
    "P1 a run stores and shows 110 articles while slow pages are still open, 95 of them with their pictures in the end",
    () =>
      NewsWorker.quietly(
        Effect.gen(function* () {
          // a page that this machine is slow to read is no slow page: no limit of a look passes while the test runs
          const never = Duration.hours(1)
          const news = yield* NewsWorker.make({
            world,
            redis: redis.url,
            database: database(),
            looks: never,
            late: never
          })
          const names = (["naver", "newsdata"] as const).flatMap((source) =>
            categories.map((category) => `news-${source}-${category}`)
          )
          const declared = Effect.orDie(news.schedules.list)
          yield* until(declared, (list) => names.every((name) => list.some((one) => one.name === name)))
          const before = held()
          const begun = performance.now()
          const since = () => Math.round(performance.now() - begun)

          const openWhenDone: Array<number> = []
          const shown = yield* Effect.forkChild(
            Effect.map(
              until(news.page, ({ total }) => total === 110),
              since
            )
          )
          const runs = yield* Effect.forEach(
            names,
            (name) => Effect.tap(news.runNow(name), () => Effect.sync(() => openWhenDone.push(world.open))),
            { concurrency: "unbounded" }
          )
          const done = since()
          const grown = held() - before
          const found = new Map<string, Article>()
          yield* walk(
            (after) =>
              Effect.map(news.articles.page(query({ limit: 50, after })), (page) => {
                for (const text of page.articles) {
                  const article: Article = JSON.parse(text)
                  // three pages are found twice, with a parameter that names the sender; which form is stored is a race
                  found.set(article.url.replace("?utm_source=naver", ""), article)
                }
                return page
              }),
            Effect.void
          )
          const pictured = Effect.map(news.articles.pictures(world.pages.map(({ url }) => url)), ({ size }) => size)
          yield* until(pictured, (count) => count === 95)
          const whole = since()
          const served = yield* Fiber.join(shown)

          expect(runs.map((run) => run?.state)).toEqual(names.map(() => "done"))
          expect(found.size).toBe(110)
          expect(world.pages.filter(({ url }) => !found.has(url))).toEqual([])
          const pictures = yield* news.articles.pictures(world.pages.map(({ url }) => url))
          expect(world.pages.map(({ url }) => pictures.get(url) ?? null)).toEqual(
            world.pages.map(({ picture }) => picture)
          )
          // three pages never answer: they were still open when their runs were done
          expect(openWhenDone.filter((open) => open > 0).length).toBeGreaterThan(0)
          // G1: only the publishers were reached, at their own addresses
          expect(world.trespasses).toEqual([])
          expect(world.connected.filter((address) => address === "127.0.0.1").length).toBe(world.calls.length)
          const connected = [...new Set(world.connected)]
          expect(connected.filter((address) => !/^127\.0\.(?:1\.|0\.1$)/.test(address))).toEqual([])
          expect(connected.filter((address) => address.startsWith("127.0.1.")).length).toBeGreaterThanOrEqual(30)
          expect(world.peakOfOnePress).toBe(2)
          expect(world.peak).toBeLessThanOrEqual(40)
          // six pages of 50 MB: only the bytes in the sockets' buffers were read
          const megabytes = (bytes: number) => Math.round(bytes / 1024 / 1024)
          expect(megabytes(world.bytesOfBigPages)).toBeLessThan(60)
          expect(megabytes(grown)).toBeLessThan(200)
          process.stdout.write(
            `served in ${served} ms, runs done in ${done} ms, all pictures in ${whole} ms; open when runs ended ${openWhenDone}; ` +
              `${megabytes(world.bytesOfBigPages)} MB taken of 300, memory grew by ${megabytes(grown)} MB\n`
          )
        })
      ),
    60_000
  )
})
