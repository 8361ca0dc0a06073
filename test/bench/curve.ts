/**
 * How the runtime grows: `npm run bench:curve [-- --rounds n --jobs n --minutes n]`: one, two and four worker processes on one Redis,
 * and one and three masters. One process submits and follows; the processes share this machine's cores, which is what bounds the
 * curve first: `cores` is how many of them each round kept busy.
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import * as Contest from "./Contest.ts"
import * as jobs from "./jobs.ts"
import type { Contender } from "./jobs.ts"

const eco2 = jobs.contenders.eco2!
const points: Readonly<Record<string, Contender>> = {
  "1 worker": eco2,
  "2 workers": { ...eco2, workers: 2 },
  "4 workers": { ...eco2, workers: 4 },
  // a number of partitions that three masters divide
  "1 master, 6 partitions": { ...eco2, workers: 2, bench: { settings: { partitions: 6 } } },
  "3 masters, 6 partitions": { ...eco2, workers: 2, masters: 3, bench: { settings: { partitions: 6 } } }
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    jobs: { type: "string", default: "8000" },
    minutes: { type: "string", default: "3" }
  }
})
const bounds = { rounds: Number(values.rounds), minutes: Number(values.minutes) }
const hung = Contest.endAfter(bounds.minutes + 1)
const size = { jobs: Number(values.jobs), warmUp: Number(values.jobs), idle: 60 }
const results = await Contest.play(Object.keys(points), bounds, async (name) => {
  const figures = await jobs.round(points[name]!, size)
  const micros = ["Redis", "worker", "submitter"].reduce((sum, who) => sum + figures[`${who} CPU µs/job`]!, 0)
  return { ...figures, [`cores of ${availableParallelism()}`]: (micros * figures["jobs/s"]!) / 1e6 }
})
clearTimeout(hung)
Contest.keep("curve", results, { ...bounds })
process.stdout.write(Contest.table(results, "each / first"))
process.exit(0)
