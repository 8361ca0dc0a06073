/** The operators' view of the news collection: sources with their last run, runs, and what was rejected by cause. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { runWith } from "../../deploy/cli/Operating.ts"
import * as NewsWorker from "../NewsWorker.ts"
import { simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "only operators know this"
let redis: RedisServer.RedisServer
let gateway: Serving
let news: NewsWorker.NewsWorker

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await start("gateway", {
    ...simulatedOnly,
    AUTH_MODE: "header",
    REDIS_URL: redis.url,
    INTERNAL_SECRET: secret
  })
  news = await NewsWorker.start(redis.url, { good: { date: 2, address: 1 }, poor: { date: 5 }, shut: null })
})
afterAll(async () => {
  await gateway?.stop()
  await news?.stop()
  await redis?.stop()
})

const ops = async (method: string, path: string) => {
  const response = await fetch(`${gateway.address}/api/v1/internal/ops${path}`, {
    method,
    headers: { "x-internal-secret": secret }
  })
  return JSON.parse(await response.text())
}
const shown = () => ops("GET", "/news")

it("sources are shown with the run they came to, runs with their numbers, and rejected items by source and cause", async () => {
  const before = await until(shown, ({ sources }) => sources.length === 3)
  expect(before).toMatchObject({ runs: [], rejected: [], complete: true })
  expect(before.sources[0]).toMatchObject({ schedule: "news-good", declared: true, last: null, last_run: null })
  for (const feed of ["good", "poor", "shut"]) await ops("POST", `/schedules/news-${feed}/run`)
  const after = await until(shown, ({ runs }) => runs.length === 3)
  const runs = Object.fromEntries(after.runs.map((run: { schedule: string }) => [run.schedule, run]))
  expect(runs["news-good"]).toMatchObject({
    state: "done",
    cause: null,
    source: "rss",
    category: null,
    fetched: 20,
    saved: 3,
    rejected: { date: 2, address: 1 }
  })
  expect(runs["news-shut"]).toMatchObject({ state: "failed", cause: "SourceRefused", fetched: null, rejected: {} })
  expect(after.rejected).toEqual([
    { source: "rss", cause: "date", items: 7, runs: 2 },
    { source: "rss", cause: "address", items: 1, runs: 1 }
  ])
  expect(after.sources.map(({ last }: { last: { state: string } }) => last.state)).toEqual(["done", "done", "failed"])
  expect((await ops("GET", "/news?limit=1")).runs).toHaveLength(1)
})

it("eco2 news tells the same on the command line", async () => {
  const eco2 = runWith({ ECO2_URL: gateway.address, INTERNAL_SECRET: secret })
  expect((await eco2("news", "sources")).out).toMatch(/^news-shut .* SourceRefused +- +- /m)
  expect((await eco2("news", "runs")).out).toMatch(/ news-good +\d+s +done +20 +3 +3 +0$/m)
  expect((await eco2("news", "rejected")).out).toMatch(/^rss +date +7 +2$/m)
})

it("eco2 mailboxes rates tells how many jobs passed each stage, and how long they waited and worked", async () => {
  const eco2 = runWith({ ECO2_URL: gateway.address, INTERNAL_SECRET: secret })
  const { code, out } = await eco2("mailboxes", "rates")
  expect(code).toBe(0)
  expect(out).toMatch(/^5m +news\.store +0\.4 +0 +0 +\d+m?s \/ \d+m?s +\d+m?s \/ \d+m?s$/m)
  expect(out).toMatch(/^60m +news\.fetch /m)
})
