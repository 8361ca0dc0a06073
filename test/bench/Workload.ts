/**
 * Workload: the job that every contender runs: four no-op stages, 800 bytes of input, 400 bytes of output for each stage; and the
 * protocol between a contender's process and the orchestrator (JSON lines on stdout, one command a line on stdin).
 */
import { createInterface } from "node:readline"

export const stages = ["one", "two", "three", "four"] as const
/** 800 bytes of JSON. */
export const input = { id: 0, text: "x".repeat(780) }
/** 400 bytes of JSON. */
export const output = { text: "y".repeat(389) }

export interface Report {
  readonly event: string
  readonly [fact: string]: unknown
}
export const report = (event: string, facts: Record<string, unknown> = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`)
}

/** Milliseconds of CPU this process has used. */
export const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

/** Commands of the orchestrator, one a line. */
export const onCommand = (handle: (command: string, argument: number) => void): void => {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [command = "", argument = "0"] = line.split(" ")
    handle(command, Number(argument))
  })
}

export const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)
