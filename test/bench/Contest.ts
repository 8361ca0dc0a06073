/**
 * Contest: contenders in turns (A B C, then C B A), each round from a clean start, because a machine's speed changes within a run;
 * and what came of it: a table of medians with the least and the most, and of ratios of medians to one contender; the figures of
 * every round go to test/.artifacts/bench.json, beside those of other contests. A contest begins no round that would end after its
 * time, and a benchmark that still runs a minute later is ended.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { median } from "./Workload.ts"

export type Figures = Readonly<Record<string, number>>
/** By contender, round by round. */
export type Results = ReadonlyMap<string, ReadonlyArray<Figures>>

export interface Bounds {
  readonly rounds: number
  /** Of the whole contest. */
  readonly minutes: number
}

/** Ends the process, and with it all that it has started, if it runs longer, unless the timer is cleared. */
export const endAfter = (minutes: number): NodeJS.Timeout =>
  setTimeout(() => {
    process.stderr.write(`ended after ${minutes} minutes: something hangs, or the machine is too slow\n`)
    process.exit(1)
  }, minutes * 60_000).unref()

export const play = async (
  contenders: ReadonlyArray<string>,
  { minutes, rounds }: Bounds,
  round: (contender: string) => Promise<Figures>
): Promise<Results> => {
  const results = new Map(contenders.map((name) => [name, new Array<Figures>()]))
  const began = performance.now()
  for (let i = 0; i < rounds; i++) {
    const spent = performance.now() - began
    if (i > 0 && spent + spent / i > minutes * 60_000) {
      process.stderr.write(`${i} of ${rounds} rounds: a further one would take longer than ${minutes} minutes\n`)
      break
    }
    for (const name of i % 2 === 0 ? contenders : contenders.toReversed()) {
      const figures = await round(name)
      results.get(name)!.push(figures)
      const [[first, value] = ["", 0]] = Object.entries(figures)
      process.stderr.write(`round ${i + 1} ${name}: ${first} ${print(value)}\n`)
    }
  }
  return results
}

const print = (value: number): string =>
  Number.isFinite(value) ? value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0) : "-"

/** Figures that not all contenders have are left out of a ratio. `base`: the contender that the others are compared with. */
export const table = (results: Results, compare: "ours / each" | "each / first"): string => {
  const contenders = [...results.keys()]
  const [first = "", ...others] = contenders
  const names = [...new Set([...results.values()].flatMap((rows) => rows.flatMap((row) => Object.keys(row))))]
  const valuesOf = (contender: string, figure: string) =>
    (results.get(contender) ?? []).map((row) => row[figure] ?? Number.NaN).filter(Number.isFinite)
  const cell = (contender: string, figure: string) => {
    const values = valuesOf(contender, figure)
    if (values.length === 0) return "-"
    return `${print(median(values))} (${print(Math.min(...values))}–${print(Math.max(...values))})`
  }
  const ratio = (other: string, figure: string) => {
    const [ours, theirs] = [median(valuesOf(first, figure)), median(valuesOf(other, figure))]
    const value = compare === "ours / each" ? ours / theirs : theirs / ours
    return Number.isFinite(value) ? value.toFixed(2) : "-"
  }
  const ratioName = (other: string) => (compare === "ours / each" ? `${first} / ${other}` : `${other} / ${first}`)
  return [
    `| figure | ${[...contenders, ...others.map(ratioName)].join(" | ")} |`,
    `| --- |${" ---: |".repeat(contenders.length + others.length)}`,
    ...names.map(
      (figure) =>
        `| ${figure} | ${[...contenders.map((name) => cell(name, figure)), ...others.map((name) => ratio(name, figure))].join(" | ")} |`
    ),
    ""
  ].join("\n")
}

const artifacts = new URL("../.artifacts/", import.meta.url)
const kept = new URL("bench.json", artifacts)
const known = (): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(readFileSync(kept, "utf8"))
    return typeof value === "object" && value !== null ? { ...value } : {}
  } catch {
    // there is none yet
    return {}
  }
}
/** Keeps a contest's figures under its name, in place of those of an earlier run. */
export const keep = (name: string, results: Results, facts: Readonly<Record<string, unknown>> = {}): void => {
  mkdirSync(artifacts, { recursive: true })
  const row = { at: new Date().toISOString(), ...facts, results: Object.fromEntries(results) }
  writeFileSync(kept, JSON.stringify({ ...known(), [name]: row }, null, 1))
}
