/**
 * Submitter: the submitting process of a peer, as the orchestrator drives it (Workload): bursts, and jobs one at a time. The peers
 * differ in how a job is started and in how one learns of its end; they use it: graphile.ts, dbos.ts, restate.ts.
 */
import { cpuMillis, onCommand, percentile, report } from "./Workload.ts"

export interface Peer<Job> {
  /** How many calls of `submit` a burst has open at once. Default 200, as the other contenders. */
  readonly lanes?: number
  /** Resolves when the job is stored. */
  readonly submit: () => Promise<Job>
  /** Resolves when all of them have ended. */
  readonly ended: (jobs: ReadonlyArray<Job>) => Promise<unknown>
}

export const serve = <Job>({ ended, lanes = 200, submit }: Peer<Job>): void => {
  const burst = async (count: number) => {
    const started = performance.now()
    const jobs = new Array<Job>()
    let left = count
    const lane = async () => {
      while (left-- > 0) jobs.push(await submit())
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    report("submitted", { millis: performance.now() - started })
    await ended(jobs)
    report("drained", { millis: performance.now() - started, cpu: cpuMillis() })
  }
  const idle = async (count: number) => {
    const millis: Array<number> = []
    for (let i = 0; i < count; i++) {
      const from = performance.now()
      await ended([await submit()])
      millis.push(performance.now() - from)
    }
    report("idle", { p50: percentile(millis.slice(10), 0.5), p99: percentile(millis.slice(10), 0.99) })
  }
  onCommand((command, argument) => {
    if (command === "burst") void burst(argument)
    else if (command === "idle") void idle(argument)
    else if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
}
