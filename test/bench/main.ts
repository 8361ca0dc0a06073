/**
 * The benchmarks of what the runtime and the gateway cost: `npm run bench [-- row … --quick --rounds n --jobs n --viewers n
 * --minutes n --against folder]`. Contenders take turns (Contest). A row is one table of medians with the least and the most, and
 * ratios; every figure of every round is in test/.artifacts/bench.json. No test asserts on any of it.
 *   jobs       the runtime, the floor, BullMQ's chain and flow: jobs/s, processor time, idle latency, bytes
 *   waiting    jobs/s while 1,000, 10,000 and 100,000 jobs wait (--waiting: another list)
 *   in-flight  10,000 jobs in flight in one process, 5 s a stage
 *   gateway    submits, results, streams and events of the gateway and of a raw server
 *   ask        an ask's round trip and a bare one
 *   start      what the start of each role costs, and of the raw server
 *   peers      the runtime, graphile-worker, DBOS and Restate, each with its own store
 * `--against`: another copy of the project, which takes part in jobs and gateway, and in start in place of the other roles.
 */
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import * as Contest from "./Contest.ts"
import type { Bounds, Results } from "./Contest.ts"
import * as gateways from "./gateways.ts"
import * as jobs from "./jobs.ts"
import { Part } from "./Part.ts"
import * as peers from "./peers.ts"
import * as starts from "./starts.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    minutes: { type: "string" },
    jobs: { type: "string" },
    viewers: { type: "string" },
    waiting: { type: "string", default: "1000,10000,100000" },
    against: { type: "string" }
  }
})
const { against: folder, quick } = values
const number = (text: string | undefined, usual: number) => (text === undefined ? usual : Number(text))
const against = folder === undefined ? undefined : resolve(folder)
const ofAgainst = against === undefined ? [] : ["against"]

interface Row {
  readonly title: string
  readonly compare: "ours / each" | "each / first"
  /** Default 3. */
  readonly minutes?: number
  readonly play: (bounds: Bounds) => Promise<Results>
}
const rows: Readonly<Record<string, Row>> = {
  jobs: {
    title: "A job of four stages",
    compare: "ours / each",
    play: (bounds) => {
      const size = { jobs: number(values.jobs, quick ? 3_000 : 10_000), warmUp: quick ? 3_000 : 10_000, idle: 210 }
      const names = [...Object.keys(jobs.contenders), ...ofAgainst]
      return Contest.play(names, bounds, (name) =>
        jobs.round(name === "against" ? jobs.another(against!) : jobs.contenders[name]!, size)
      )
    }
  },
  waiting: {
    title: "Jobs that wait",
    compare: "each / first",
    play: (bounds) =>
      Contest.play(values.waiting.split(","), bounds, (name) =>
        jobs.amongWaiting(Number(name), number(values.jobs, quick ? 1_000 : 4_000))
      )
  },
  "in-flight": {
    title: "In flight in one process, 5 s a stage",
    compare: "each / first",
    play: (bounds) => {
      const count = String(number(values.jobs, 10_000))
      return Contest.play([count], { ...bounds, rounds: Math.min(3, bounds.rounds) }, (name) =>
        jobs.inFlight(Number(name))
      )
    }
  },
  gateway: {
    title: "The gateway and a raw server",
    compare: "ours / each",
    play: (bounds) => {
      // idle for longer than KEEPALIVE, so that each viewer gets one
      const size = { viewers: number(values.viewers, quick ? 500 : 2_000), rate: 1_000, idleSeconds: quick ? 4 : 16 }
      return Contest.play(["gateway", "raw", ...ofAgainst], bounds, (name) =>
        gateways.round(name === "against" ? against! : name, size)
      )
    }
  },
  ask: {
    title: "An ask on an idle system",
    compare: "ours / each",
    play: async (bounds) => {
      // both in one process, in turns call by call
      const asks = quick ? 500 : 2_000
      const asked = await Contest.play(["ask"], bounds, async () => {
        const server = await start({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] })
        const answering = new Part("ask.ts", ["answering", server.url])
        await answering.on("ready")
        const asking = new Part("ask.ts", ["asking", server.url, String(asks)])
        const { event: _, ...figures } = await asking.on("asked")
        await Promise.all([asking.end(), answering.end()])
        await server.stop()
        return figures
      })
      const of = (whose: "ask" | "bare") =>
        (asked.get("ask") ?? []).map((row) => ({ "p50 ms": row[`${whose}50`]!, "p99 ms": row[`${whose}99`]! }))
      return new Map([
        ["ask", of("ask")],
        ["bare", of("bare")]
      ])
    }
  },
  start: {
    title: "The start of a role",
    compare: "ours / each",
    play: (bounds) => {
      const others = ["scan-worker", "character-match", "character-worker", "news-worker", "news-api"] as const
      const roles = ["gateway", "raw", ...(against === undefined ? others : [])] as const
      return Contest.play([...roles, ...ofAgainst], bounds, (name) => {
        const role = roles.find((one) => one === name)
        return role === undefined ? starts.round("gateway", `${against}/`) : starts.round(role)
      })
    }
  },
  peers: {
    title: `A job of four steps, by the peers; what is synced before a step counts as done:\n\n${peers.syncs}`,
    compare: "ours / each",
    minutes: 9,
    play: (bounds) => {
      const size = { jobs: number(values.jobs, quick ? 500 : 3_000), warmUp: quick ? 500 : 2_000, idle: 210 }
      return Contest.play(peers.names(), bounds, (name) => peers.round(name, size))
    }
  }
}

const chosen = positionals.length === 0 ? Object.keys(rows) : positionals
for (const name of chosen) {
  if (rows[name] !== undefined) continue
  process.stderr.write(`no row ${name}; there are ${Object.keys(rows).join(", ")}\n`)
  process.exit(2)
}
for (const name of chosen) {
  const { compare, minutes, play, title } = rows[name]!
  const bounds: Bounds = { rounds: number(values.rounds, quick ? 1 : 5), minutes: number(values.minutes, minutes ?? 3) }
  const hung = Contest.endAfter(bounds.minutes + 1)
  const results = await play(bounds)
  clearTimeout(hung)
  Contest.keep(name, results, { ...bounds, quick })
  process.stdout.write(`${title}\n\n${Contest.table(results, compare)}\n`)
}
process.exit(0)
