/**
 * JobPicture: a server's partition and the model's world as the same flat list of facts, so that a difference is one readable
 * line. Also checks the invariants that hold on the server whatever the model says, and that one look can check.
 */
import { Effect, Schema } from "effect"
import { JobStore } from "@eco2/core"
import type { Keys } from "@eco2/core/redis"
import { readFileSync } from "node:fs"
import { expand, stagesOf } from "../../../harness/JobHash.ts"
import type { Process, Services } from "../../CoreFixture.ts"
import * as Model from "./JobModel.ts"

/** One tick of the model's clock. */
export const tickMillis = 60_000

/** What the scripts that move jobs stand on; ARGV[1] is the clock offset. */
export const preludes = JobStore.movesJobs.map((file) => readFileSync(file, "utf8")).join("\n")

/** Everything of a partition in one call. ARGV: 0, then owners, mailboxes, jobs (id and events known), live cursor: counted lists. */
const lookLua = `${preludes}
local at = 2
local function take() at = at + 1 return ARGV[at - 1] end
local seen = { redis.call("TIME"), {}, {}, {}, redis.call("ZRANGE", root .. ":timers", 0, -1, "WITHSCORES"),
  redis.call("HGETALL", root .. ":running"), {} }
for i = 1, tonumber(take()) do seen[3][i] = redis.call("LRANGE", root .. ":lane:" .. take(), 0, -1) end
for i = 1, tonumber(take()) do
  local name = take()
  local key = root .. ":mailbox:" .. name
  seen[2][i] = { redis.call("XRANGE", key, "-", "+"), redis.call("XPENDING", key, "workers", "-", "+", 1000) }
  seen[4][i] = redis.call("XRANGE", root .. ":dead:" .. name, "-", "+")
end
for i = 1, tonumber(take()) do
  local key, known = root .. ":job:" .. take(), take()
  local hash, f = redis.call("HGETALL", key), fence_of(redis.call("HGET", key, "now"))
  local implied = f and f.implied
  local events = not implied and redis.call("LRANGE", key .. ":events", known, -1) or {}
  if implied and not f.unheard then
    events = implied_events(f, hash)
    if #events ~= implied then events[#events + 1] = "the fence counts " .. implied end
    events = { unpack(events, known + 1) }
    if redis.call("EXISTS", key .. ":events") == 1 then events = { "an implied history is a list, too" } end
  end
  -- with an implied history there is nothing else to expire
  seen[7][i] = { hash, events,
    { redis.call("PTTL", key), redis.call("PTTL", implied and key or key .. ":events"), redis.call("PTTL", key .. ":image") },
    redis.call("GET", key .. ":image") or "" }
end
seen[8] = redis.call("XRANGE", root .. ":mailbox:" .. take(), "-", "+")
seen[9] = redis.call("XRANGE", root .. ":events", take(), "+")
return seen`

type Flat = ReadonlyArray<string>
type Raw = readonly [
  time: readonly [string, string],
  mailboxes: ReadonlyArray<
    readonly [ReadonlyArray<readonly [string, Flat]>, ReadonlyArray<readonly [string, string, number, number]>]
  >,
  lanes: ReadonlyArray<Flat>,
  letters: ReadonlyArray<ReadonlyArray<readonly [string, Flat]>>,
  timers: Flat,
  running: Flat,
  jobs: ReadonlyArray<readonly [Flat, Flat, readonly [number, number, number], string]>,
  told: ReadonlyArray<readonly [string, Flat]>,
  live: ReadonlyArray<readonly [string, Flat]>
]
const Strings = Schema.Array(Schema.String)

const record = (flat: Flat) => {
  const fields: Record<string, string> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!
  return fields
}

interface ToldEvent {
  readonly ts: number
  readonly stage: string
  readonly status: string
  readonly progress: number
  readonly result: { readonly code: string; readonly next_at: number } | null
}

export interface SeenJob {
  readonly hash: Readonly<Record<string, string>>
  readonly history: ReadonlyArray<ToldEvent>
  /** Hash, events, image. */
  readonly ttl: readonly [number, number, number]
  readonly image: string
}

/** A partition at one moment. */
export interface Seen {
  readonly mailboxes: ReadonlyMap<string, ReadonlyArray<{ readonly name: string; readonly job: string }>>
  readonly holders: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly letters: ReadonlyMap<
    string,
    ReadonlyArray<{ readonly name: string; readonly fields: Record<string, string> }>
  >
  /** In Redis's order. */
  readonly timers: ReadonlyArray<readonly [member: string, at: number]>
  readonly running: Readonly<Record<string, string>>
  readonly lanes: ReadonlyMap<string, Flat>
  readonly jobs: ReadonlyMap<string, SeenJob>
  readonly told: Flat
}

/** What has been read of each job's history and of the live stream, since the first look. */
export class Camera {
  readonly process: Process<Services>
  readonly sha: string
  readonly partition: Keys.Partition
  readonly owners: Flat
  readonly mailboxes: Flat
  private readonly histories = new Map<string, { readonly texts: Array<string>; readonly events: Array<ToldEvent> }>()
  private readonly live = new Map<string, Array<string>>()
  private cursor = "-"
  /** J4: where the live stream differs from the history. */
  readonly discord: Array<string> = []

  constructor(process: Process<Services>, sha: string, partition: Keys.Partition, owners: Flat, mailboxes: Flat) {
    this.process = process
    this.sha = sha
    this.partition = partition
    this.owners = owners
    this.mailboxes = mailboxes
  }

  static readonly load = (process: Process<Services>) => Effect.map(process.send("SCRIPT", "LOAD", lookLua), String)

  /** The job's keys are gone: a new job may use its id. */
  forget(id: string) {
    this.histories.delete(id)
    this.live.delete(id)
  }

  readonly look = Effect.fnUntraced(function* (this: Camera, jobs: Flat) {
    const args = [
      0,
      this.owners.length,
      ...this.owners,
      this.mailboxes.length,
      ...this.mailboxes,
      jobs.length,
      ...jobs.flatMap((id) => [id, this.histories.get(id)?.texts.length ?? 0]),
      "receipts",
      this.cursor
    ]
    const raw = (yield* this.process.send("EVALSHA", this.sha, 1, this.partition.root, ...args)) as Raw
    const [, mailboxes, lanes, letters, timers, running, found, told, live] = raw
    for (const [id, fields] of live) {
      this.cursor = `(${id}`
      let job = ""
      for (const line of (record(fields).e ?? "").split("\n")) {
        if (line.startsWith("{")) this.live.get(job)!.push(line)
        else {
          const [named = "", seq] = line.split(" ")
          job = named
          const before = this.live.get(job) ?? []
          if (Number(seq) !== before.length + 1) this.discord.push(`event ${seq} of ${job} after ${before.length}`)
          this.live.set(job, before)
        }
      }
    }
    return {
      mailboxes: new Map(
        this.mailboxes.map((name, i) => [
          name,
          mailboxes[i]![0].map(([entry, fields]) => ({ name: entry, job: record(fields).job ?? "" }))
        ])
      ),
      holders: new Map(
        this.mailboxes.map((name, i) => [name, new Map(mailboxes[i]![1].map(([entry, holder]) => [entry, holder]))])
      ),
      letters: new Map(
        this.mailboxes.map((name, i) => [
          name,
          letters[i]!.map(([letter, fields]) => ({ name: letter, fields: record(fields) }))
        ])
      ),
      timers: timers.flatMap((member, i) => (i % 2 === 0 ? [[member, Number(timers[i + 1])] as const] : [])),
      running: record(running),
      lanes: new Map(this.owners.map((owner, i) => [owner, lanes[i]!])),
      jobs: new Map(
        jobs.flatMap((id, i) => {
          const [hash, texts, ttl, image] = found[i]!
          const known = this.histories.get(id) ?? { texts: [], events: [] }
          this.histories.set(id, known)
          const live = this.live.get(id) ?? []
          for (const text of texts) {
            if (live[known.texts.length] !== text)
              this.discord.push(`event ${known.texts.length + 1} of ${id} differs live`)
            known.texts.push(text)
            known.events.push(JSON.parse(text) as ToldEvent)
          }
          if (live.length !== known.texts.length) {
            this.discord.push(`${id} has ${known.texts.length} events, live were ${live.length}`)
          }
          const fields = expand(record(hash))
          // until a job's first event, only its fence contains `queued`
          const queued = {
            ts: Number(fields.created) / 1000,
            stage: "queued",
            status: "started",
            progress: 0,
            result: null
          }
          const history = known.events.length === 0 ? [queued] : known.events
          return hash.length === 0 ? [] : [[id, { hash: fields, history, ttl, image }] as const]
        })
      ),
      told: told.map(([, fields]) => record(fields).body ?? "")
    } satisfies Seen
  })

  /** Every key of the partition. */
  readonly keys = Effect.fnUntraced(function* (this: Camera) {
    const reply = yield* this.process.send("KEYS", `${this.partition.root.replace(/[{}]/g, "\\$&")}:*`)
    return Schema.decodeUnknownSync(Strings)(reply)
  })
}

// ---- the same facts of both

/** The facts about a subject, one line each, in the same order on both sides. */
export type Facts = Map<string, ReadonlyArray<string>>

const expiryOf = ([hash, events, image]: readonly [number, number, number], hasImage: boolean) =>
  (hasImage ? [hash, events, image] : [hash, events])
    .map((ttl) => (ttl < 0 ? "none" : ttl > 2 * 3_600_000 ? "letter" : "ttl"))
    .join(" ")

/** Gives entries and letters their Redis names, in order. */
export const bind = (world: Model.World, seen: Seen) => {
  for (const [mailbox, entries] of world.mailboxes) {
    for (const [i, entry] of entries.entries()) {
      if (entry.name === "") entry.name = seen.mailboxes.get(mailbox)?.[i]?.name ?? ""
    }
  }
  for (const [mailbox, letters] of world.letters) {
    for (const [i, letter] of letters.entries()) {
      if (letter.name === "") letter.name = seen.letters.get(mailbox)?.[i]?.name ?? ""
    }
  }
}

const lines = new WeakMap<Model.Event | ToldEvent, string>()
const lineOf = <A extends Model.Event | ToldEvent>(event: A, make: (event: A) => string): string => {
  const known = lines.get(event) ?? make(event)
  lines.set(event, known)
  return known
}
const lineOfModel = ({ progress, retry, stage, status, tick }: Model.Event) =>
  `${tick} ${stage}/${status} ${progress}${retry === null ? "" : ` ${retry.code} next ${retry.next}`}`

/** Why the present stage was deferred; for an earlier stage or a done job it does not matter any more. */
const causeOf = (state: string, at: string, cause: string) =>
  state !== "done" && cause.startsWith(`${at}:`) ? cause : ""

/** The facts of the jobs in `looked`. */
export const factsOfModel = (world: Model.World, looked: ReadonlyArray<string>): Facts => {
  const facts: Facts = new Map()
  for (const [mailbox, entries] of world.mailboxes) {
    facts.set(
      mailbox,
      entries.map(({ holder, job, name }) => `${name} of ${job} held by ${holder ?? "nobody"}`)
    )
  }
  for (const [mailbox, letters] of world.letters) {
    facts.set(
      `letters of ${mailbox}`,
      letters.map(
        ({ attempts, cause, first, job, last, run, stage }) =>
          `${job} ${stage} ${cause} ${attempts} run ${run} ${first}-${last}`
      )
    )
  }
  const running: Array<string> = []
  for (const [owner, lane] of world.lanes) {
    facts.set(`lane of ${owner}`, lane)
    const count = Model.admittedOf(world, owner)
    if (count > 0) running.push(`${owner} ${count}`)
  }
  if (Model.inLanes(world) > 0) running.push(` ${Model.inLanes(world)}`)
  facts.set("running", running.toSorted())
  facts.set("told", world.told)
  const open = [...world.jobs.values()].filter((job) => !Model.isOver(job.state))
  facts.set("timers", open.map((job) => `${job.id} ${Model.timerOf(job)}`).toSorted())
  for (const id of looked) {
    const job = world.jobs.get(id)
    if (job === undefined) continue
    const { at, attempts, by, cause, cur, deliveries, expiry, image, letter, outputs, state } = job
    const { rounds, run, tries } = job
    const imageExpiry = image === "" ? "" : expiry === "letter" ? " ttl" : ` ${expiry}`
    facts.set(id, [
      `state ${state}`,
      `at ${at}`,
      `cur ${cur === null ? "" : `${cur.mailbox}:${cur.entry.name}`}`,
      `by ${by}`,
      `last ${job.last}`,
      `attempts ${attempts} deliveries ${deliveries} tries ${tries} rounds ${rounds} run ${run}`,
      `progress ${job.progress}`,
      `cause ${causeOf(state, at, cause)}`,
      `started ${job.started === `${at}:${run}`}`,
      `admitted ${job.admitted}`,
      `deadline ${job.deadline}`,
      `due ${state === "delayed" || state === "parked" ? `${job.due} to ${job.home}` : ""}`,
      `arrived ${state === "waiting" ? job.arrived : ""}`,
      `began ${state === "running" ? job.began : ""}`,
      `wait ${job.wait}`,
      `error ${job.error}`,
      `letter ${letter === null ? "" : `${letter.mailbox}:${letter.letter.name}`}`,
      `outputs ${[...outputs].map(([stage, { output, work }]) => `${stage}=${output} in ${work}`).join(" ")}`,
      `image ${image}`,
      `expiry ${expiry} ${expiry}${imageExpiry}`,
      ...job.history.map((event, i) => `event ${i + 1}: ${lineOf(event, lineOfModel)}`)
    ])
  }
  return facts
}

/** `start`: Redis's clock when the model's was 0, epoch milliseconds. */
export const factsOfRedis = (seen: Seen, start: number): Facts => {
  const facts: Facts = new Map()
  const tick = (millis: string | number | undefined) => Math.floor((Number(millis) - start) / tickMillis)
  const lineOfRedis = ({ progress, result, stage, status, ts }: ToldEvent) =>
    `${tick(Math.round(ts * 1000))} ${stage}/${status} ${progress}${
      result === null ? "" : ` ${result.code} next ${tick(Math.round(result.next_at * 1000))}`
    }`
  for (const [mailbox, entries] of seen.mailboxes) {
    const holders = seen.holders.get(mailbox)!
    facts.set(
      mailbox,
      entries.map(({ job, name }) => `${name} of ${job} held by ${holders.get(name) ?? "nobody"}`)
    )
  }
  for (const [mailbox, letters] of seen.letters) {
    facts.set(
      `letters of ${mailbox}`,
      letters.map(({ fields: { attempts, cause, first, job, last, run, stage } }) =>
        [`${job} ${stage} ${cause} ${attempts} run ${run}`, `${tick(first)}-${tick(last)}`].join(" ")
      )
    )
  }
  for (const [owner, lane] of seen.lanes) facts.set(`lane of ${owner}`, lane)
  facts.set(
    "running",
    Object.entries(seen.running)
      .map(([owner, count]) => `${owner} ${count}`)
      .toSorted()
  )
  facts.set("told", seen.told)
  facts.set("timers", seen.timers.map(([member, at]) => `${member} ${tick(at)}`).toSorted())
  for (const [id, { hash, history, image, ttl }] of seen.jobs) {
    const { attempts = "0", deliveries = "0", rounds = "0", run = "1", state = "", tries = "0" } = hash
    const outputs = planOf(hash).filter((name) => hash[`o:${name}`] !== undefined)
    const workOf = (name: string) => Math.round(Number(hash[`d:${name}`]) / tickMillis)
    facts.set(id, [
      `state ${state}`,
      `at ${hash.at}`,
      `cur ${hash.cur ?? ""}`,
      `by ${hash.by ?? ""}`,
      `last ${hash.last ?? ""}`,
      `attempts ${attempts} deliveries ${deliveries} tries ${tries} rounds ${rounds} run ${run}`,
      `progress ${hash.progress ?? 0}`,
      `cause ${causeOf(state, hash.at ?? "", hash.cause ?? "")}`,
      `started ${hash.started === "1"}`,
      `admitted ${hash.admitted === "1"}`,
      `deadline ${tick(hash.deadline)}`,
      `due ${state === "delayed" || state === "parked" ? `${tick(hash.due)} to ${hash.home}` : ""}`,
      `arrived ${state === "waiting" ? tick(hash.since) : ""}`,
      `began ${state === "running" ? tick(hash.since) : ""}`,
      `wait ${Math.round(Number(hash.wait ?? 0) / tickMillis)}`,
      `error ${hash.error === undefined ? "" : (JSON.parse(hash.error) as { readonly code: string }).code}`,
      `letter ${hash.letter ?? ""}`,
      `outputs ${outputs.map((name) => `${name}=${hash[`o:${name}`]} in ${workOf(name)}`).join(" ")}`,
      `image ${image}`,
      `expiry ${expiryOf(ttl, image !== "")}`,
      ...history.map((event, i) => `event ${i + 1}: ${lineOf(event, lineOfRedis)}`)
    ])
  }
  return facts
}

export const differences = (model: Facts, redis: Facts): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const subject of new Set([...model.keys(), ...redis.keys()])) {
    const [wanted = [], is = []] = [model.get(subject), redis.get(subject)]
    for (let i = 0; i < Math.max(wanted.length, is.length); i++) {
      if (wanted[i] !== is[i]) found.push(`${subject}: ${is[i] ?? "nothing"}, the model says ${wanted[i] ?? "nothing"}`)
    }
  }
  return found
}

// ---- what must hold whatever the model says

const plans = new Map<string, ReadonlyArray<string>>()
const planOf = ({ about = "" }: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const known = plans.get(about)
  if (known !== undefined) return known
  const plan = stagesOf(about)
  plans.set(about, plan)
  return plan
}
const isTerminal = ({ stage }: ToldEvent) => stage === "done" || stage === "failed" || stage === "cancelled"

/** Violated invariants, each as `<number> what is wrong`. */
export const violations = (seen: Seen): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const entriesOf = new Map<string, Array<string>>()
  for (const [mailbox, entries] of seen.mailboxes) {
    for (const { job, name } of entries) {
      entriesOf.set(job, [...(entriesOf.get(job) ?? []), `${mailbox}:${name}`])
      if (!seen.jobs.has(job)) wrong.push(`A1 an entry stands for ${job}, which is not there`)
    }
    for (const name of seen.holders.get(mailbox)!.keys()) {
      if (!entries.some((entry) => entry.name === name)) wrong.push(`A1 ${mailbox}:${name} is held and has no entry`)
    }
  }
  const timers = new Map(seen.timers)
  const inLane = [...seen.lanes.values()].flat()
  for (const [id, { hash, history, ttl }] of seen.jobs) {
    const over = hash.state === "done" || hash.state === "failed" || hash.state === "cancelled"
    const entries = entriesOf.get(id) ?? []
    // J1: one terminal event a run, its last; an ended job is nowhere, an open one in exactly one place
    const runs: Array<Array<ToldEvent>> = []
    for (const event of history) {
      if (event.stage === "queued") runs.push([])
      runs.at(-1)?.push(event)
    }
    if (runs.length !== Number(hash.run ?? 1)) wrong.push(`J1 ${id} has ${runs.length} runs, not ${hash.run ?? 1}`)
    for (const [i, run] of runs.entries()) {
      const ends = run.filter(isTerminal).length
      const wanted = i < runs.length - 1 || over ? 1 : 0
      if (ends !== wanted) wrong.push(`J1 run ${i + 1} of ${id} (${hash.state}) has ${ends} terminal events`)
      if (ends > 0 && !isTerminal(run.at(-1)!)) wrong.push(`J1 run ${i + 1} of ${id} goes on after its end`)
    }
    const inMailbox = hash.state === "waiting" || hash.state === "running"
    const onTimer = hash.state === "delayed" || hash.state === "parked"
    if (entries.length !== (inMailbox ? 1 : 0)) wrong.push(`J1 ${id} (${hash.state}) has ${entries.length} entries`)
    // of a job that is put off it is the entry it had, whose result may still come
    const hadEntry = hash.state === "delayed" && entries.length === 0
    if (!hadEntry && (hash.cur ?? "") !== (entries[0] ?? ""))
      wrong.push(`J1 cur of ${id} is ${hash.cur}, it stands at ${entries[0]}`)
    if (inLane.filter((one) => one === id).length !== (hash.state === "lane" ? 1 : 0)) {
      wrong.push(`J1 ${id} (${hash.state}) is in a lane ${inLane.filter((one) => one === id).length} times`)
    }
    if (timers.has(id) === over) wrong.push(`J1 ${id} (${hash.state}) has ${over ? "a" : "no"} timer`)
    if (!over && timers.get(id)! > Number(hash.deadline)) wrong.push(`J1 ${id} is looked at after its deadline`)
    if (onTimer && timers.get(id)! > Number(hash.due)) wrong.push(`J1 ${id} is looked at after it is due`)
    if (over !== ttl[0] > 0 || over !== ttl[1] > 0) wrong.push(`J1 ${id} (${hash.state}) expires in ${ttl.join(" ")}`)
    // J2, J3: the checkpoints are a prefix of the plan, and the due stage is the first without one
    const plan = planOf(hash)
    const committed = plan.filter((stage) => hash[`o:${stage}`] !== undefined)
    if (hash.state !== "done" && hash.at !== plan[committed.length]) {
      wrong.push(`J2 ${id} stands at ${hash.at}, committed are ${committed.join(" ")}`)
    }
    const completed = history.filter(({ stage, status }) => status === "completed" && stage !== "done")
    // a full history has the beginnings and ends only
    if (history.length < 199 && completed.map(({ stage }) => stage).join(" ") !== committed.join(" ")) {
      wrong.push(`J3 ${id} told of ${completed.map(({ stage }) => stage).join(" ")}, recorded ${committed.join(" ")}`)
    }
    // J5
    if (history.some(({ stage }) => stage === "done") && (hash.state !== "done" || committed.length < plan.length)) {
      wrong.push(`J5 ${id} told done with ${committed.join(" ")}`)
    }
  }
  for (const [member] of timers) if (!seen.jobs.has(member)) wrong.push(`J1 a timer of ${member}, which is not there`)
  return wrong
}
