/**
 * What features cost, on against off: `npm run bench:features [-- feature … --rounds n --jobs n --minutes n]`. Each feature takes
 * turns with `usual`, what users get by default. What cannot be switched (checkpoints, history, live events, leases) is part of
 * each; the floor (`npm run bench -- jobs`) has the first three without the runtime.
 */
import { parseArgs } from "node:util"
import { Duration } from "effect"
import * as Contest from "./Contest.ts"
import type { Switches } from "./eco2.ts"
import * as jobs from "./jobs.ts"

interface Feature {
  readonly bench?: Switches
  readonly redis?: ReadonlyArray<string>
}
const features: Readonly<Record<string, Feature>> = {
  usual: {},
  "no schemas": { bench: { schemas: false } },
  "spans made": { bench: { spans: true } },
  "logs at info": { bench: { logs: true } },
  "no user's share": { bench: { settings: { userConcurrency: 0 } } },
  USER_RATE: { bench: { settings: { userRate: { number: 1_000_000, window: Duration.minutes(1) } } } },
  "no owner": { bench: { users: 0 } },
  // all jobs of a user are in one partition, and those beyond the 100th wait in the user's lane
  "four users, lanes": { bench: { users: 4, settings: { laneCapacity: 1_000_000 } } },
  "four users, no lanes": { bench: { users: 4, settings: { userConcurrency: 0 } } },
  "1 partition": { bench: { settings: { partitions: 1 } } },
  "16 partitions": { bench: { settings: { partitions: 16 } } },
  "no AOF": { redis: ["--appendonly", "no"] },
  "AOF always": { redis: ["--appendfsync", "always"] }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    jobs: { type: "string", default: "6000" },
    minutes: { type: "string", default: "3" }
  }
})
const unknown = positionals.filter((name) => features[name] === undefined)
if (unknown.length > 0) {
  process.stderr.write(`no feature ${unknown.join(", ")}; there are ${Object.keys(features).join(", ")}\n`)
  process.exit(2)
}
const bounds = { rounds: Number(values.rounds), minutes: Number(values.minutes) }
const chosen = positionals.length === 0 ? Object.keys(features) : ["usual", ...positionals]
const hung = Contest.endAfter(bounds.minutes + 1)
const size = { jobs: Number(values.jobs), warmUp: Number(values.jobs), idle: 60 }
const results = await Contest.play([...new Set(chosen)], bounds, (name) =>
  jobs.round({ ...jobs.contenders.eco2!, ...features[name] }, size)
)
clearTimeout(hung)
Contest.keep("features", results, { ...bounds })
process.stdout.write(Contest.table(results, "each / first"))
process.exit(0)
