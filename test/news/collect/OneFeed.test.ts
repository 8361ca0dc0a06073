/** One feed's trouble is its own: bad feeds of every kind among ten good ones, all in the same worker. */
import { expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { afterAll, beforeAll, beforeEach } from "vitest"
import { createServer } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as NewsSchedules from "../../../packages/news/src/collect/NewsSchedules.ts"
import * as NewsSources from "../../../packages/news/src/source/NewsSources.ts"
import { feedId } from "../../../packages/news/src/source/RssSource.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { onServer } from "../../core/postgres/PostgresFixture.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import * as NewsWorker from "./NewsWorker.ts"

const redis = privateRedis()
let world: FakeNews
let server: Server
let at = ""
/** Requests, by path, with what they said of a version. */
let asked: Array<{ readonly path: string; readonly version: string | undefined }> = []

type Answer = (request: IncomingMessage, response: ServerResponse) => void
const answers = new Map<string, Answer>()

const item = (feed: string, n: number, link = `https://press.example/${feed}/${n}`) =>
  `<item><title>${feed} 소식 ${n}</title><link>${link}</link><pubDate>${new Date(Date.UTC(2026, 10, 21, 1, 0, n)).toUTCString()}</pubDate></item>`
const rss = (items: ReadonlyArray<string>) =>
  `<rss version="2.0"><channel><title>신문</title>${items.join("")}</channel></rss>`
const feed = (name: string, count: number, round = 0) =>
  rss(Array.from({ length: count }, (_, n) => item(name, n + round * count)))
const sent =
  (body: string, status = 200, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, { "content-type": "application/rss+xml", ...headers }).end(body)

beforeAll(async () => {
  world = await FakeNews.start()
  world.isSlow = false
  server = createServer((request, response) => {
    const path = request.url ?? ""
    asked.push({ path, version: request.headers["if-none-match"] })
    const answer = answers.get(path)
    if (answer === undefined) response.writeHead(404).end()
    else answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => {
  asked = []
  answers.clear()
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await world.close()
})

onServer("a feed's runs", (database) => {
  const worker = (paths: ReadonlyArray<string>) =>
    NewsWorker.make({
      world,
      redis: redis.url,
      database: database(),
      env: { NEWS_FEEDS: paths.map((path) => `${at}${path}`).join(",") }
    })
  const runOf = (path: string) => ({ source: "rss", category: null, feed: feedId(`${at}${path}`) }) as const
  const { quietly } = NewsWorker

  it.live(
    "one bad feed of each kind among ten good ones: all articles of the ten are stored in each run",
    () =>
      quietly(
        Effect.gen(function* () {
          const good = Array.from({ length: 10 }, (_, n) => `/good-${n}.xml`)
          /** Longer than a checkpoint: 80 items of 3,300 bytes. */
          const long = (name: string) =>
            rss(Array.from({ length: 80 }, (_, n) => item(name, n, `https://press.example/${n}/${"링".repeat(1_000)}`)))
          const bad: Readonly<Record<string, Answer>> = {
            "/long-links.xml": sent(long("long")),
            "/nested.xml": sent(`<rss><channel>${"<item>".repeat(600_000)}`),
            "/tags.xml": sent(`<rss>${"<x>".repeat(80_000)}${"</y>".repeat(60_000)}`),
            "/page.xml": sent("<!doctype html><html></html>"),
            "/empty.xml": sent(""),
            "/too-large.xml": sent(`${feed("large", 3)}${" ".repeat(5 * 1024 * 1024)}`),
            "/no-articles.xml": sent(rss(["<item></item>", "<item><title>x</title></item>"])),
            "/404.xml": sent("", 404),
            "/410.xml": sent("", 410),
            "/429.xml": sent("", 429),
            "/500.xml": sent("", 500),
            "/circle.xml": (_, response) => void response.writeHead(302, { location: "/circle.xml" }).end(),
            "/inside.xml": (_, response) =>
              void response.writeHead(302, { location: "http://169.254.169.254/latest" }).end(),
            "/drops.xml": (_, response) => void response.destroy(),
            "/silent.xml": () => undefined,
            "/trickles.xml": (_, response) => {
              const drip = setInterval(() => response.write(" "), 50)
              response.writeHead(200).on("close", () => clearInterval(drip))
            }
          }
          for (const [path, answer] of Object.entries(bad)) answers.set(path, answer)
          const paths = [...Object.keys(bad), ...good]
          const news = yield* worker(paths)
          for (const round of [0, 1]) {
            for (const path of good) answers.set(path, sent(feed(path, 5, round)))
            const bads = yield* Effect.forEach(Object.keys(bad), (path) => news.submit(runOf(path)))
            const goods = yield* Effect.forEach(good, (path) => news.submit(runOf(path)))
            const ended = yield* Effect.forEach(goods, news.ended, { concurrency: "unbounded" })
            expect(ended.map(({ result, state }) => [state, result.fetched, result.saved])).toEqual(
              good.map(() => ["done", 5, 5])
            )
            // those that fail now are tried again later
            expect(bads.length).toBe(Object.keys(bad).length)
          }
        })
      ),
    300_000
  )

  it.live(
    "a feed of more than a run has room for is stored whole by its next runs, and its version is kept only then",
    () =>
      quietly(
        Effect.gen(function* () {
          const items = Array.from({ length: 300 }, (_, n) =>
            item("many", n, `https://press.example/${n}/${"x".repeat(1_500)}`)
          )
          answers.set("/many.xml", (request, response) =>
            request.headers["if-none-match"] === '"v1"'
              ? void response.writeHead(304, { etag: '"v1"' }).end()
              : void response.writeHead(200, { etag: '"v1"' }).end(rss(items))
          )
          const news = yield* worker(["/many.xml"])
          let saved = 0
          for (let runs = 0; saved < 300; runs++) {
            expect(runs).toBeLessThan(8)
            const { result, state } = yield* news.run(runOf("/many.xml"))
            expect([state, asked.at(-1)?.version, result.fetched]).toEqual(["done", undefined, 300])
            saved += result.saved
            expect(result.left).toBe(300 - saved)
          }
          const { result } = yield* news.run(runOf("/many.xml"))
          expect([asked.at(-1)?.version, result.fetched]).toEqual(['"v1"', 0])
        })
      ),
    300_000
  )

  it.live(
    "items that are no articles are told by their causes in a run's result",
    () =>
      quietly(
        Effect.gen(function* () {
          const broken = [
            "<item></item>",
            "<item><title>x</title></item>",
            `<item><link>https://press.example/9</link></item>`
          ]
          answers.set("/some.xml", sent(rss([item("some", 1), ...broken])))
          const news = yield* worker(["/some.xml"])
          const { result } = yield* news.run(runOf("/some.xml"))
          expect(result).toMatchObject({ fetched: 1, saved: 1, left: 0, rejected: { address: 2, title: 1 } })
        })
      ),
    60_000
  )

  it.live(
    "a feed that answers 429 without a time is not asked again before the next slot, nor by this run",
    () =>
      quietly(
        Effect.gen(function* () {
          answers.set("/429.xml", sent("", 429))
          const news = yield* worker(["/429.xml"])
          for (const _ of [1, 2]) {
            const { result, state } = yield* news.run(runOf("/429.xml"))
            expect([state, result.fetched, result.skipped, asked.length]).toEqual(["done", 0, ["paused"], 1])
          }
        })
      ),
    60_000
  )

  it.live(
    "a feed that is gone is said so, and not asked again that day",
    () =>
      quietly(
        Effect.gen(function* () {
          answers.set("/410.xml", sent("", 410))
          const news = yield* worker(["/410.xml"])
          for (const _ of [1, 2]) {
            const { result, state } = yield* news.run(runOf("/410.xml"))
            expect([state, result.skipped, asked.length]).toEqual(["done", ["gone"], 1])
          }
        })
      ),
    60_000
  )

  it.live(
    "a feed that has moved for good is asked at its new place, with its version, and at the old one when that fails",
    () =>
      quietly(
        Effect.gen(function* () {
          answers.set("/old.xml", (_, response) => void response.writeHead(301, { location: "/new.xml" }).end())
          answers.set("/new.xml", (request, response) =>
            request.headers["if-none-match"] === '"v1"'
              ? void response.writeHead(304).end()
              : void response.writeHead(200, { etag: '"v1"' }).end(feed("moved", 3))
          )
          const news = yield* worker(["/old.xml"])
          const paths = () => asked.splice(0).map(({ path }) => path)
          expect((yield* news.run(runOf("/old.xml"))).result.saved).toBe(3)
          expect(paths()).toEqual(["/old.xml", "/new.xml"])
          const again = yield* news.run(runOf("/old.xml"))
          expect([again.state, again.result.fetched, asked.at(-1)?.version]).toEqual(["done", 0, '"v1"'])
          expect(paths()).toEqual(["/new.xml"])
          answers.set("/new.xml", sent("", 404))
          answers.set("/old.xml", sent(feed("moved", 4)))
          expect((yield* news.run(runOf("/old.xml"))).state).toBe("failed")
          expect((yield* news.run(runOf("/old.xml"))).result.saved).toBe(1)
          expect(paths()).toEqual(["/new.xml", "/old.xml"])
        })
      ),
    60_000
  )

  it.live(
    "a feed that has never been asked is asked at once, by one process of several that start, and only once",
    () =>
      quietly(
        Effect.gen(function* () {
          answers.set("/first.xml", sent(feed("first", 3)))
          const news = yield* worker(["/first.xml"])
          const start = NewsSchedules.firstRuns.pipe(
            Layer.provide(NewsSources.layer),
            Layer.provide([
              news.services,
              world.guard(),
              ConfigProvider.layer(ConfigProvider.fromEnv({ env: { NEWS_FEEDS: `${at}/first.xml` } }))
            ]),
            Layer.fresh
          )
          yield* Effect.forEach([1, 2, 3], () => Effect.orDie(Layer.build(start)), { concurrency: "unbounded" })
          yield* until(news.page, ({ page }) => page.articles.length === 3)
          yield* Effect.orDie(Layer.build(start))
          // what a submit does is done before the next command is answered
          yield* until(news.send("XLEN", "eco2:{0}:news.fetch"), (length) => Number(length) === 0)
          expect(asked.map(({ path }) => path)).toEqual(["/first.xml"])
        })
      ),
    60_000
  )

  it.live(
    "a run of a feed that this process does not have fails and says so",
    () =>
      quietly(
        Effect.gen(function* () {
          const news = yield* worker(["/some.xml"])
          const run = yield* news.run({ source: "rss", category: null, feed: "0".repeat(24) })
          expect(run).toMatchObject({ state: "failed", error: { code: "SourceOff" } })
        })
      ),
    60_000
  )
})
