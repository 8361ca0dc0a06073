/** Every role's /metrics against the table in docs/operations/metrics.md: names, types, labels. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer } from "@eco2/core/testing"
import * as PromQl from "../chart/PromQl.ts"
import { runWith } from "../deploy/cli/Operating.ts"
import { client, photo } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"
import * as System from "./System.ts"

/** Metrics that appear only after a fault, a limit or an outage, which other tests cause. */
const notProvoked = [
  "eco2_image_bytes", // a gauge that appears with the first picture
  "eco2_image_waiting",
  "eco2_restarts_total",
  "eco2_fallbacks_total",
  "eco2_model_reused_total",
  "eco2_news_rejected_total",
  "eco2_rewards_pending_total",
  "eco2_rewards_decided_late_total",
  "eco2_paid_calls_total",
  "eco2_paid_cost_total",
  "eco2_attempts_outlived_total",
  "eco2_jobs_put_back_total",
  "eco2_mailbox_unserved",
  "eco2_redis_clock_steps_total",
  "eco2_suspects_total",
  "eco2_redis_data_losses_total",
  "eco2_submits_again_total",
  "eco2_submits_lost_total",
  "eco2_viewed_jobs_lost_total",
  "eco2_uploads_refused_total",
  "eco2_viewers_refused_total",
  "eco2_connections_refused_total",
  "eco2_postgres_errors_total",
  "eco2_news_late_pictures_total",
  "eco2_news_look_seconds",
  "eco2_news_quota_used"
]

interface Series {
  readonly name: string
  readonly labels: ReadonlyArray<string>
}

const read = (text: string) => ({
  types: [...text.matchAll(/^# TYPE ((?:eco2|process|nodejs)_\S+) (\w+)$/gm)].map(
    ([, name, type]) => [name!, type!] as const
  ),
  series: [...text.matchAll(/^((?:eco2|process|nodejs)_[a-z0-9_]+)(?:\{(.*)\})? \S+$/gm)].map(
    ([, name, labels = ""]): Series => ({
      name: name!,
      labels: [...labels.matchAll(/(?:^|,)(\w+)="/g)].flatMap(([, label]) => label ?? [])
    })
  )
})

describe.skipIf(!PostgresServer.isInstalled())("what the roles export", () => {
  const metrics = PromQl.documented()
  let database: PostgresServer.PostgresServer
  let system: System.System
  let scrapes: ReadonlyArray<ReturnType<typeof read>>

  beforeAll(async () => {
    database = await PostgresServer.start()
    await runWith({ DATABASE_URL: database.url() })("migrate")
    system = await System.start({ DATABASE_URL: database.url(), MODEL_LIMITS: "gpt-5.2=1000rpm" })
    const [gateway, authz, newsApi] = await Promise.all([
      system.start("gateway"),
      system.start("authz", TokenIssuer.bySecret),
      system.start("news-api"),
      system.start("scan-worker"),
      system.start("character-match"),
      system.start("character-worker"),
      system.start("news-worker", { NEWS_SAMPLE: "true", NEWS_INTERVAL_NAVER: "1 second" })
    ])
    const ann = client(gateway)
    const job = await ann.accepted({ image_url: photo })
    const viewer = await EventStream.open(ann.eventsUrl(job), { headers: ann.headers })
    await ann.finished(job)
    await fetch(ann.url(`/api/v1/scan/${job}/feedback`), {
      method: "POST",
      headers: { "content-type": "application/json", ...ann.headers },
      body: "{}"
    })
    await viewer.ended
    // a permanent refusal: a failed attempt, a dead letter, a failed job
    system.models.next("vision", { _tag: "Refusal" })
    await ann.finished(await ann.accepted({ image_url: photo }))
    await fetch(`${authz.address}/api/v1/scan`)
    await fetch(`${newsApi.address}/api/v1/info/news`)
    const scraped = () =>
      Promise.all(system.processes.map(async ({ address }) => read(await (await fetch(`${address}/metrics`)).text())))
    // the savers take five seconds to fill a batch, and collection takes its time too
    const awaited = [
      "eco2_rewards_saved_total",
      "eco2_scans_kept_total",
      "eco2_news_runs_total",
      "eco2_news_reads_total"
    ]
    scrapes = await until(
      scraped,
      (all) => awaited.every((name) => all.some(({ series }) => series.some((one) => one.name === name))),
      60_000
    )
  })
  afterAll(async () => {
    await system?.stop()
    await database?.stop()
  })

  it("every metric that a role exports has the type and labels of the table", () => {
    for (const { series, types } of scrapes) {
      for (const [name, type] of types) expect([name, metrics.get(name)?.type]).toEqual([name, type])
      for (const { labels, name } of series) {
        const base = PromQl.baseName(name, metrics)
        const own = labels.filter((label) => label !== "le")
        expect([name, own.toSorted()]).toEqual([name, metrics.get(base)?.labels.toSorted()])
      }
    }
  })

  it("every metric of the table is exported by a workload, except those that need a fault", () => {
    const seen = new Set(scrapes.flatMap(({ series }) => series.map(({ name }) => PromQl.baseName(name, metrics))))
    expect([...metrics.keys()].filter((name) => !seen.has(name) && !notProvoked.includes(name))).toEqual([])
  })

  it("every role exports how long its event loop stalled", () => {
    const telling = scrapes.filter(({ series }) => series.some(({ name }) => name === "eco2_event_loop_delay_seconds"))
    expect(telling).toHaveLength(7)
  })

  it("every role exports what runs there, its CPU, memory, files and event loop under the usual names", () => {
    for (const { series } of scrapes) {
      expect(series.map(({ name }) => name)).toEqual(
        expect.arrayContaining([
          "eco2_build_info",
          "process_cpu_seconds_total",
          "process_resident_memory_bytes",
          "process_open_fds",
          "process_start_time_seconds",
          "nodejs_heap_size_used_bytes",
          "nodejs_eventloop_lag_p99_seconds"
        ])
      )
    }
  })

  it("every role that uses Redis exports its memory", () => {
    const telling = scrapes.filter(({ series }) => series.some(({ name }) => name === "eco2_redis_memory_used_bytes"))
    expect(telling).toHaveLength(5)
  })
})
