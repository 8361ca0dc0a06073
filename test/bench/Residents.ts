/** Residents: the most memory that processes had while a benchmark ran, by their resident set (Linux). */
import { readFileSync } from "node:fs"
import type { Process } from "../harness/Process.ts"

const everyMillis = 50

/** Watches from now on. `report` prints each process's peak, and whether one has ended, which it returns. */
export const watch = (processes: Readonly<Record<string, Process>>) => {
  const peaks = new Map(Object.keys(processes).map((name) => [name, 0]))
  const timer = setInterval(() => {
    for (const [name, { pid }] of Object.entries(processes)) {
      try {
        const [, kilobytes = "0"] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
        peaks.set(name, Math.max(peaks.get(name) ?? 0, Number(kilobytes) / 1_024))
      } catch {
        // it has ended; `report` says so
      }
    }
  }, everyMillis)
  timer.unref()
  return {
    report: async (): Promise<boolean> => {
      clearInterval(timer)
      for (const [name, most] of peaks) console.log(`${name}: at most ${most.toFixed(0)} MiB`)
      const soon = new Promise<null>((resolve) => setTimeout(resolve, 10, null))
      const ended = await Promise.race([...Object.values(processes).map(({ exited }) => exited), soon])
      console.log(ended === null ? "no process ended" : `a process ended: ${JSON.stringify(ended)}`)
      return ended !== null
    }
  }
}
