/**
 * Every panel of every dashboard shows something on a day on which everything happened once: real roles, scraped by a real
 * Prometheus, while a script brings about failures of each kind: a provider that refuses, limits and fails, workers killed, frozen
 * and missing, PostgreSQL gone, Redis emptied, a gateway that is full, news that are none. A panel that stays empty would not be
 * looked at when it matters.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer } from "@eco2/core/testing"
import { Effect, Exit, Schema, Scope } from "effect"
import { request as httpRequest } from "node:http"
import { connect } from "node:net"
import type { Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { files } from "../../deploy/grafana/dashboardFiles.ts"
import { runWith } from "../deploy/cli/Operating.ts"
import { client, dataUrl, field, photo, tinyPng } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import { FakeNews } from "../harness/FakeNews.ts"
import * as Monitoring from "../harness/Monitoring.ts"
import * as NameServer from "../harness/NameServer.ts"
import * as Photos from "../harness/Photos.ts"
import type { Process } from "../harness/Process.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"
import * as System from "./System.ts"

/** Scrapes every 1.5 seconds. */
const speed = 10
const patience = 120_000
const lacking = [...Monitoring.missing(), ...(PostgresServer.isInstalled() ? [] : ["PostgreSQL"])]
if (lacking.length > 0) process.stdout.write(`dashboards.test.ts is skipped: ${lacking.join(", ")} not installed\n`)

const Dashboard = Schema.fromJsonString(
  Schema.Struct({
    panels: Schema.Array(
      Schema.Struct({
        title: Schema.String,
        targets: Schema.optional(Schema.Array(Schema.Struct({ expr: Schema.String })))
      })
    )
  })
)
const panels = [...files].flatMap(([name, text]) =>
  Schema.decodeUnknownSync(Dashboard)(text).panels.flatMap(({ targets, title }) =>
    targets === undefined ? [] : [{ title: `${name}: ${title}`, queries: targets.map(({ expr }) => expr) }]
  )
)

describe.skipIf(lacking.length > 0)("the dashboards on a played day", { timeout: 900_000 }, () => {
  const secret = "only operators know this"
  const scope = Scope.makeUnsafe()
  const sockets: Array<Socket> = []
  let database: PostgresServer.PostgresServer
  let system: System.System
  let news: FakeNews
  let monitoring: Monitoring.Monitoring
  const began = Date.now()
  const roles = new Map<string, { readonly role: string; readonly process: Process }>()
  const scrape = () =>
    monitoring.scrape([...roles.values()].map(({ process, role }) => ({ role, address: process.address })))
  /** Starts a role under a name of its own, and has it scraped. */
  const begin = async (
    name: string,
    role: Parameters<System.System["start"]>[0],
    env: Readonly<Record<string, string>> = {}
  ) => {
    const process = await system.start(role, env)
    roles.set(name, { role, process })
    scrape()
    return process
  }
  const seen = async (expr: string) => {
    await until(
      () => monitoring.query(expr),
      (samples) => samples.length > 0,
      patience
    )
    process.stdout.write(`after ${Math.round((Date.now() - began) / 1_000)} s: ${expr}\n`)
  }

  beforeAll(async () => {
    ;[database, news, monitoring] = await Promise.all([
      PostgresServer.start(),
      FakeNews.start(),
      Monitoring.start({ speed })
    ])
    const names = await Effect.runPromise(
      Scope.provide(
        NameServer.start((name, kind) => {
          const press = /^press(\d+)\.example$/.exec(name)?.[1]
          return press === undefined || kind !== "A" ? "unknown" : [`127.0.1.${Number(press)}`]
        }),
        scope
      )
    )
    await runWith({ DATABASE_URL: database.url() })("migrate")
    system = await System.start({
      ...news.env,
      DATABASE_URL: database.url(),
      DATABASE_POOL: "2",
      INTERNAL_SECRET: secret,
      LEASE: "3 seconds",
      MODEL_LIMITS: "gpt-5.2=1000rpm",
      MODEL_PRICES: "gpt-5.2=1/0.1/10",
      MODEL_REUSE: "1 hour",
      ANSWER_PATIENCE: "1 second",
      NEWS_INTERVAL_NAVER: "20 seconds",
      NEWS_INTERVAL_NEWSDATA: "20 seconds",
      FETCH_NAME_SERVERS: names.at,
      FETCH_ALLOW_PRIVATE: [...news.allowPrivate, `127.0.0.1:${news.port}`].join(",")
    })
    await system.outside.config("SET", "maxmemory", "256mb")
    await Promise.all([
      begin("gateway", "gateway", { SUBMIT_MEMORY: "1 MiB" }),
      begin("narrow", "gateway", { MAX_VIEWERS: "1", MAX_CONNECTIONS: "12", UPLOAD_MEMORY: "32 MiB" }),
      begin("authz", "authz", TokenIssuer.bySecret),
      begin("scan-worker", "scan-worker"),
      begin("other scan-worker", "scan-worker"),
      begin("character-match", "character-match"),
      begin("character-worker", "character-worker"),
      begin("news-worker", "news-worker"),
      begin("news-api", "news-api")
    ])
  })
  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    await system?.stop()
    await monitoring?.stop()
    await database?.stop()
    await news?.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("every panel of every dashboard shows something on a day on which everything happened once", async () => {
    const { models, outside } = system
    const processOf = (name: string) => roles.get(name)!.process
    const ann = client(processOf("gateway"))
    const scanned = async (body: unknown = { image_url: photo }) => {
      const { body: result } = await ann.finished(await ann.accepted(body))
      return String(field(result, "status"))
    }

    // ---- scans: good ones, the same photo twice, refused, limited, failing
    const picture = { image_url: dataUrl(tinyPng) }
    expect(await scanned(picture)).toBe("completed")
    expect(await scanned(picture)).toBe("completed")
    models.next("vision", { _tag: "Refusal" })
    expect(await scanned({ image_url: `${photo}?refused` })).toBe("failed")
    models.next("vision", { _tag: "RateLimit", retryAfterSeconds: 1 })
    expect(await scanned({ image_url: `${photo}?limited` })).toBe("completed")
    models.next("answer", { _tag: "ServerError" }, 20)
    // another question: the reply to the same one would be used again
    expect(await scanned({ image_url: `${photo}?rule`, user_input: "라벨도 떼나요?" })).toBe("completed")
    models.reset()

    const wrong = await ann.accepted({ image_url: `${photo}?wrong` })
    await ann.finished(wrong)
    const feedback = await fetch(ann.url(`/api/v1/scan/${wrong}/feedback`), {
      method: "POST",
      headers: { ...ann.headers, "content-type": "application/json" },
      body: JSON.stringify({ category: null })
    })
    expect([feedback.status, await feedback.text()]).toEqual([200, expect.stringContaining("stored")])

    // ---- a gateway that is full
    const narrow = client(processOf("narrow"), "bob")
    const held = Promise.withResolvers<void>()
    models.next("vision", { _tag: "Held", until: held.promise })
    const watched = await narrow.accepted({ image_url: `${photo}?watched` })
    const viewer = await EventStream.open(narrow.eventsUrl(watched), { headers: narrow.headers })
    expect((await narrow.get(`/api/v1/scan/${watched}/events`)).status).toBe(503)
    held.resolve()
    await viewer.ended
    const large = JSON.stringify({ image_url: dataUrl(Buffer.alloc(10 * 1_024 * 1_024 - 64), "image/jpeg") })
    const upload = httpRequest(`${narrow.url("/api/v1/scan")}`, { method: "POST", headers: { "x-user-id": "eve" } })
    upload.on("error", () => undefined)
    await new Promise((resolve) => upload.write(large.slice(0, -1), resolve))
    await until(
      async () => (await client(processOf("narrow"), "fay").submit(large)).status,
      (status) => status === 503,
      patience
    )
    upload.destroy()
    const port = Number(new URL(narrow.url("/")).port)
    for (let n = 0; n < 30; n++) sockets.push(connect(port, "127.0.0.1").on("error", () => undefined))
    await delay(500)
    for (const socket of sockets) socket.destroy()
    await seen("eco2_connections_refused_total > 0")

    // ---- tokens, readers
    await fetch(`${processOf("authz").address}/api/v1/scan`)
    await fetch(`${processOf("news-api").address}/api/v1/info/news`)

    // ---- news: an item that is none, a source that fails, one that is refused
    news.next("rss", {
      _tag: "Http",
      status: 200,
      body: '<rss version="2.0"><channel><title>x</title><item><title>no address</title></item></channel></rss>'
    })
    await seen("eco2_news_rejected_total > 0")
    news.next("naver", { _tag: "Http", status: 500 }, 3)
    news.next("newsdata", { _tag: "Http", status: 401 }, 30)

    // ---- character-match frozen: a reward is decided later
    processOf("character-match").signal("SIGSTOP")
    expect(await scanned({ image_url: `${photo}?pending` })).toBe("completed")
    processOf("character-match").signal("SIGCONT")
    await seen("eco2_rewards_decided_late_total > 0")

    // ---- a worker killed at work, then none
    const never = new Promise(() => undefined)
    models.next("vision", { _tag: "Held", until: never }, 6)
    const calls = models.calls.length
    const lost = await Promise.all(
      Array.from({ length: 6 }, (_, n) => ann.accepted({ image_url: `${photo}?lost-${n}` }))
    )
    await models.waitForCall(calls + 6)
    await processOf("scan-worker").kill9()
    await seen("eco2_suspects_total > 0")
    await Promise.all(lost.map((id) => ann.finished(id)))
    await processOf("other scan-worker").kill9()
    const orphan = await ann.accepted({ image_url: `${photo}?orphan` })
    await seen('eco2_mailbox_unserved{mailbox="scan.vision"} > 0')
    await begin("third scan-worker", "scan-worker")
    await ann.finished(orphan)

    // ---- PostgreSQL gone
    await database.kill()
    await ann.get("/api/v1/users/me/characters")
    await scanned({ image_url: `${photo}?without-postgres` })
    await seen("eco2_postgres_errors_total > 0 and on () eco2_postgres_up == 0")
    await database.restart()

    // ---- Redis emptied under a viewer
    models.next("vision", { _tag: "Held", until: never }, 2)
    const gone = await ann.accepted({ image_url: `${photo}?gone` })
    // this one is too large to be kept by the gateway, and cannot be submitted again
    const lastJob = await ann.accepted({ image_url: dataUrl(Photos.jpegOf(400 * 1_024), "image/jpeg") })
    const streams = await Promise.all(
      [gone, lastJob].map((id) => EventStream.open(ann.eventsUrl(id), { headers: ann.headers }))
    )
    await outside.flushall()
    await seen("eco2_redis_data_losses_total > 0")
    await seen("eco2_viewed_jobs_lost_total > 0")
    await Promise.all(streams.map((stream) => stream.close()))
    // ---- and everybody works again
    expect(await scanned({ image_url: `${photo}?after` })).toBe("completed")
    await delay((4 * 15_000) / speed)

    const seconds = Math.ceil((Date.now() - began) / 1_000)
    const values = async (query: string) => {
      const expr = query
        .replaceAll("$namespace", ".*")
        .replaceAll("$__rate_interval", "20s")
        .replaceAll("$__range", `${seconds}s`)
      const series = await monitoring.range(expr, seconds, 2)
      return series.flat().filter((value) => Number.isFinite(Number(value))).length
    }
    const empty: Array<string> = []
    for (const { queries, title } of panels) {
      const counts = await Promise.all(queries.map(values))
      if (counts.every((count) => count === 0)) empty.push(title)
    }
    process.stdout.write(`${panels.length} panels, ${empty.length} empty, on a day of ${seconds} seconds\n`)
    expect(empty).toEqual([])
  })
})
