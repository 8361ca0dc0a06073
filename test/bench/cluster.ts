/**
 * A million jobs a minute on a Cluster of N masters, simulated: `npm run bench:cluster [-- microsecondsAScan jobsAMinute]`.
 * Nobody has run it; the costs are measured (`npm run bench:load`, docs/operations/scaling.md), the rest is assumed:
 *   - jobs arrive by chance (Poisson); each is of one partition, chosen evenly; partitions are spread evenly over the masters
 *   - a job is 14 calls of its master: a submit, three for each of four stages (append or take, begin, commit), one read of the
 *     result; the stages take 6.3, 0.05, 2.76 and 0.05 s, each by chance up to a fifth longer
 *   - a call takes its share of the measured CPU of a scan, half of it the same for all calls, half by chance (exponential)
 *   - a master does one call after the other; once a second it stands still for the file's sync (2 ms)
 *   - a command's way over the network, the clients' CPU, failovers, and moved slots are not simulated
 * Prints for each N how busy the masters are, how long a call waits, and what waiting adds to a whole job.
 */
const [microsecondsAScan = 582, jobsAMinute = 1_000_000] = process.argv.slice(2).map(Number)
const partitions = 48
const callsAJob = 14
const stageSeconds = [6.3, 0.05, 2.76, 0.05]
/** Jobs that arrive in this time are followed to their end; those before fill the queues. */
const warmSeconds = 11
const measuredSeconds = 2
const standstillSeconds = 0.002

/** A generator of numbers from 0 to 1 with a seed, so that a run can be repeated (mulberry32). */
const generator = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
const percentile = (sorted: Float64Array, share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0

/** One master's calls: masters share nothing, so one is simulated for all, with its share of the partitions. */
const simulate = (masters: number) => {
  const random = generator(masters)
  const chance = (mean: number) => -mean * Math.log(1 - random())
  const ofMaster = Math.ceil(partitions / masters) / partitions
  const arrivals = (jobsAMinute / 60) * ofMaster
  const meanService = microsecondsAScan / 1e6 / callsAJob
  const end = warmSeconds + measuredSeconds
  const calls: Array<{ readonly at: number; readonly job: number }> = []
  let jobs = 0
  for (let at = chance(1 / arrivals); at < end; at += chance(1 / arrivals)) {
    const job = jobs++
    let time = at
    const call = () => void calls.push({ at: time, job })
    call()
    for (const stage of stageSeconds) {
      call()
      call()
      time += stage * (1 + random() / 5)
      call()
    }
    call()
  }
  calls.sort((one, other) => one.at - other.at)
  const waits: Array<number> = []
  const added = new Float64Array(jobs)
  let free = 0
  let busy = 0
  let nextStandstill = 1
  for (const { at, job } of calls) {
    if (at > end) break
    if (at > nextStandstill) {
      free = Math.max(free, nextStandstill) + standstillSeconds
      nextStandstill += 1
    }
    const begin = Math.max(at, free)
    const service = meanService / 2 + chance(meanService / 2)
    free = begin + service
    added[job] = (added[job] ?? 0) + free - at
    if (at < warmSeconds) continue
    busy += service
    waits.push(begin - at)
  }
  const sortedWaits = Float64Array.from(waits).sort()
  const sortedAdded = added.filter((one) => one > 0).sort()
  return {
    busy: busy / measuredSeconds,
    wait50: percentile(sortedWaits, 0.5) * 1_000,
    wait99: percentile(sortedWaits, 0.99) * 1_000,
    added99: percentile(sortedAdded, 0.99) * 1_000
  }
}

console.log(`${jobsAMinute} jobs a minute, ${microsecondsAScan} µs of Redis a job, ${partitions} partitions`)
console.log("masters | busy | a call waits p50, p99 ms | a job's calls take p99 ms")
for (const masters of [8, 12, 16, 24, 48]) {
  const { added99, busy, wait50, wait99 } = simulate(masters)
  const told = busy >= 0.999 ? "falls behind" : `${wait50.toFixed(2)}, ${wait99.toFixed(2)} | ${added99.toFixed(1)}`
  console.log(`${masters} | ${(100 * busy).toFixed(0)} % | ${told}`)
}
