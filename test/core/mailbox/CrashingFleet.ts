/**
 * CrashingFleet: workers that die, in simulated seconds, with the rules of Suspicion and no Redis. Jobs take 4–10 s; a deadly one
 * ends its process after a second. A process that dies is back after a second, and its entries are taken over after a lease, by
 * a process that has been up for one. Seeded: the same seed plays the same history.
 */
import * as Suspicion from "../../../packages/core/src/mailbox/Suspicion.ts"

export interface Plan {
  readonly seed: number
  readonly processes: number
  readonly slots: number
  readonly jobs: number
  /** How many of the jobs kill their process. */
  readonly deadly: number
  /** Until when processes are killed from outside, in turn, every 3–8 s; the first `flapping` of them. */
  readonly killsUntil: number
  readonly flapping: number
}
export interface Outcome {
  readonly done: number
  /** Crashes before each deadly job was given up. */
  readonly found: ReadonlyArray<number>
  /** Harmless jobs that were given up. */
  readonly innocent: number
  readonly crashes: number
  readonly calls: number
  readonly seconds: number
}

interface Job {
  readonly deadly: boolean
  record: number
  /** How many suspects may run beside it; 0: it is no suspect. */
  group: number
  ends: number
}
interface Process {
  up: boolean
  since: number
  readonly running: Set<Job>
  /** The job that runs, or waits to run, alone here. */
  alone: Job | null
}

const leaseSeconds = 2
const restartSeconds = 1
const step = 0.1
const forgetSeconds = 600
const mostSeconds = 7_200

/** Numbers from 0 to 1 (mulberry32). */
const chance = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const play = (plan: Plan): Outcome => {
  const roll = chance(plan.seed)
  const apart = Math.floor(plan.jobs / Math.max(1, plan.deadly))
  let mailbox = Array.from({ length: plan.jobs }, (_, i): Job => ({
    deadly: i % apart === Math.floor(apart / 3) && i < apart * plan.deadly,
    record: 0,
    group: 0,
    ends: 0
  }))
  let timers: Array<{ readonly at: number; readonly job: Job }> = []
  let graves: Array<{ readonly at: number; readonly jobs: Array<Job> }> = []
  const fleet = Array.from({ length: plan.processes }, (): Process => ({
    up: true,
    since: 0,
    running: new Set(),
    alone: null
  }))
  const crashes: Array<number> = []
  const found: Array<number> = []
  let [now, done, innocent, calls, victim] = [0, 0, 0, 0, 0]
  let nextKill = 3 + 5 * roll()

  const held = ({ alone, running }: Process) => running.size + (alone !== null && !running.has(alone) ? 1 : 0)
  const die = (process: Process) => {
    crashes.push(now)
    for (const job of process.running) job.record = Suspicion.crashed(job.record, job === process.alone)
    const jobs = [...new Set([...process.running, ...(process.alone === null ? [] : [process.alone])])]
    graves.push({ at: now + leaseSeconds, jobs })
    process.running.clear()
    Object.assign(process, { up: false, since: now + restartSeconds, alone: null })
  }
  const start = (process: Process, job: Job, group: number) => {
    process.running.add(job)
    job.group = group
    job.ends = now + (job.deadly ? 1 : 4 + 6 * roll())
    calls++
  }
  const putOff = (job: Job, millis: number) => timers.push({ at: now + (millis / 1_000) * (1 + roll() / 5), job })
  const take = (process: Process, job: Job, fresh: boolean) => {
    if (job.record === 0) return start(process, job, 0)
    const recent = crashes.filter((at) => at > now - forgetSeconds).length
    const known = { crashes: recent, processes: plan.processes }
    const verdict = Suspicion.judge(Suspicion.read(job.record), fresh, known, plan.slots)
    switch (verdict._tag) {
      case "guilty":
        if (job.deadly) found.push(Suspicion.read(job.record).crashes)
        else innocent++
        return
      case "pause":
        return void putOff(job, verdict.millis)
      case "alone":
        if (process.alone === null) process.alone = job
        else putOff(job, Suspicion.againMillis)
        return
      case "run": {
        const suspects = [...process.running].filter(({ group }) => group > 0)
        const fits = suspects.length < Math.min(verdict.group, ...suspects.map(({ group }) => group))
        if (fits) start(process, job, verdict.group)
        else putOff(job, Suspicion.againMillis)
      }
    }
  }

  while (done + innocent + found.length < plan.jobs && now < mostSeconds) {
    now += step
    if (now >= nextKill && now < plan.killsUntil) {
      const process = fleet[victim++ % plan.flapping]!
      if (process.up) die(process)
      nextKill = now + 3 + 5 * roll()
    }
    for (const { at, job } of timers) if (at <= now) mailbox.push(job)
    timers = timers.filter(({ at }) => at > now)
    for (const process of fleet) {
      if (!process.up) {
        process.up = now >= process.since
        continue
      }
      for (const job of process.running) {
        if (job.ends > now) continue
        if (job.deadly) {
          die(process)
          break
        }
        process.running.delete(job)
        if (process.alone === job) process.alone = null
        done++
      }
      if (!process.up) continue
      for (const grave of now - process.since < leaseSeconds ? [] : graves) {
        if (grave.at > now) continue
        const room = process.alone === null ? plan.slots - held(process) : 0
        for (const job of grave.jobs.splice(0, room)) take(process, job, true)
      }
      graves = graves.filter(({ jobs }) => jobs.length > 0)
      if (process.alone !== null) {
        if (process.running.size === 0) start(process, process.alone, 1)
        continue
      }
      const next = mailbox.splice(0, plan.slots - held(process))
      for (const [i, job] of next.entries()) {
        take(process, job, false)
        if (process.alone === null) continue
        mailbox = [...next.slice(i + 1), ...mailbox]
        break
      }
    }
  }
  return { done, found, innocent, crashes: crashes.length, calls, seconds: Math.round(now) }
}
