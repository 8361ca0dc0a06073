/** Dashboards, alerts and scalers query the metrics that the roles export, and no others. */
import { describe, expect, it } from "vitest"
import { Schema } from "effect"
import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"
import { files, folder } from "../../deploy/grafana/dashboardFiles.ts"
import { anchor } from "../harness/Documents.ts"
import * as PromQl from "./PromQl.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string) => readFileSync(`${root}${path}`, "utf8")
const metrics = PromQl.documented()

// ---- dashboards

const Target = Schema.Struct({
  refId: Schema.NonEmptyString,
  expr: Schema.NonEmptyString,
  legendFormat: Schema.NonEmptyString
})
const Place = Schema.Struct({ h: Schema.Int, w: Schema.Int, x: Schema.Int, y: Schema.Int })
const Panel = Schema.Struct({
  id: Schema.Int,
  type: Schema.Literals(["timeseries", "stat", "table"]),
  title: Schema.NonEmptyString,
  description: Schema.NonEmptyString,
  gridPos: Place,
  fieldConfig: Schema.Struct({ defaults: Schema.Struct({ unit: Schema.NonEmptyString }) }),
  targets: Schema.NonEmptyArray(Target)
})
const RowPanel = Schema.Struct({
  id: Schema.Int,
  type: Schema.Literal("row"),
  title: Schema.NonEmptyString,
  gridPos: Place
})
const Dashboard = Schema.fromJsonString(
  Schema.Struct({
    uid: Schema.NonEmptyString,
    title: Schema.NonEmptyString,
    templating: Schema.Struct({ list: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String })) }),
    panels: Schema.NonEmptyArray(Schema.Union([RowPanel, Panel]))
  })
)
type Shown = typeof Dashboard.Type
const panelsOf = ({ panels }: Shown) => panels.flatMap((panel) => (panel.type === "row" ? [] : [panel]))
const dashboards = [...files.keys()].map(
  (name) => [name, Schema.decodeUnknownSync(Dashboard)(readFileSync(new URL(name, folder), "utf8"))] as const
)

describe("the dashboards", () => {
  it("the dashboards are the files that `npm run dashboards` writes, and no others", () => {
    expect(globSync("*", { cwd: fileURLToPath(folder) }).toSorted()).toEqual([...files.keys()].toSorted())
    for (const [name, text] of files) expect(readFileSync(new URL(name, folder), "utf8") === text, name).toBe(true)
  })

  it.each(dashboards)("%s gives every panel its own id, place and title", (_, dashboard) => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
    const taken = new Set<string>()
    for (const { gridPos, title } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false)
          taken.add(`${x} ${y}`)
        }
      }
    }
  })

  it.each(dashboards)("%s uses metrics and labels that exist", (_, dashboard) => {
    for (const { targets, title } of panelsOf(dashboard)) {
      for (const { expr, legendFormat } of targets) {
        const kept = PromQl.keptBy(expr)
        const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].flatMap(([, label]) => label ?? [])
        expect([title, PromQl.objections(expr, metrics)]).toEqual([title, []])
        expect([title, shown.filter((label) => !kept.includes(label))]).toEqual([title, []])
      }
    }
  })

  it("the dashboards have ids of their own, and a choice of data source and namespace", () => {
    expect(new Set(dashboards.map(([, { uid }]) => uid)).size).toBe(dashboards.length)
    for (const [, { templating }] of dashboards) {
      expect(templating.list.map(({ name, type }) => `${name} ${type}`)).toEqual([
        "datasource datasource",
        "namespace query"
      ])
    }
    for (const text of files.values()) {
      expect(text.match(/"uid": "(?!\$\{datasource\}|eco2-)[^"]*"/g)).toBeNull()
      // a metric without a filter would show every installation
      expect(
        text.match(/(?<=[("]|\s)(?:eco2(?!_role)|process|nodejs)_[a-z0-9_]+(?!\w|\{namespace=~|, namespace\))/g)
      ).toBeNull()
    }
  })

  it("the dashboards show every metric", () => {
    const shown = new Set([...files.values()].flatMap(PromQl.metricsIn).map((name) => PromQl.baseName(name, metrics)))
    expect([...metrics.keys()].filter((name) => !shown.has(name))).toEqual([])
  })
})

// ---- alerts

const Alert = Schema.Struct({
  alert: Schema.String.check(Schema.isPattern(/^Eco2[A-Z][A-Za-z]+$/)),
  expr: Schema.NonEmptyString,
  for: Schema.String.check(Schema.isPattern(/^\d+[smh]$/)),
  labels: Schema.Struct({ severity: Schema.Literals(["warning", "critical"]) }),
  annotations: Schema.Struct({
    summary: Schema.NonEmptyString,
    description: Schema.NonEmptyString,
    runbook_url: Schema.String.check(Schema.isPattern(/^docs\/operations\/alerts\.md#[a-z0-9-]+$/))
  })
})
const Rules = Schema.Struct({
  groups: Schema.NonEmptyArray(Schema.Struct({ name: Schema.NonEmptyString, rules: Schema.NonEmptyArray(Alert) }))
})
/** The part of a promtool test that names an alert's texts. */
const Texts = Schema.Record(Schema.String, Schema.String)
const Expected = Schema.Struct({ exp_annotations: Texts })
const Played = Schema.Struct({
  tests: Schema.Array(
    Schema.Struct({
      alert_rule_test: Schema.Array(Schema.Struct({ alertname: Schema.String, exp_alerts: Schema.Array(Expected) }))
    })
  )
})
const alertsFile = "deploy/helm/eco2/files/alerts.yaml"
// Prometheus does not know a field that its schema does not know
const { groups } = Schema.decodeUnknownSync(Rules, { onExcessProperty: "error" })(parse(read(alertsFile)))
const alerts = groups.flatMap(({ rules }) => rules)

const anchors = [...read("docs/operations/alerts.md").matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading!))

/** Played by promtool. */
const played = ["test/chart/alerts.promtool.yaml", "test/chart/causes.promtool.yaml"]

describe("the alerts", () => {
  it("the alerts have different names", () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length)
  })

  it.each(alerts.map((one) => [one.alert, one] as const))(
    "%s uses metrics and labels that exist, and has a runbook",
    (name, rule) => {
      expect(PromQl.objections(rule.expr, metrics)).toEqual([])
      const told = `${rule.annotations.summary} ${rule.annotations.description}`
      const shown = [...told.matchAll(/\$labels\.(\w+)/g)].flatMap(([, label]) => label ?? [])
      // a label that the query drops would be empty in the text
      expect(shown.filter((label) => !PromQl.keptBy(rule.expr).includes(label))).toEqual([])
      expect(rule.annotations.runbook_url).toBe(`docs/operations/alerts.md#${name.toLowerCase()}`)
      expect(anchors).toContain(name.toLowerCase())
    }
  )

  it("every runbook belongs to an alert", () => {
    const named = alerts.map(({ alert }) => alert.toLowerCase())
    expect(anchors.filter((one) => /^eco2[a-z]+$/.test(one) && !named.includes(one))).toEqual([])
  })

  const Inhibition = Schema.Struct({ cause: Schema.String, followers: Schema.NonEmptyArray(Schema.String) })
  const all = Schema.decodeUnknownSync(Schema.NonEmptyArray(Inhibition), { onExcessProperty: "error" })(
    parse(read("deploy/helm/eco2/files/inhibitions.yaml"))
  )

  it("what is silenced by a cause is an alert, the cause too, and no two alerts silence each other", () => {
    const known = alerts.map(({ alert }) => alert)
    expect(all.flatMap(({ cause, followers }) => [cause, ...followers]).filter((one) => !known.includes(one))).toEqual(
      []
    )
    const silences = (cause: string, follower: string) =>
      all.some((one) => one.cause === cause && one.followers.includes(follower))
    for (const { cause, followers } of all)
      expect([cause, followers.filter((one) => one === cause || silences(one, cause))]).toEqual([cause, []])
  })

  const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 }
  const seconds = (duration: string) => Number.parseInt(duration, 10) * (unitSeconds[duration.slice(-1)] ?? Number.NaN)
  const rule = (name: string) => alerts.find(({ alert }) => alert === name)!
  /** What an alert's own threshold adds to its `for`, seconds after a cause began. */
  const threshold: Readonly<Record<string, number>> = {
    // a job expires JOB_DEADLINE after its submit
    Eco2JobsExpire: 3_600,
    Eco2WorkTooOld: Number(/> (\d+)$/.exec(rule("Eco2WorkTooOld").expr)?.[1]),
    Eco2WorkerDeaf: Number(/> (\d+)$/.exec(rule("Eco2WorkerDeaf").expr)?.[1])
  }
  /** The window of an alert on counted events, seconds. */
  const windowOf = (name: string) => {
    const [, window] = /unless [^[]* offset (\d+[smh])\)/.exec(rule(name).expr) ?? []
    return window === undefined ? null : seconds(window)
  }

  it.each(all.map((one) => [one.cause, one.followers] as const))(
    "%s rings before each alert that follows from it, and an event that it counts is told longer",
    (cause, followers) => {
      const early = followers.filter(
        (one) => seconds(rule(one).for) + (threshold[one] ?? 0) <= seconds(rule(cause).for)
      )
      expect(early).toEqual([])
      const told = windowOf(cause)
      expect(followers.filter((one) => told !== null && (windowOf(one) ?? 0) >= told)).toEqual([])
    }
  )

  it("the windows and thresholds that the order of alerts depends on are read from the rules", () => {
    expect([windowOf("Eco2RedisLostData"), windowOf("Eco2SubmitsLost"), windowOf("Eco2RoleDown")]).toEqual([
      1_200,
      900,
      null
    ])
    expect(threshold).toEqual({ Eco2JobsExpire: 3_600, Eco2WorkTooOld: 300, Eco2WorkerDeaf: 60 })
  })

  // promtool compares every text too, but is not installed everywhere
  it("the alerts have the texts that promtool's test expects", () => {
    const tests = played.flatMap((file) => Schema.decodeUnknownSync(Played)(parse(read(file))).tests)
    const expected = tests.flatMap((test) =>
      test.alert_rule_test.flatMap(({ alertname, exp_alerts }) =>
        exp_alerts.map(({ exp_annotations }) => ({ alertname, exp_annotations }))
      )
    )
    expect(expected.length).toBeGreaterThan(0)
    for (const { alertname, exp_annotations } of expected) {
      const texts = Object.entries(alerts.find(({ alert }) => alert === alertname)?.annotations ?? {})
      // what a query or label fills in may be anything
      const patterns = texts.map(([name, text]) => [
        name,
        expect.stringMatching(
          `^${text
            .split(/{{[^}]*}}/)
            .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
            .join(".*")}$`
        )
      ])
      expect(exp_annotations).toEqual(Object.fromEntries(patterns))
    }
  })

  // if Prometheus's promtool is installed, it checks the file and runs its tests
  const promtool = (...words: ReadonlyArray<string>) => spawnSync("promtool", words, { cwd: root, encoding: "utf8" })
  it.skipIf(promtool("--version").error !== undefined)(
    "the alerts are valid to promtool, and fire as tested",
    { timeout: 300_000 },
    () => {
      const checked = promtool("check", "rules", "--lint-fatal", alertsFile)
      expect([checked.status, checked.stderr]).toEqual([0, ""])
      const ran = promtool("test", "rules", ...played)
      expect([ran.status, ran.stdout + ran.stderr]).toEqual([0, expect.stringContaining("SUCCESS")])
    }
  )
})

// ---- everything else in the chart that names a metric: the scalers

describe("the chart's metrics", () => {
  it("the chart uses no metric that does not exist", () => {
    const paths = globSync(["deploy/helm/**/*.{yaml,tpl,md,txt,json}", "deploy/compose/**/*.y*ml"], { cwd: root })
    const unknown = paths.flatMap((path) =>
      PromQl.metricsIn(read(path))
        .map((name) => PromQl.baseName(name, metrics))
        .filter((name) => !metrics.has(name))
        .map((name) => `${path}: ${name}`)
    )
    expect(paths.length).toBeGreaterThan(0)
    expect(unknown).toEqual([])
  })
})

describe("PromQl.objections", () => {
  it.each([
    ["sum(rate(eco2_job_total[5m]))", "there is no metric eco2_job_total"],
    ['sum(rate(eco2_jobs_total{stage="x"}[5m]))', "eco2_jobs_total has no label stage"],
    ["sum by (le, model) (rate(eco2_stage_seconds_bucket[5m]))", "nothing in the query has a label model"],
    ["max(eco2_stage_seconds)", "eco2_stage_seconds has no value of its own"],
    ["eco2_jobs_total > 5", "eco2_jobs_total only grows"],
    ["sum by (mailbox) (eco2_mailbox_depth)", "adds up what several processes tell alike"],
    ["up == 0", "names no metric"]
  ])("the query %s is refused: %s", (expr, objection) => {
    expect(PromQl.objections(expr, metrics)).toContain(objection)
  })
})
