/**
 * PromQl: the metrics and labels that a query names, and the existing ones by the table in docs/operations/metrics.md (which other
 * tests compare with the code and with a scrape of every role). Not a parser: it reads the queries of this project.
 */
import { readFileSync } from "node:fs"

export interface Metric {
  readonly type: string
  readonly labels: ReadonlyArray<string>
}

/** Labels that a scrape adds; `eco2_role` is set by our own scrape configurations, and tells our targets from others. */
const ofTheScrape = ["job", "instance", "namespace", "pod", "eco2_role"]

const quoted = (text: string) => [...text.matchAll(/`([a-z_]+)`/g)].flatMap(([, name]) => name ?? [])

/** The table of metrics in docs/operations/metrics.md, by name. */
export const documented = (): ReadonlyMap<string, Metric> => {
  const text = readFileSync(new URL("../../docs/operations/metrics.md", import.meta.url), "utf8")
  return new Map(
    [...text.matchAll(/^\| `((?:eco2|process|nodejs)_[a-z0-9_]+)` \| (\w+) \|([^|]*)\|/gm)].map(
      ([, name, type, labels]) => [name!, { type: type!, labels: quoted(labels!) }]
    )
  )
}

/** `eco2_stage_seconds` for `eco2_stage_seconds_bucket`, if that is a histogram. */
export const baseName = (name: string, metrics: ReadonlyMap<string, Metric>): string => {
  const base = name.replace(/_(bucket|sum|count)$/, "")
  return metrics.get(base)?.type === "histogram" ? base : name
}

/** Names of metrics anywhere in a text. */
export const metricsIn = (text: string): ReadonlyArray<string> => [
  ...new Set([...text.matchAll(/(?<![\w{/.-])(?:eco2(?!_role\b)|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name))
]

const list = (text: string) => text.split(",").flatMap((name) => name.trim() || [])

/** The labels of a query's result: those in its `by (…)`. */
export const keptBy = (expr: string): ReadonlyArray<string> =>
  [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, labels]) => list(labels ?? ""))

/** What is wrong with a query; empty if nothing is. */
export const objections = (expr: string, metrics: ReadonlyMap<string, Metric>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const named = metricsIn(expr)
  const labelsOf = (name: string) => {
    const metric = metrics.get(baseName(name, metrics))
    return metric === undefined ? [] : [...metric.labels, ...(metric.type === "histogram" ? ["le"] : [])]
  }
  if (named.length === 0 && !/\bup\{eco2_role/.test(expr)) found.push("names no metric")
  for (const name of named) {
    const metric = metrics.get(baseName(name, metrics))
    if (metric === undefined) found.push(`there is no metric ${name}`)
    else if (metric.type === "histogram" && name === baseName(name, metrics))
      found.push(`${name} has no value of its own`)
    else if (metric.type === "counter" && !/rate\(|increase\(|unless|count by|[^(]*sum by/.test(expr)) {
      found.push(`${name} only grows`)
    }
  }
  for (const [, name, filter] of expr.matchAll(/((?:eco2|process|nodejs)_[a-z0-9_]+)\{([^}]*)\}/g)) {
    for (const [, label] of filter!.matchAll(/(?:^|,)\s*(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (![...labelsOf(name!), ...ofTheScrape].includes(label!)) found.push(`${name} has no label ${label}`)
    }
  }
  const known = [...named.flatMap(labelsOf), ...ofTheScrape]
  for (const label of keptBy(expr)) {
    if (!known.includes(label)) found.push(`nothing in the query has a label ${label}`)
  }
  // every process exports the same value of these
  if (/\bsum(?:\s+by\s*\([^)]*\))?\s*\(\s*eco2_(?:mailbox_|processes|redis_memory_|breaker_|news_quota)/.test(expr)) {
    found.push("adds up what several processes tell alike")
  }
  return found
}
