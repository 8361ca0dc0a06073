/**
 * Verification: the checks after a run, when nothing runs any more, of Redis, the model's ledger, and what submitters and
 * viewers received. Each violation names the job.
 *   J1 one terminal event a job, none left open   J2 no committed stage called again   J3 all checkpoints of a done job
 *   J4 seqs without holes, live as in the history; viewers saw each once, in order   J6 one job a key
 *   J7 no call begins after a cancel   A1 mailboxes, pending lists, timers, lanes and counts are empty; the dead are condemned
 *   money: a call beyond a job's stages must be explained by an injected failure or a disturbance of its caller
 *   B1 every call that the model server saw has a row in its job's ledger, and every answer it bills is `ok` or `uncertain` there
 * A failover to a replica loses what the replica did not have: a job accepted just before may be lost (outcome `lost`), a stage
 * may be called again (cause `failover`), a viewer may see a step again, and a gateway that is still connected to the old master
 * may say that there is no such job. Nothing else is excused by it.
 */
import { JobEvent, Mailbox } from "@eco2/core"
import { EntryId, Keys } from "@eco2/core/redis"
import { Schema } from "effect"
import type { Cluster, Redis } from "ioredis"
import { readHistory as readHistoryScript } from "../../packages/core/src/job/JobScripts.ts"
import { expand } from "../harness/JobHash.ts"
import { Errand, fateOf, stages, wordsOf } from "./Errand.ts"
import type { Fleet, Disturbance } from "./Fleet.ts"
import type { Call } from "./Ledger.ts"
import type { Seen } from "./Viewers.ts"
import * as KeyTables from "../harness/KeyTables.ts"
import { keyNames } from "../harness/KeyNames.ts"

export interface Facts {
  readonly seed: number
  /** Epoch milliseconds of the first submit. */
  readonly startAt: number
  readonly fleet: Pick<Fleet, "backend" | "disturbances" | "exitCodes">
  readonly partitions: number
  readonly leaseMillis: number
  /** Job ids by number, as the submitter received them. */
  readonly accepted: ReadonlyMap<number, ReadonlySet<string>>
  /** When the submitter was told, epoch milliseconds by job id. */
  readonly acceptedAt: ReadonlyMap<string, number>
  readonly jobs: number
  readonly calls: ReadonlyArray<Call>
  readonly seen: ReadonlyArray<Seen>
  readonly notes: ReadonlyArray<Note>
}

/** A log line about a job, or any warning (`job` ""). */
export interface Note {
  readonly place: string
  readonly at: number
  readonly job: string
  readonly what: string
}

export interface Verdict {
  readonly violations: ReadonlyArray<string>
  /** The history of the jobs of the first violations: events, calls, disturbances of their callers, by time. */
  readonly stories: ReadonlyArray<string>
  readonly outcomes: Readonly<Record<string, number>>
  /** Second calls of a stage, by their explanation. */
  readonly repeats: Readonly<Record<string, number>>
  /** Answers that the model server bills, and the rows of the jobs' ledgers. */
  readonly bills: Readonly<Record<"billed" | "ok" | "uncertain" | "free", number>>
  /** Calls after their stage's commit or their job's cancellation, by a process that did not know that it had lost its lease. */
  readonly late: number
}

const Event = Schema.fromJsonString(JobEvent.StoredEvent)
const decodeEvent = Schema.decodeUnknownSync(Event)
const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
const Pending = Schema.Tuple([Schema.Int, Schema.Unknown, Schema.Unknown, Schema.Unknown])

/** Time for a result to reach Redis when the process is disturbed, with a heartbeat's period. */
const wayMillis = 500
/** Faults after which the new master may lack the latest writes. */
const losing = new Set(["sentinel-failover", "partition"])
/** How far back a failover may lose: a replica that lags further behind does not count as one (min-replicas-max-lag). */
const lossMillis = 3_000

/** Time between a begin answered just before a cancel and its call. */
const beginMillis = 300

/** Replies of many commands, in order; an error fails all. */
const all = async (redis: Redis | Cluster, commands: ReadonlyArray<ReadonlyArray<string>>): Promise<Array<unknown>> => {
  const replies: Array<unknown> = []
  for (let i = 0; i < commands.length; i += 1_000) {
    const some = commands.slice(i, i + 1_000)
    replies.push(...(await Promise.all(some.map(([name = "", ...args]) => redis.call(name, ...args)))))
  }
  return replies
}

const toRecord = (flat: unknown): Record<string, string> => {
  const words = Array.isArray(flat) ? flat.map(String) : []
  return Object.fromEntries(words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1] ?? ""]] : [])))
}

const isEnd = (stage: string) => stage === "done" || stage === "failed" || stage === "cancelled"

const countUp = (counts: Record<string, number>, what: string) => {
  counts[what] = (counts[what] ?? 0) + 1
}

export const verify = async (facts: Facts): Promise<Verdict> => {
  const { accepted, calls, fleet, leaseMillis, seed } = facts
  const redis = fleet.backend.outside
  const violations: Array<string> = []
  const suspects = new Set<string>()
  const outcomes: Record<string, number> = {}
  const repeats: Record<string, number> = {}
  const bills = { billed: 0, ok: 0, uncertain: 0, free: 0 }
  const callsOf = Map.groupBy(calls, ({ job }) => job)
  let late = 0
  const partitions = keyNames.partitions(facts.partitions)
  const partitionOf = (id: string) => partitions[Keys.partitionOf(id, facts.partitions)]!

  // ---- the jobs themselves
  const numbers = new Map<string, number>()
  for (let n = 0; n < facts.jobs; n++) {
    const ids = [...(accepted.get(n) ?? [])]
    if (ids.length !== 1) violations.push(`J6 errand ${n} was accepted as ${ids.length} jobs: ${ids.join(", ")}`)
    for (const id of ids) numbers.set(id, n)
  }
  const ids = [...numbers.keys()]
  const losses = fleet.disturbances.filter(({ kind, place }) => place === "redis" && losing.has(kind))
  /** Whether what was written between these times may be lost. */
  const mayBeLost = (from: number, to: number) => losses.some((loss) => from <= loss.to && to >= loss.from - lossMillis)
  const hashes = await all(
    redis,
    ids.map((id) => ["HGETALL", partitionOf(id).job(id)])
  )
  const lists = await all(
    redis,
    ids.map((id) => ["EVAL", readHistoryScript.lua, "1", partitionOf(id).root, "0", id, "0"])
  )
  const histories = new Map<string, ReadonlyArray<string>>()
  const lost = new Set<string>()
  /** Epoch milliseconds of `<job>/<stage>` committed, and of `<job>` cancelled. */
  const committedAt = new Map<string, number>()
  const cancelledAt = new Map<string, number>()

  for (const [i, id] of ids.entries()) {
    const say = (what: string) => {
      suspects.add(id)
      violations.push(`${what} — job ${id} (errand ${numbers.get(id)})`)
    }
    const job = expand(toRecord(hashes[i]))
    const texts = Array.isArray(lists[i]) ? lists[i].map(String) : []
    histories.set(id, texts)
    if (job.state === undefined) {
      const at = facts.acceptedAt.get(id) ?? 0
      if (mayBeLost(at, at)) {
        lost.add(id)
        countUp(outcomes, "lost")
      } else say("J1 an accepted job is not in Redis")
      continue
    }
    countUp(outcomes, job.state)
    const events = texts.map((text) => decodeEvent(text))
    const told = events.map(({ stage, status }) => `${stage}/${status}`)
    const terminals = events.filter((event) => JobEvent.isTerminal(event))
    if (terminals.length !== 1) say(`J1 ${terminals.length} terminal events: ${told.join(" ")}`)
    if (terminals[0] !== events.at(-1)) say(`J1 events after the end: ${told.join(" ")}`)
    if (terminals[0]?.stage !== job.state) say(`J1 the state is ${job.state}, the events say ${told.join(" ")}`)
    const once = told.filter((what) => !what.endsWith("/retrying"))
    if (new Set(once).size !== once.length) say(`J4 an event came twice: ${told.join(" ")}`)
    const steps = told.filter((what) => what.endsWith("/completed") || what.endsWith("/started"))
    const whole = [
      "queued/started",
      ...stages.flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
      "done/completed"
    ]
    if (steps.join(" ") !== whole.slice(0, steps.length).join(" ")) say(`J4 events out of order: ${told.join(" ")}`)
    for (const { stage, status, ts } of events) {
      if (status === "completed") committedAt.set(`${id}/${stage}`, ts * 1000)
      if (status === "cancelled") cancelledAt.set(id, ts * 1000)
    }
    for (const stage of stages) {
      const output = job[`o:${stage}`]
      const completed = committedAt.has(`${id}/${stage}`)
      if (completed !== (output !== undefined)) say(`J3 ${stage}: checkpoint ${output}, completed ${completed}`)
      if (output !== undefined && output !== JSON.stringify({ words: wordsOf(stage, numbers.get(id) ?? -1) }))
        say(`J3 the checkpoint of ${stage} is ${output}`)
    }
    const fate = fateOf(seed, numbers.get(id) ?? -1)
    const fits =
      job.state === "done" ||
      (job.state === "cancelled" && fate === "cancelled") ||
      (job.state === "failed" && fate === "hopeless")
    if (!fits || (job.state === "done" && fate === "hopeless"))
      say(`the ${fate} job ended ${job.state}: ${job.error ?? ""} ${told.join(" ")}`)
    const made = callsOf.get(id) ?? []
    const billed = made.filter(({ outcome }) => outcome === "answered").length
    const [ok = 0, bad = 0, uncertain = 0, open = 0, free = 0] = (job.spent ?? "").split(" ").map(Number)
    bills.billed += billed
    bills.ok += ok
    bills.uncertain += uncertain
    bills.free += free
    if (!made.some(({ endedAt, receivedAt }) => mayBeLost(receivedAt, endedAt))) {
      const rows = ok + bad + uncertain + open + free
      if (rows < made.length) say(`B1 the model server saw ${made.length} calls, the ledger has ${rows}`)
      if (ok > billed) say(`B1 ${ok} calls are recorded as ok, and ${billed} were billed`)
      if (billed > ok + bad + uncertain)
        say(`B1 ${billed} calls were billed, ${ok} ok and ${uncertain} uncertain recorded`)
      if (open > 0) say(`B1 an ended job has ${open} open calls`)
    }
    for (const field of ["cur", "by", "admitted"]) {
      if ((job[field] ?? "") !== "") say(`A1 an ended job has ${field} = ${job[field]}`)
    }
  }

  // ---- the live streams match the histories
  for (const partition of partitions) {
    const entries = Schema.decodeUnknownSync(Entries)(await redis.xrange(partition.events, "-", "+"))
    let last = "0-0"
    for (const [entry, [, told = ""]] of entries) {
      if (!EntryId.isBefore(last, entry)) violations.push(`J4 live entries out of order: ${last}, ${entry}`)
      last = entry
      let id = ""
      let seq = 0
      for (const line of told.split("\n")) {
        if (!line.startsWith("{")) {
          const [named = "", first] = line.split(" ")
          id = named
          seq = Number(first)
        } else if (histories.get(id)?.[seq++ - 1] !== line) {
          violations.push(`J4 live and history differ at seq ${seq - 1} — job ${id}`)
        }
      }
    }
  }

  // ---- calls
  const windows = (place: string): ReadonlyArray<Disturbance> => fleet.disturbances.filter((one) => one.place === place)
  const disturbed = new Map<string, ReadonlyArray<Disturbance>>()
  const during = (place: string, from: number, to: number): Disturbance | undefined => {
    const known = disturbed.get(place) ?? windows(place)
    disturbed.set(place, known)
    return known.find((one) => one.from <= to && one.to >= from)
  }
  // by when they were sent: a call of a frozen process arrives long after
  const inOrder = calls.toSorted((a, b) => a.begunAt - b.begunAt)
  const byStage = Map.groupBy(inOrder, ({ job, stage }) => `${job}/${stage}`)
  for (const [which, made] of byStage) {
    const [id = "", stage = ""] = which.split("/")
    const say = (what: string) => {
      suspects.add(id)
      violations.push(`${what} — job ${id} (errand ${numbers.get(id)}), stage ${stage}`)
    }
    if (!numbers.has(id)) say("J6 a call for a job nobody submitted")
    const end = committedAt.get(which) ?? Infinity
    const cancelled = (cancelledAt.get(id) ?? Infinity) + beginMillis
    for (const [n, call] of made.entries()) {
      if (call.begunAt > end || call.begunAt > cancelled) {
        // a process that is frozen or cut off cannot know; its next heartbeat tells it. A successor may have begun just before the
        // process it took over from, which was alive, committed: a success counts from any holder of the entry
        const heir =
          call.begunAt < end + leaseMillis &&
          made.some(
            ({ attempt, begunAt, worker }) =>
              attempt <= call.attempt && worker !== call.worker && during(worker, begunAt, end) !== undefined
          )
        if (heir || during(call.worker, call.begunAt - 2 * leaseMillis, call.begunAt) !== undefined) {
          late++
          continue
        }
        say(call.begunAt > end ? "J2 called after its commit" : "J7 called after the cancel")
      }
      if (n === 0) continue
      const before = made[n - 1]!
      if (before.outcome === "busy" || before.outcome === "limited") {
        countUp(repeats, before.outcome)
        continue
      }
      // a process that lost its lease unknowingly may call after its successor: the one begun first was overtaken
      const [overtaken, other] = call.attempt < before.attempt ? [call, before] : [before, call]
      // the first result was not recorded before the second call began: a disturbance of its process explains the second call
      const disturbing = (one: Call, next: Call) =>
        during(one.worker, one.begunAt, Math.max(next.begunAt, one.endedAt + wayMillis))
      // of two calls with the same attempt either may be the overtaken one
      const cause =
        disturbing(overtaken, other) ?? (call.attempt === before.attempt ? disturbing(other, overtaken) : undefined)
      if (cause !== undefined) countUp(repeats, cause.kind)
      else if (mayBeLost(before.begunAt, before.endedAt + wayMillis)) countUp(repeats, "failover")
      else say("money: called again without a cause")
    }
  }

  // ---- what viewers saw
  for (const { events, id, manner, missedAt, number, problem } of facts.seen) {
    const say = (what: string) =>
      violations.push(
        `J4 a ${manner} viewer ${what}; it saw ${events.map(({ seq, stage }) => `${seq}:${stage}`).join(" ")} — job ${id} (errand ${number})`
      )
    if (lost.has(id)) continue
    // by a gateway whose connection still led to the old master
    if (missedAt !== null && mayBeLost(missedAt - lossMillis, missedAt)) continue
    if (problem !== null) say(problem)
    // after a failover the history may be shorter than what the viewer has seen
    if (mayBeLost(0, Infinity)) {
      if (events.filter((event) => isEnd(event.stage)).length !== 1) say("saw no end, or two")
      continue
    }
    const stored = (histories.get(id) ?? []).map((text) => decodeEvent(text).stage)
    if (events.some(({ seq }, i) => seq !== i + 1)) say("saw seqs out of order, twice or not at all")
    else if (problem === null && events.map(({ stage }) => stage).join(" ") !== stored.join(" "))
      say(`saw something else than the history: ${stored.join(" ")}`)
  }

  // ---- nothing is left
  for (const partition of partitions) {
    for (const { mailbox } of Errand.plan) {
      const [depth, pending] = await all(redis, [
        ["XLEN", partition.mailbox(mailbox)],
        ["XPENDING", partition.mailbox(mailbox), Mailbox.group]
      ])
      const [held] = Schema.decodeUnknownSync(Pending)(pending)
      if (depth === 0 && held === 0) continue
      const [rows, entries] = await all(redis, [
        ["XPENDING", partition.mailbox(mailbox), Mailbox.group, "-", "+", "10"],
        ["XRANGE", partition.mailbox(mailbox), "-", "+", "COUNT", "10"]
      ])
      violations.push(
        `A1 ${mailbox} in {${partition.tag}} holds ${String(depth)}: ${JSON.stringify(entries)}, pending ${held}: ${JSON.stringify(rows)}`
      )
    }
    const left = await all(redis, [
      ["ZRANGE", partition.timers, "0", "20", "WITHSCORES"],
      ["HGETALL", partition.later],
      ["HGETALL", partition.running]
    ])
    for (const [i, name] of ["timers", "later", "running"].entries()) {
      const rest = toRecord(left[i])
      if (Object.keys(rest).length > 0)
        violations.push(`A1 ${name} in {${partition.tag}} holds ${JSON.stringify(rest)}`)
    }
  }
  const jobKeys = new Set<string>()
  for (const key of await fleet.backend.keys()) {
    const row = KeyTables.rowOf(key)
    if (row === undefined) violations.push(`a stranger among the keys: ${key}`)
    else if (row.name === "{p}:lane:<user>") violations.push(`A1 a lane is left: ${key}`)
    else if (row.name === "{p}:job:<id>") jobKeys.add(key)
  }
  for (const id of ids) jobKeys.delete(partitionOf(id).job(id))
  for (const key of jobKeys) violations.push(`J6 a job nobody was told of: ${key}`)
  const alive = toRecord((await all(redis, [["ZRANGE", keyNames.alive, "0", "-1", "WITHSCORES"]]))[0])
  for (const [token, score] of Object.entries(alive)) {
    if (Number(score) > 0) violations.push(`A1 a process that is gone still has a lease: ${token}`)
  }
  for (const { code, place } of fleet.exitCodes) {
    if (code !== 0) violations.push(`A5 ${place}, told to stop, ended with ${code}`)
  }
  return {
    violations,
    stories: [...suspects].slice(0, 5).map((id) => story(facts, id, histories.get(id) ?? [])),
    outcomes,
    bills,
    repeats,
    late
  }
}

const story = ({ calls, fleet, notes, startAt }: Facts, id: string, history: ReadonlyArray<string>): string => {
  const seconds = (at: number) => ((at - startAt) / 1000).toFixed(3)
  const made = calls.filter(({ job }) => job === id)
  const callers = new Set([...made.map(({ worker }) => worker), "redis"])
  const facts = [
    ...history
      .map((text) => decodeEvent(text))
      .map(({ stage, status, ts }) => [ts * 1000, `${stage} ${status}`] as const),
    ...made.map(
      (call) =>
        [
          call.begunAt,
          `${call.worker} calls for ${call.stage}, attempt ${call.attempt}: ${call.outcome} at ${seconds(call.endedAt)}`
        ] as const
    ),
    ...notes
      .filter(({ job, place }) => job === id || (job === "" && callers.has(place)))
      .map(({ at, place, what }) => [at, `${place} says ${what}`] as const),
    ...fleet.disturbances
      .filter(({ place }) => callers.has(place))
      .map(({ from, kind, place, to }) => [from, `${place} ${kind} until ${seconds(to)}`] as const)
  ]
  return [`job ${id}`, ...facts.toSorted(([a], [b]) => a - b).map(([at, what]) => `  ${seconds(at)} ${what}`)].join(
    "\n"
  )
}
