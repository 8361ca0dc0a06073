/**
 * News for a new user and for an operator: a first start shows the sample; with every role in its own process a worker's death
 * loses no run, operators see the runs and failures, and readers do not notice that Redis is down.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { Server, ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { migrations } from "@eco2/news/layers"
import { Duration, Effect, Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { runWith } from "../deploy/cli/Operating.ts"
import { until } from "../gateway/Serving.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"
import * as NpmScript from "../harness/NpmScript.ts"
import * as Process from "../harness/Process.ts"
import type { Process as Running } from "../harness/Process.ts"
import * as System from "./System.ts"

interface News {
  readonly articles: ReadonlyArray<{ readonly title: string; readonly thumbnail_url: string | null }>
  readonly meta: { readonly source: string; readonly total_cached: number }
}
const news = async ({ address }: { readonly address: string }, query = ""): Promise<News> => {
  const response = await fetch(`${address}/api/v1/info/news${query}`)
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as News
}
const cards = async ({ address }: { readonly address: string }) =>
  ((await (await fetch(`${address}/news`)).text()).match(/data-testid="article"/g) ?? []).length

describe("the process behind npm start", () => {
  it("npm start without keys shows the sample news, by the API and at /news", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2 news "))
    onTestFinished(() => {
      for (const { pid } of NpmScript.membersOf(folder)) process.kill(pid, "SIGKILL")
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    await EmbeddedFolder.place(join(folder, "postgres"))
    const start = await Process.start("all", { ECO2_STATE: folder })
    const { articles } = await until(
      () => news(start).catch(() => null),
      (answer) => answer !== null && answer.articles.length > 0,
      90_000
    ).then((answer) => answer!)
    expect(articles).toHaveLength(10)
    expect(await cards(start)).toBeGreaterThan(0)
    expect((await start.stop()).code).toBe(0)
  })
})

/** A feed of three articles without pictures, their pages, and a search that accepts no key. */
class Outside {
  feeds = 0
  pages = 0
  readonly #server: Server = createServer((request, response) => this.#answer(request.url ?? "", response))
  port = 0
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve))
    const address = this.#server.address()
    this.port = typeof address === "object" && address !== null ? address.port : 0
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
  get url() {
    return `http://127.0.0.1:${this.port}`
  }
  #answer(path: string, response: ServerResponse) {
    if (path === "/feed.xml") {
      this.feeds++
      const items = [1, 2, 3].map(
        (n) =>
          `<item><title>${n}번째 마을의 재활용 이야기</title><link>${this.url}/pages/${n}</link><guid>${n}</guid><pubDate>${new Date(Date.now() - n * 60_000).toUTCString()}</pubDate></item>`
      )
      return void response
        .writeHead(200, { "content-type": "application/rss+xml" })
        .end(`<rss version="2.0"><channel><title>마을</title>${items.join("")}</channel></rss>`)
    }
    if (!path.startsWith("/pages/")) return void response.writeHead(401).end("{}")
    this.pages++
    response
      .writeHead(200, { "content-type": "text/html" })
      .end(`<html><head><meta property="og:image" content="https://images.example${path}.jpg"></head></html>`)
  }
}

describe.skipIf(!PostgresServer.isInstalled())("news with a process for each role", () => {
  const outside = new Outside()
  let database: PostgresServer.PostgresServer
  let system: System.System
  let gateway: Running
  let worker: Running
  let env: Readonly<Record<string, string>>
  let eco2: (...words: ReadonlyArray<string>) => Promise<ReturnType<typeof JSON.parse>>

  beforeAll(async () => {
    await outside.start()
    database = await PostgresServer.start()
    system = await System.start({ LEASE: "2 seconds" })
    const postgres = Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) })
    await Effect.runPromise(Effect.provide(Migrations.apply(migrations), postgres))
    env = {
      DATABASE_URL: database.url(),
      DATABASE_POOL: "2",
      NEWS_FEEDS: `${outside.url}/feed.xml`,
      // an operator runs them here, not a slot
      NEWS_INTERVAL_NAVER: "3650 days",
      NAVER_CLIENT_ID: "id",
      NAVER_CLIENT_SECRET: "not-accepted",
      NAVER_BASE_URL: outside.url,
      FETCH_ALLOW_PRIVATE: `127.0.0.1:${outside.port}`
    }
    gateway = await system.start("gateway", { INTERNAL_SECRET: "only operators know this" })
    const run = runWith({ ECO2_URL: gateway.address, INTERNAL_SECRET: "only operators know this" })
    eco2 = async (...words) => {
      const { code, err, out } = await run(...words, "--json")
      expect([code, err], words.join(" ")).toEqual([0, ""])
      return JSON.parse(out)
    }
  })
  afterAll(async () => {
    await system.stop()
    await database.stop()
    await outside.stop()
  })

  const depths = async (): Promise<ReadonlyArray<readonly [string, number]>> =>
    (await eco2("mailboxes"))
      .filter(({ mailbox }: { mailbox: string }) => mailbox.startsWith("news."))
      .map(({ entries, mailbox }: { mailbox: string; entries: number }) => [mailbox, entries])

  /** Locks the articles' table against writes until it is released; reads continue. */
  const locked = async () => {
    const layer = Postgres.layerUrl(database.url(), { pool: 2, timeout: Duration.seconds(60) })
    const run = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres>) =>
      Effect.runPromise(Effect.provide(effect, layer))
    const holding = run(
      Effect.exit(
        Postgres.Postgres.use((postgres) =>
          postgres.script("hold", "LOCK TABLE info.news_articles IN EXCLUSIVE MODE; SELECT pg_sleep(50)")
        )
      )
    )
    const holders = PostgresStatement.make({
      name: "test.holders",
      text: `SELECT pid FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted AND relation = 'info.news_articles'::regclass`,
      row: Schema.Struct({ pid: Schema.Int })
    })
    const release = PostgresStatement.make({
      name: "test.release",
      text: `SELECT pg_terminate_backend(pid) AS done FROM (${holders.text}) AS held`,
      row: Schema.Struct({ done: Schema.Boolean })
    })
    await until(
      () => run(Postgres.Postgres.use((postgres) => postgres.run(holders, []))),
      (found) => found.length === 1
    )
    return async () => {
      await run(Postgres.Postgres.use((postgres) => postgres.run(release, [])))
      await holding
    }
  }

  it("J1 J2 a run whose worker is killed while it stores is finished by another, without asking feed or pages again", async () => {
    const unlock = await locked()
    const first = await system.start("news-worker", env)
    // a source that has never been asked is asked at once, years before its first slot; operators see the run and its stage.
    // Naver's runs have failed: it does not accept the key
    const { jobs } = await until(
      () => eco2("jobs", "list", "--state", "open", "--pipeline", "news"),
      ({ jobs }) => jobs.length === 1 && jobs[0].stage === "store" && jobs[0].state === "running",
      20_000
    )
    const { job_id, pipeline } = jobs[0]
    expect(pipeline).toBe("news")
    expect((await depths()).map(([mailbox]) => mailbox)).toEqual([
      "news.articles",
      "news.enrich",
      "news.fetch",
      "news.store",
      "news.warm"
    ])
    expect((await depths()).reduce((sum, [, entries]) => sum + entries, 0)).toBe(1)
    expect([outside.feeds, outside.pages]).toEqual([1, 3])
    await first.kill9()
    await unlock()
    worker = await system.start("news-worker", env)
    const ended = await until(
      () => eco2("jobs", "show", job_id),
      ({ state }) => state !== "running" && state !== "waiting",
      20_000
    )
    expect([ended.state, ended.committed.toSorted()]).toEqual(["done", ["enrich", "fetch", "store", "warm"]])
    expect(ended.result).toMatchObject({ fetched: 3, saved: 3, rejected: {}, left: 0 })
    expect([outside.feeds, outside.pages]).toEqual([1, 3])
  })

  it("a news worker's own metrics have the backlog of each of its stages", async () => {
    const text = await (await fetch(`${worker.address}/metrics`)).text()
    for (const stage of ["fetch", "enrich", "store", "warm"]) {
      expect(text).toMatch(new RegExp(`^eco2_mailbox_backlog\\{[^}]*mailbox="news\\.${stage}"[^}]*\\} 0$`, "m"))
    }
  })

  it("a run that cannot succeed leaves a letter, which operators list and redrive", async () => {
    const { job_id } = await eco2("schedules", "run", "news-naver-ai")
    // beside those of Naver's first runs
    const letters = async () =>
      (await eco2("dead", "list", "--mailbox", "news.fetch")).filter((one: { job_id: string }) => one.job_id === job_id)
    const [letter] = await until(letters, (found) => found.length === 1)
    expect(letter).toMatchObject({ mailbox: "news.fetch", job_id, cause: "SourceRefused" })
    const failed = await eco2("jobs", "list", "--state", "failed", "--pipeline", "news")
    expect(failed.jobs).toContainEqual(expect.objectContaining({ job_id }))
    expect(await eco2("dead", "redrive", `news.fetch/${letter.id}`)).toEqual({ redriven: 1, skipped: 0 })
    await until(letters, (found) => found.length === 1 && found[0].id !== letter.id)
    expect((await eco2("jobs", "show", job_id)).run).toBe(2)
  })

  it("N3 news are read from Redis, from Postgres while Redis is away, and from Redis again", async () => {
    const api = await system.start("news-api", env)
    const before = await news(api)
    expect([before.meta.source, before.articles.map(({ thumbnail_url }) => thumbnail_url)]).toEqual([
      "redis",
      [1, 2, 3].map((n) => `https://images.example/pages/${n}.jpg`)
    ])
    await Promise.all([worker.stop(), gateway.stop()])
    system.outside.disconnect()
    await system.redis.kill9()
    const away = await Promise.all(Array.from({ length: 20 }, () => news(api)))
    expect(new Set(away.map(({ meta }) => meta.source))).toEqual(new Set(["postgres"]))
    for (const { articles } of away) expect(articles).toEqual(before.articles)
    expect(await cards(api)).toBe(3)
    await system.redis.restart()
    const back = await until(
      () => news(api),
      ({ meta }) => meta.source === "redis",
      20_000
    )
    expect(back.articles).toEqual(before.articles)
    expect((await api.stop()).code).toBe(0)
  })
})
