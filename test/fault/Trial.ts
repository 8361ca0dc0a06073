/**
 * Trial: one run of the fault suite: jobs are submitted over a time while the plan injects faults; then all faults end, every
 * job finishes, the workers stop, and the remaining state is verified.
 */
import { setTimeout as delay } from "node:timers/promises"
import * as Backend from "./Backend.ts"
import { chance } from "./Chance.ts"
import { Errand, ownerOf, owners } from "./Errand.ts"
import type { Line } from "./Child.ts"
import * as Cluster from "./Cluster.ts"
import * as Fleet from "./Fleet.ts"
import * as Ledger from "./Ledger.ts"
import * as Plan from "./Plan.ts"
import * as Sentinel from "./Sentinel.ts"
import * as Standalone from "./Standalone.ts"
import * as Verification from "./Verification.ts"
import * as Viewers from "./Viewers.ts"
import { keyNames } from "../harness/KeyNames.ts"

export interface Options {
  readonly topology: Backend.Topology
  readonly seed: number
  readonly jobs: number
  readonly workers: number
  /** How long submitting takes; faults come during this time. */
  readonly spanMillis: number
  readonly faultEveryMillis: number
  /** Logs events as they happen. */
  readonly log: (line: string) => void
}

export interface Report extends Verification.Verdict {
  readonly seed: number
  readonly jobs: number
  readonly faults: Readonly<Record<string, number>>
  readonly calls: number
  readonly viewers: number
  readonly streams: number
  readonly takeovers: number
  readonly leasesLost: number
  readonly seconds: number
}

const partitions = 4
const leaseMillis = 1_000
/** The most time for everything to finish after the last fault and submit. */
const patienceMillis = 100_000
/** One job in this many is watched. */
const watchedEvery = 6

const backends: Readonly<Record<Backend.Topology, () => Promise<Backend.Backend>>> = {
  standalone: Standalone.make,
  cluster: () => Cluster.make(partitions),
  sentinel: Sentinel.make
}

const jsonOf = (value: unknown): string => (typeof value === "string" ? value : "")

export const run = async (options: Options): Promise<Report> => {
  const { jobs, log, seed, spanMillis } = options
  const since = performance.now()
  const kinds = Backend.kindsOf[options.topology]
  const plan = Plan.make({ seed, kinds, spanMillis, everyMillis: options.faultEveryMillis, workers: options.workers })
  const accepted = new Map<number, Set<string>>()
  const acceptedAt = new Map<string, number>()
  const complaints = new Map<string, number>()
  const over = new AbortController()
  const watching: Array<Promise<Viewers.Seen>> = []
  let takeovers = 0
  let leasesLost = 0
  let startAt = 0

  const ledger = await Ledger.start(seed)
  const lostLeases: Array<Fleet.Disturbance> = []
  const notes: Array<Verification.Note> = []
  const hear = (place: string, line: Line) => {
    if (typeof line.accepted === "number") {
      const n = line.accepted
      acceptedAt.set(jsonOf(line.id), Date.now())
      const known = accepted.get(n)
      if (known !== undefined) return void known.add(jsonOf(line.id))
      accepted.set(n, new Set([jsonOf(line.id)]))
      if (n % watchedEvery !== 0) return
      const manner = Viewers.manners[Math.floor(chance(seed, "manner", n) * 3)] ?? "fast"
      watching.push(
        Viewers.watch({
          gateway: fleet.gateway,
          number: n,
          id: jsonOf(line.id),
          owner: ownerOf(n),
          manner,
          over: over.signal
        })
      )
      return
    }
    if (line.msg !== undefined) {
      const { job_id: job, level: _, time, ...rest } = line
      const shown = Object.entries(rest).flatMap(([key, value]) =>
        key === "role" || key === "trace_id" ? [] : [`${key}=${String(value)}`]
      )
      notes.push({ place, at: Date.parse(jsonOf(time)), job: jsonOf(job), what: shown.join(" ") })
    }
    if (line.msg === "took over the work of a dead process") {
      takeovers++
      // a process name begins with its place; the dead process itself may learn of its death much later
      const from = jsonOf(line.process).split(".", 1)[0] ?? ""
      const now = Date.now()
      lostLeases.push({ place: from, kind: "lease lost", from: now - 3 * leaseMillis, to: now })
    }
    if (line.msg === "lease lost; running work interrupted") {
      leasesLost++
      const now = Date.now()
      // calls it made just before may not have reached the ledger yet
      lostLeases.push({ place, kind: "lease lost", from: now - 2 * leaseMillis, to: now + 250 })
    }
    if (line.level === "error" || line.level === "fatal" || (line.text !== undefined && place !== "submitter")) {
      const said = String(line.msg ?? line.text).split("\n", 1)[0] ?? ""
      const what = `${place.replace(/-\d+$/, "")}: ${said.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, "…")} ${jsonOf(line.reason)}${jsonOf(line.error)}`
      complaints.set(what, (complaints.get(what) ?? 0) + 1)
    }
  }
  const fleet = await Fleet.make({
    backend: await backends[options.topology](),
    workers: options.workers,
    leaseMillis,
    modelUrl: ledger.url,
    settings: {
      LEASE: `${leaseMillis} millis`,
      PARTITIONS: String(partitions),
      SHUTDOWN_GRACE: "300 millis",
      // the faults decide how often a call is made
      MAX_PAID_ATTEMPTS: "0",
      REDRIVE_INTERVAL: "500 millis",
      // a fifth of the jobs at once, so that lanes are used
      USER_CONCURRENCY: String(Math.max(2, Math.ceil(100 / owners))),
      LOG_LEVEL: "info"
    },
    submitter: () => {
      let from = 0
      while (accepted.has(from)) from++
      return {
        FAULT_SEED: String(seed),
        FROM: String(from),
        JOBS: String(jobs),
        START_AT: String(startAt),
        EVERY_MILLIS: String(spanMillis / jobs)
      }
    },
    heard: hear
  })

  const faults: Record<string, number> = {}
  try {
    await fleet.start()
    startAt = Date.now() + 300
    await fleet.startSubmitter()
    const injected = plan.map(async (fault) => {
      await delay(Math.max(0, startAt + fault.atMillis - Date.now()))
      log(Plan.describe(fault))
      faults[fault.kind] = (faults[fault.kind] ?? 0) + 1
      await fleet.inject(fault)
    })
    await Promise.all(injected)
    log("healed")
    const patience = AbortSignal.timeout(patienceMillis)
    await Promise.race([fleet.submitterEnded(), delay(patienceMillis, undefined, { ref: false })])
    log(`submitted ${accepted.size}`)

    // open jobs are on their partition's timers, whatever they wait for
    const table = keyNames.partitions(partitions)
    const open = async () => {
      const counts = await Promise.all(table.map((partition) => fleet.backend.outside.zcard(partition.timers)))
      return counts.reduce((sum, count) => sum + count, 0)
    }
    const held = async () => {
      const depths = await Promise.all(
        table.flatMap((partition) =>
          Errand.plan.map(({ mailbox }) => fleet.backend.outside.xlen(partition.mailbox(mailbox)))
        )
      )
      return depths.reduce((sum, depth) => sum + depth, 0)
    }
    while ((await open()) + (await held()) > 0 && !patience.aborted) await delay(100)
    log("all ended")
    const seeing = Promise.all(watching)
    const impatience = setTimeout(() => over.abort(), patience.aborted ? 0 : 10_000)
    const seen = await seeing
    clearTimeout(impatience)
    // killed processes are reaped by whoever finds their lease expired
    const condemned = async () => (await fleet.backend.outside.zcount(keyNames.alive, 0, "+inf")) <= options.workers
    while (!(await condemned()) && !patience.aborted) await delay(100)
    await fleet.stopWorkers()
    const verdict = await Verification.verify({
      seed,
      startAt,
      fleet: { ...fleet, disturbances: [...fleet.disturbances, ...lostLeases] },
      partitions,
      leaseMillis,
      accepted,
      acceptedAt,
      jobs,
      calls: ledger.calls,
      seen,
      notes
    })
    for (const [what, times] of complaints) log(`said ${times} times: ${what}`)
    return {
      ...verdict,
      seed,
      jobs,
      faults,
      calls: ledger.calls.length,
      viewers: seen.length,
      streams: seen.reduce((sum, { streams }) => sum + streams, 0),
      takeovers,
      leasesLost,
      seconds: (performance.now() - since) / 1000
    }
  } finally {
    over.abort()
    await Promise.allSettled(watching)
    await fleet.stop()
    await ledger.close()
  }
}
