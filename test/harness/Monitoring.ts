/**
 * Monitoring: a real Prometheus with the chart's alert rules, and a real Alertmanager with Compose's configuration, on loopback.
 * What rings is what Alertmanager sends: `rang` lists it. Two changes are made to the shipped files: Alertmanager sends to the
 * test instead of nowhere, and `speed` divides every duration in them: `for`, ranges, offsets, and the intervals of scrapes,
 * evaluations and notifications. Thresholds that are seconds in a metric's value are as they are.
 */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { existsSync } from "node:fs"
import { RedisServer } from "@eco2/core/testing"
import { Schema } from "effect"
import { parse, stringify } from "yaml"
import { until } from "../gateway/Serving.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string) => readFileSync(`${root}${path}`, "utf8")
const find = (...names: ReadonlyArray<string>) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(existsSync)
const programs = { prometheus: ["prometheus"], alertmanager: ["prometheus-alertmanager", "alertmanager"] }
/** What this machine lacks of it, for a line that says why a test is skipped. */
export const missing = (): ReadonlyArray<string> =>
  Object.entries(programs).flatMap(([name, names]) => (find(...names) === undefined ? [name] : []))

/** One notification of Alertmanager about one alert. */
export interface Notice {
  /** Unix milliseconds of its arrival. */
  readonly at: number
  readonly status: "firing" | "resolved"
  readonly alert: string
  readonly summary: string
  /** As in the rules: a document and an anchor. */
  readonly runbook: string
}
/** A role's process and the name of the role. */
export interface Target {
  readonly role: string
  readonly address: string
}
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: string
}

export interface Monitoring {
  /** Scrapes these from now on, and no others. */
  readonly scrape: (targets: ReadonlyArray<Target>) => void
  /** All notifications so far. */
  readonly notices: ReadonlyArray<Notice>
  /** The first notification of this kind since `since`, Unix milliseconds; rejects after `patienceMillis`. */
  readonly notice: (alert: string, status: Notice["status"], since: number, patienceMillis: number) => Promise<Notice>
  /** The result of an instant query. */
  readonly query: (expr: string) => Promise<ReadonlyArray<Sample>>
  /** The samples of a query over the last `seconds`, as a panel asks for them; one list a series. */
  readonly range: (expr: string, seconds: number, step: number) => Promise<ReadonlyArray<ReadonlyArray<string>>>
  /** Alerts that fire now and are silenced by their cause. */
  readonly silenced: () => Promise<ReadonlyArray<string>>
  /** Runs `work` while Prometheus stands still: it sees what was before and what is after. */
  readonly unseen: (work: () => Promise<void>) => Promise<void>
  readonly stop: () => Promise<void>
}

const unitMillis: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const scaled = (duration: string, speed: number): string => {
  const [, number = "", unit = ""] = /^(\d+)([smhd])$/.exec(duration) ?? []
  const millis = Number(number) * (unitMillis[unit] ?? Number.NaN)
  if (!Number.isFinite(millis)) throw new Error(`no duration: ${duration}`)
  return `${Math.max(1, Math.round(millis / speed))}ms`
}
/** A text's durations, where `places` finds them between its first and its last group. */
const scaledIn = (text: string, speed: number, places: RegExp): string =>
  text.replaceAll(places, (_, before: string, duration: string) => `${before}${scaled(duration, speed)}`)

const Rules = Schema.Struct({
  groups: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      rules: Schema.Array(
        Schema.Struct({
          alert: Schema.String,
          expr: Schema.String,
          for: Schema.String,
          labels: Schema.Record(Schema.String, Schema.String),
          annotations: Schema.Record(Schema.String, Schema.String)
        })
      )
    })
  )
})
/** The chart's rules, `speed` times as fast. */
const rules = (speed: number): string => {
  const { groups } = Schema.decodeUnknownSync(Rules)(parse(read("deploy/helm/eco2/files/alerts.yaml")))
  return stringify({
    groups: groups.map((group) => ({
      ...group,
      rules: group.rules.map((rule) => ({
        ...rule,
        for: scaled(rule.for, speed),
        expr: scaledIn(rule.expr, speed, /(\[|offset )(\d+[smhd])/g)
      }))
    }))
  })
}

const Notification = Schema.fromJsonString(
  Schema.Struct({
    alerts: Schema.Array(
      Schema.Struct({
        status: Schema.Literals(["firing", "resolved"]),
        labels: Schema.Struct({ alertname: Schema.String }),
        annotations: Schema.Struct({ summary: Schema.String, runbook_url: Schema.String })
      })
    )
  })
)
const Answer = <A>(result: Schema.ConstraintDecoder<A>) =>
  Schema.fromJsonString(Schema.Struct({ data: Schema.Struct({ result: Schema.Array(result) }) }))
const Labels = Schema.Record(Schema.String, Schema.String)
const Instant = Answer(Schema.Struct({ metric: Labels, value: Schema.Tuple([Schema.Number, Schema.String]) }))
const Range = Answer(
  Schema.Struct({ metric: Labels, values: Schema.Array(Schema.Tuple([Schema.Number, Schema.String])) })
)
const Alerts = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ labels: Schema.Struct({ alertname: Schema.String }) }))
)

const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})
const launch = (program: string | undefined, words: ReadonlyArray<string>) => {
  if (program === undefined) throw new Error(`not installed: ${missing().join(", ")}`)
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] })
  running.add(child)
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-4_000)
  })
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()))
  return {
    /** Waits until it answers at this address. */
    ready: (url: string) =>
      until(
        () =>
          child.exitCode === null
            ? fetch(url).then(
                ({ ok }) => ok,
                () => false
              )
            : Promise.reject(new Error(`${program} does not start: ${said}`)),
        (isReady) => isReady,
        60_000
      ),
    signal: (name: "SIGSTOP" | "SIGCONT") => void child.kill(name),
    stop: () => {
      running.delete(child)
      child.kill("SIGKILL")
      return exited
    }
  }
}

/** Starts both. `speed` 1: as shipped, with the scrape interval of the chart, 15 seconds. */
export const start = async ({ speed }: { readonly speed: number }): Promise<Monitoring> => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-monitoring-"))
  const path = (name: string) => join(folder, name)
  const [prometheusPort, alertmanagerPort] = [await RedisServer.freePort(), await RedisServer.freePort()]
  const prometheusUrl = `http://127.0.0.1:${prometheusPort}`
  const alertmanagerUrl = `http://127.0.0.1:${alertmanagerPort}`

  const notices: Array<Notice> = []
  const receiver = createServer((request, response) => {
    let text = ""
    request.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")))
    request.on("end", () => {
      for (const { annotations, labels, status } of Schema.decodeUnknownSync(Notification)(text).alerts) {
        const { runbook_url: runbook, summary } = annotations
        notices.push({ at: Date.now(), status, alert: labels.alertname, summary, runbook })
      }
      response.end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve))
  const bound = receiver.address()
  if (bound === null || typeof bound === "string") throw new Error("no TCP address")

  const places = /((?:interval|wait): )(\d+[smhd])/g
  const receivers = "  - name: nowhere\n"
  const shipped = read("deploy/compose/alertmanager.yaml")
  if (!shipped.includes(receivers)) throw new Error("deploy/compose/alertmanager.yaml has no receiver `nowhere`")
  writeFileSync(
    path("alertmanager.yml"),
    scaledIn(
      shipped.replace(
        receivers,
        `${receivers}    webhook_configs: [{ url: 'http://127.0.0.1:${bound.port}', send_resolved: true }]\n`
      ),
      speed,
      places
    )
  )
  writeFileSync(path("alerts.yml"), rules(speed))
  const scrape = (targets: ReadonlyArray<Target>) =>
    writeFileSync(
      path("targets.json"),
      JSON.stringify(
        targets.map(({ address, role }) => ({
          targets: [new URL(address).host],
          labels: { job: role, eco2_role: role }
        }))
      )
    )
  scrape([])
  writeFileSync(
    path("prometheus.yml"),
    stringify({
      global: {
        scrape_interval: scaled("15s", speed),
        scrape_timeout: scaled("15s", speed),
        evaluation_interval: scaled("15s", speed)
      },
      rule_files: [path("alerts.yml")],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }] },
      scrape_configs: [
        { job_name: "roles", file_sd_configs: [{ files: [path("targets.json")], refresh_interval: "1s" }] }
      ]
    })
  )
  const alertmanager = launch(find(...programs.alertmanager), [
    `--config.file=${path("alertmanager.yml")}`,
    `--storage.path=${path("alertmanager")}`,
    `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
    "--cluster.listen-address="
  ])
  const prometheus = launch(find(...programs.prometheus), [
    `--config.file=${path("prometheus.yml")}`,
    `--storage.tsdb.path=${path("prometheus")}`,
    `--web.listen-address=127.0.0.1:${prometheusPort}`
  ])
  const stop = async () => {
    await Promise.all([prometheus.stop(), alertmanager.stop()])
    await new Promise((resolve) => {
      receiver.close(resolve)
      receiver.closeAllConnections()
    })
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all([prometheus.ready(`${prometheusUrl}/-/ready`), alertmanager.ready(`${alertmanagerUrl}/-/ready`)])
  } catch (error) {
    await stop()
    throw error
  }

  const ask = async (what: string, words: Readonly<Record<string, string>>) => {
    const answer = await fetch(`${prometheusUrl}/api/v1/${what}`, {
      method: "POST",
      body: new URLSearchParams(words)
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${words.query}: ${text}`)
    return text
  }
  return {
    scrape,
    notices,
    notice: async (alert, status, since, patienceMillis) => {
      const found = () => notices.find((one) => one.alert === alert && one.status === status && one.at >= since)
      await until(
        () => Promise.resolve(found()),
        (one) => one !== undefined,
        patienceMillis
      )
      return found()!
    },
    query: async (query) =>
      Schema.decodeUnknownSync(Instant)(await ask("query", { query })).data.result.map(({ metric, value }) => ({
        labels: metric,
        value: value[1]
      })),
    range: async (query, seconds, step) => {
      const end = Date.now() / 1_000
      const words = { query, start: String(end - seconds), end: String(end), step: String(step) }
      return Schema.decodeUnknownSync(Range)(await ask("query_range", words)).data.result.map(({ values }) =>
        values.map(([, value]) => value)
      )
    },
    silenced: async () => {
      const text = await (
        await fetch(`${alertmanagerUrl}/api/v2/alerts?active=false&silenced=false&unprocessed=false&inhibited=true`)
      ).text()
      return [...new Set(Schema.decodeUnknownSync(Alerts)(text).map(({ labels }) => labels.alertname))].toSorted()
    },
    unseen: async (work) => {
      prometheus.signal("SIGSTOP")
      try {
        await work()
      } finally {
        prometheus.signal("SIGCONT")
      }
    },
    stop
  }
}
