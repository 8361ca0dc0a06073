/**
 * Dashboard: builds Grafana's JSON from the essentials of each panel: what it shows, in which unit, by which query. Positions and
 * ids follow from the order. The viewer chooses data source and namespace; `$ns` in a query filters by the chosen namespaces and
 * also matches series without one (one machine). For Grafana 10 and newer.
 */

/** Grafana's names of units. */
export type Unit = "s" | "short" | "reqps" | "ops" | "bytes" | "percentunit"

export interface Query {
  /** PromQL. `$ns` goes between the braces of every metric, `$window` is the range of rates. */
  readonly expr: string
  /** Labels in `{{…}}`. */
  readonly legend: string
}

export interface Panel {
  readonly kind?: "timeseries" | "stat" | "table"
  readonly title: string
  /** What it shows, and when to act. */
  readonly description: string
  readonly unit: Unit
  readonly queries: ReadonlyArray<Query>
  /** Of 24. Default 8. */
  readonly width?: number
  readonly stacked?: boolean
  /** The value from which the panel is red. */
  readonly alarm?: number
}

export interface Row {
  readonly title: string
  readonly panels: ReadonlyArray<Panel>
}

export interface Dashboard {
  /** The dashboard's file name and address. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly rows: ReadonlyArray<Row>
}

const source = { type: "prometheus", uid: "${datasource}" }
const columns = 24
const height = 8

/** Fills in `$window` and `$ns`: a rate covers at least four scrapes; all namespaces unless some are chosen. */
const expanded = (expr: string): string =>
  expr.replaceAll("$ns", 'namespace=~"$namespace"').replaceAll("$window", "$__rate_interval")

const steps = (alarm: number | undefined) => [
  { color: "green", value: null },
  ...(alarm === undefined ? [] : [{ color: "red", value: alarm }])
]

const options = (kind: "timeseries" | "stat" | "table") => {
  if (kind === "table") return { showHeader: true }
  if (kind === "stat") return { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value", graphMode: "area" }
  return {
    legend: { displayMode: "table", placement: "bottom", calcs: ["lastNotNull", "max"] },
    tooltip: { mode: "multi" }
  }
}

const panelJson = (panel: Panel, id: number, x: number, y: number) => {
  const kind = panel.kind ?? "timeseries"
  return {
    id,
    type: kind,
    title: panel.title,
    description: panel.description,
    datasource: source,
    gridPos: { h: height, w: panel.width ?? 8, x, y },
    fieldConfig: {
      defaults: {
        unit: panel.unit,
        min: 0,
        thresholds: { mode: "absolute", steps: steps(panel.alarm) },
        ...(kind === "timeseries"
          ? {
              custom: {
                fillOpacity: panel.stacked === true ? 30 : 5,
                stacking: { mode: panel.stacked === true ? "normal" : "none" },
                thresholdsStyle: { mode: panel.alarm === undefined ? "off" : "line" }
              }
            }
          : {})
      },
      overrides: []
    },
    options: options(kind),
    targets: panel.queries.map(({ expr, legend }, i) => ({
      refId: String.fromCodePoint(65 + i),
      datasource: source,
      expr: expanded(expr),
      legendFormat: legend,
      ...(kind === "table" ? { format: "table", instant: true } : {})
    }))
  }
}

const placed = (rows: ReadonlyArray<Row>): ReadonlyArray<unknown> => {
  const out: Array<unknown> = []
  let id = 0
  let y = 0
  for (const row of rows) {
    out.push({
      id: ++id,
      type: "row",
      title: row.title,
      collapsed: false,
      gridPos: { h: 1, w: columns, x: 0, y },
      panels: []
    })
    y += 1
    let x = 0
    for (const panel of row.panels) {
      const width = panel.width ?? 8
      if (x + width > columns) {
        x = 0
        y += height
      }
      out.push(panelJson(panel, ++id, x, y))
      x += width
    }
    y += height
  }
  return out
}

/** The dashboard as Grafana reads it. */
export const toJson = (dashboard: Dashboard): string => {
  const json = {
    uid: `eco2-${dashboard.name}`,
    title: `Eco² / ${dashboard.title}`,
    description: dashboard.description,
    tags: ["eco2"],
    schemaVersion: 38,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    links: [{ type: "dashboards", title: "Eco²", tags: ["eco2"], asDropdown: true, includeVars: true, keepTime: true }],
    templating: {
      list: [
        { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
        {
          name: "namespace",
          label: "Namespace",
          type: "query",
          datasource: source,
          query: { query: "label_values(eco2_redis_commands_total, namespace)", refId: "namespace" },
          refresh: 2,
          multi: true,
          includeAll: true,
          allValue: ".*",
          current: { text: "All", value: "$__all" }
        }
      ]
    },
    annotations: { list: [] },
    panels: placed(dashboard.rows)
  }
  return `${JSON.stringify(json, null, 2)}\n`
}

/** Quantiles of a histogram, one query each; `by` keeps labels. */
export const quantiles = (metric: string, filter: string, by: string): ReadonlyArray<Query> =>
  [0.5, 0.95, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by === "" ? "le" : `le, ${by}`}) (rate(${metric}_bucket{$ns${filter}}[$window])))`,
    legend: `p${Math.round(quantile * 100)}${by === "" ? "" : ` {{${by}}}`}`
  }))

/** A gauge that several processes export with the same value: the maximum, not the sum. */
export const alike = (metric: string, by: string): Query => ({
  expr: `max by (${by}) (${metric}{$ns})`,
  legend: `{{${by}}}`
})

/** Events a second, summed over all processes. */
export const perSecond = (metric: string, by: string, filter = ""): Query => ({
  expr: `sum by (${by}) (rate(${metric}{$ns${filter}}[$window]))`,
  legend: by
    .split(", ")
    .map((label) => `{{${label}}}`)
    .join(" ")
})

/** Zero, not nothing, before the first event: for what no healthy installation ever has. */
export const orZero = ({ expr, legend }: Query): Query => ({ expr: `${expr} or vector(0)`, legend })
