/**
 * `npm run test:fault`: runs FAULT_SEEDS seeds (3) of FAULT_JOBS jobs (5000) on FAULT_WORKERS workers (3) and prints a table for
 * docs/faults.md. FAULT_SEED repeats that seed alone. FAULT_TOPOLOGY is standalone, cluster or sentinel. Exit code 1 if anything is violated.
 */
import * as Backend from "./Backend.ts"
import * as Trial from "./Trial.ts"

const setting = (name: string, fallback: number) => {
  const value = process.env[name]
  if (value === undefined || value === "") return fallback
  if (!/^\d+$/.test(value)) throw new Error(`${name} is "${value}"; allowed is a whole number`)
  return Number(value)
}
const jobs = setting("FAULT_JOBS", 5_000)
const workers = setting("FAULT_WORKERS", 3)
const topology = Backend.topologies.find((name) => name === (process.env.FAULT_TOPOLOGY || "standalone"))
if (topology === undefined) throw new Error(`FAULT_TOPOLOGY is one of ${Backend.topologies.join(", ")}`)
const own = setting("FAULT_SEED", -1)
const seeds =
  own >= 0 ? [own] : Array.from({ length: setting("FAULT_SEEDS", 3) }, () => Math.floor(Math.random() * 1_000_000))

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${count}`)
    .join(", ")
const row = (cells: ReadonlyArray<string | number>) => `| ${cells.join(" | ")} |`

const rows: Array<string> = []
let violated = 0
for (const seed of seeds) {
  console.log(
    `seed ${seed}: ${jobs} jobs, ${workers} workers (FAULT_SEED=${seed} FAULT_JOBS=${jobs} npm run test:fault)`
  )
  const since = performance.now()
  const report = await Trial.run({
    topology,
    seed,
    jobs,
    workers,
    spanMillis: Math.max(10_000, jobs * 25),
    faultEveryMillis: 700,
    log: (line) => console.log(`  ${((performance.now() - since) / 1000).toFixed(1).padStart(6)} ${line}`)
  })
  violated += report.violations.length
  for (const violation of report.violations) console.log(`VIOLATION ${violation}`)
  for (const story of report.stories) console.log(story)
  const faults = Object.values(report.faults).reduce((sum, count) => sum + count, 0)
  rows.push(
    row([
      seed,
      jobs,
      counted(report.outcomes),
      `${faults}: ${Backend.kindsOf[topology].map((kind) => `${kind} ${report.faults[kind] ?? 0}`).join(", ")}`,
      report.calls,
      counted(report.repeats),
      `${report.bills.billed}: ${report.bills.ok} ok, ${report.bills.uncertain} uncertain (${report.bills.free} free)`,
      report.late,
      `${report.takeovers} / ${report.leasesLost}`,
      `${report.viewers} (${report.streams})`,
      report.seconds.toFixed(0),
      report.violations.length
    ])
  )
}
console.log("")
console.log(
  row([
    "seed",
    "jobs",
    "ended",
    "faults injected",
    "model calls",
    "repeated calls by cause",
    "billed: recorded",
    "late calls",
    "takeovers / leases lost",
    "viewers (streams)",
    "seconds",
    "violations"
  ])
)
console.log(row(Array.from({ length: 12 }, () => "---")))
for (const line of rows) console.log(line)
process.exitCode = violated === 0 ? 0 : 1
