/**
 * JobModel: the expected effects of a job's transitions, without Redis: plain data, one function for each transition. The state
 * machine's test runs the same operations here and on a server, and compares the two after every step.
 * Time is counted in ticks of a minute: the test itself takes far less, so the model's clock is exact.
 * Invariants by number: pipeline/JobStore.
 */

export type State = "lane" | "parked" | "waiting" | "running" | "delayed" | "done" | "failed" | "cancelled"
export const isOver = (state: State) => state === "done" || state === "failed" || state === "cancelled"

export interface Step {
  readonly name: string
  readonly mailbox: string
  readonly progress: number
  readonly image: boolean
}

/** A job's entry in a mailbox. `name`: its id in Redis, known once it has been seen there. */
export interface Entry {
  readonly job: string
  /** The consumer that it was last delivered to; null: not delivered. */
  holder: string | null
  name: string
}

export interface Letter {
  readonly job: string
  readonly stage: string
  readonly cause: string
  readonly attempts: number
  readonly first: number
  readonly last: number
  readonly run: number
  name: string
}

export interface Event {
  readonly tick: number
  readonly stage: string
  readonly status: string
  readonly progress: number
  readonly retry: { readonly code: string; readonly next: number } | null
}

export interface Job {
  readonly id: string
  readonly owner: string
  readonly body: string
  readonly plan: ReadonlyArray<Step>
  readonly created: number
  state: State
  at: string
  /** The job's current entry and its mailbox; null: the job has none. */
  cur: { readonly mailbox: string; readonly entry: Entry } | null
  by: string
  last: string
  attempts: number
  tries: number
  deliveries: number
  rounds: number
  run: number
  progress: number
  cause: string
  /** `stage:run` whose start was reported. */
  started: string
  admitted: boolean
  deadline: number
  /** The time of the retry or next round, while delayed or parked; a repeat gets it again. */
  due: number
  /** The mailbox that the job returns to from lane or timer. */
  home: string
  arrived: number
  began: number
  /** Ticks it waited for a begin. */
  wait: number
  error: string
  letter: { readonly mailbox: string; readonly letter: Letter } | null
  readonly outputs: Map<string, { readonly output: string; readonly work: number }>
  image: string
  history: Array<Event>
  /** What expires after the end. */
  expiry: "none" | "ttl" | "letter"
}

export interface Limits {
  /** 0: none. */
  readonly perUser: number
  readonly lane: number
  readonly mailbox: number
  /** Ticks from submit to deadline, and from parking to the next round. */
  readonly deadline: number
  readonly pause: number
}

export interface World {
  now: number
  limits: Limits
  readonly jobs: Map<string, Job>
  /** Entries in order of arrival. */
  readonly mailboxes: Map<string, Array<Entry>>
  readonly letters: Map<string, Array<Letter>>
  /** Job ids a user, in order of submit. */
  readonly lanes: Map<string, Array<string>>
  /** Bodies of messages that commits sent, in order. */
  readonly told: Array<string>
}

export const empty = (mailboxes: ReadonlyArray<string>, owners: ReadonlyArray<string>, limits: Limits): World => ({
  now: 0,
  limits,
  jobs: new Map(),
  mailboxes: new Map(mailboxes.map((name) => [name, []])),
  letters: new Map(mailboxes.map((name) => [name, []])),
  lanes: new Map(owners.map((owner) => [owner, []])),
  told: []
})

/** A begin's claim: this entry, for this stage, under this token. */
export interface Claim {
  readonly job: string
  readonly stage: string
  /** The stage's own mailbox. */
  readonly home: string
  /** The entry's mailbox. */
  readonly mailbox: string
  readonly entry: Entry
  readonly token: string
}

// ---- what is derived

/** Jobs of a user that count against the limit. */
export const admittedOf = (world: World, owner: string) =>
  [...world.jobs.values()].filter((job) => job.owner === owner && job.admitted && !isOver(job.state)).length
export const inLanes = (world: World) => [...world.lanes.values()].reduce((sum, lane) => sum + lane.length, 0)
/** The time of an open job's timer. */
export const timerOf = (job: Job) =>
  job.state === "delayed" || job.state === "parked" ? Math.min(job.due, job.deadline) : job.deadline

// ---- parts of transitions

/** The history's capacity except for events that open and end a run. */
const places = 199

const tell = (
  world: World,
  job: Job,
  stage: string,
  status: string,
  progress = job.progress,
  retry: Event["retry"] = null
) => {
  const frames = stage === "queued" || isOver(stage as State)
  if (frames || job.history.length < places) job.history.push({ tick: world.now, stage, status, progress, retry })
}

const place = (world: World, job: Job, mailbox: string) => {
  const entry: Entry = { job: job.id, holder: null, name: "" }
  world.mailboxes.get(mailbox)!.push(entry)
  job.cur = { mailbox, entry }
  job.state = "waiting"
}

const drop = <A>(list: Array<A>, item: A): boolean => {
  const at = list.indexOf(item)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}
const takeOff = (world: World, job: Job) => {
  if (job.cur !== null) drop(world.mailboxes.get(job.cur.mailbox)!, job.cur.entry)
  job.cur = null
}
const withdraw = (world: World, job: Job) => {
  if (job.letter !== null) drop(world.letters.get(job.letter.mailbox)!, job.letter.letter)
  job.letter = null
}

const admit = (world: World, owner: string) => {
  const { perUser } = world.limits
  const lane = world.lanes.get(owner)!
  while (lane.length > 0 && (perUser === 0 || admittedOf(world, owner) < perUser)) {
    const job = world.jobs.get(lane.shift()!)!
    place(world, job, job.home)
    job.admitted = true
    job.arrived = world.now
  }
}

const finish = (world: World, job: Job, state: "done" | "failed" | "cancelled", letterStays: boolean) => {
  const { admitted, owner } = job
  const wasInLane = job.state === "lane"
  takeOff(world, job)
  job.state = state
  job.by = ""
  job.admitted = false
  job.expiry = letterStays ? "letter" : "ttl"
  if (!letterStays) withdraw(world, job)
  if (state === "done") job.error = ""
  tell(world, job, state, state === "done" ? "completed" : state, state === "done" ? 100 : job.progress)
  if (owner === "") return
  if (wasInLane) drop(world.lanes.get(owner)!, job.id)
  else if (admitted) admit(world, owner)
}

/** Whether this claim is still the job's current one: the fence of a success. */
const stands = (job: Job, claim: Claim) =>
  !isOver(job.state) && job.at === claim.stage && job.cur?.entry === claim.entry
const settled = (claim: Claim) => claim.token

// ---- transitions; each returns the reply to the caller

export interface Submission {
  readonly id: string
  readonly owner: string
  readonly body: string
  readonly plan: ReadonlyArray<Step>
  /** An image's bytes, "" for a job without one, null for an upload that is gone. */
  readonly image: string | null
}

export const submit = (world: World, { body, id, image, owner, plan }: Submission): string => {
  const known = world.jobs.get(id)
  if (known !== undefined) return known.body === body ? "exists" : "IdempotencyConflict"
  const first = plan[0]!
  const { deadline, lane, mailbox, perUser } = world.limits
  const left = mailbox - world.mailboxes.get(first.mailbox)!.length - inLanes(world)
  if (left <= 0) return "MailboxFull"
  const waiting = world.lanes.get(owner)?.length ?? 0
  const limited = owner !== "" && perUser > 0
  const waits = limited && (waiting > 0 || admittedOf(world, owner) >= perUser)
  if (waits && waiting >= Math.min(lane, left)) return "LaneFull"
  if (image === null) return "UploadGone"
  const job: Job = {
    ...{ id, owner, body, plan, created: world.now, state: "lane", at: first.name, cur: null, by: "", last: "" },
    ...{ attempts: 0, tries: 0, deliveries: 0, rounds: 0, run: 1, progress: 0, cause: "", started: "" },
    ...{ admitted: false, deadline: world.now + deadline, due: 0, home: first.mailbox, arrived: world.now, began: 0 },
    ...{ wait: 0, error: "", letter: null, outputs: new Map(), image, history: [], expiry: "none" }
  }
  world.jobs.set(id, job)
  tell(world, job, "queued", "started")
  if (waits) {
    world.lanes.get(owner)!.push(id)
    admit(world, owner)
  } else {
    place(world, job, first.mailbox)
    job.admitted = limited
  }
  return "created"
}

/** Delivers up to `most` unread entries of a mailbox to a consumer. */
export const read = (world: World, mailbox: string, consumer: string, most: number): ReadonlyArray<Entry> => {
  const entries = world.mailboxes.get(mailbox)!.filter(({ holder }) => holder === null)
  const read = entries.slice(0, most)
  for (const entry of read) entry.holder = consumer
  return read
}

/** Moves up to `free` entries of a dead consumer to another. */
export const reap = (world: World, mailbox: string, dead: string, heir: string, free: number) => {
  const held = world.mailboxes.get(mailbox)!.filter(({ holder }) => holder === dead)
  const taken = held.slice(0, free)
  for (const entry of taken) entry.holder = heir
  return { taken, left: held.length > taken.length }
}

export type Begun = `run ${number}/${number}` | `suspect ${number}${"" | " fresh"}` | `dropped ${string}`
/** "look" begins all but a suspect, "run" begins it, a number puts it off by so many ticks. */
export type Turn = "look" | "run" | number

const consumerOf = (token: string) => token.slice(0, token.indexOf(":"))
const countUnreported = (job: Job, token: string) => {
  job.deliveries += consumerOf(job.by) === consumerOf(token) ? 1_000_000 : job.by.endsWith("/alone") ? 1_001 : 1
  job.attempts = Math.max(0, job.attempts - 1)
}

export const begin = (world: World, claim: Claim, turn: Turn): Begun => {
  const job = world.jobs.get(claim.job)
  const entries = world.mailboxes.get(claim.mailbox)!
  if (job === undefined) {
    // an entry long gone is ignored; an entry of a missing job is worth a letter
    if (!drop(entries, claim.entry)) return "dropped moved"
    world.letters.get(claim.mailbox)!.push({
      ...{ job: claim.job, stage: claim.stage, cause: "JobGone", attempts: 0, run: 0, name: "" },
      ...{ first: world.now, last: world.now }
    })
    return "dropped gone"
  }
  if (isOver(job.state)) return "dropped over"
  if (job.cur?.entry !== claim.entry || job.state === "delayed") return "dropped moved"
  // a process that lost the entry does not take the job from its present holder
  const holder = consumerOf(claim.token)
  const suspected = job.by !== "" || job.deliveries > 0
  if (suspected && job.by !== claim.token && claim.entry.holder !== holder) return "dropped moved"
  if (job.at !== claim.stage) {
    takeOff(world, job)
    place(world, job, job.plan.find(({ name }) => name === job.at)!.mailbox)
    if (job.by !== "") countUnreported(job, claim.token)
    job.by = ""
    job.arrived = world.now
    return "dropped rehomed"
  }
  if (job.by !== claim.token) {
    const fresh = job.by !== ""
    if (fresh) {
      countUnreported(job, claim.token)
      job.by = ""
      job.state = "waiting"
      // the hash has one word for both: a result that comes late is timed from here
      job.arrived = world.now
      job.began = world.now
    }
    if (job.deliveries > 0 && turn === "look") return `suspect ${job.deliveries}${fresh ? " fresh" : ""}`
    if (typeof turn === "number") {
      drop(entries, claim.entry)
      job.state = "delayed"
      job.began = world.now
      job.due = Math.min(world.now + turn, job.deadline)
      job.home = claim.mailbox
      return "dropped put off"
    }
    if (!fresh) job.wait += world.now - job.arrived
    job.by = claim.token
    job.state = "running"
    job.began = world.now
    job.attempts += 1
    job.tries += 1
    const start = `${job.at}:${job.run}`
    if (job.started !== start) tell(world, job, job.at, "started")
    job.started = start
  }
  return `run ${job.attempts}/${job.tries}`
}

export interface Result {
  readonly output: string
  /** The token to keep the job with, "" to hand it off. */
  readonly keep: string
  readonly tell: string
}

export const commit = (world: World, claim: Claim, { keep, output, tell: message }: Result): string => {
  const job = world.jobs.get(claim.job)
  if (job === undefined) return "gone"
  const at = job.plan.findIndex(({ name }) => name === claim.stage)
  const step = job.plan[at]
  const next = job.plan[at + 1]
  if (job.last === settled(claim)) {
    return next === undefined ? "ended" : keep !== "" && job.by === keep ? "kept" : "committed"
  }
  if (step === undefined || !stands(job, claim)) return "lost"
  // a job begun ten times or more may have no room for the events of keeping
  const kept = keep !== "" && next !== undefined && job.by === claim.token && job.tries < 10
  job.outputs.set(step.name, { output, work: world.now - job.began })
  job.last = settled(claim)
  job.deliveries = 0
  job.progress = step.progress
  job.cause = ""
  job.attempts = 0
  if (step.image && !job.plan.slice(at + 1).some(({ image }) => image)) job.image = ""
  if (message !== "") world.told.push(message)
  tell(world, job, step.name, "completed")
  if (next === undefined) {
    finish(world, job, "done", false)
    return "ended"
  }
  job.at = next.name
  job.arrived = world.now
  if (kept) {
    job.by = keep
    job.began = world.now
    job.attempts = 1
    job.tries += 1
    job.started = `${next.name}:${job.run}`
    tell(world, job, next.name, "started")
    return "kept"
  }
  takeOff(world, job)
  job.by = ""
  place(world, job, next.mailbox)
  return "committed"
}

export interface Delay {
  readonly ticks: number
  readonly giveBack: boolean
  /** "" sends viewers nothing. */
  readonly cause: string
}

/** A cause is sent to viewers once, until another cause or a success comes between. */
const tellRetry = (world: World, job: Job, cause: string) => {
  const reason = `${job.at}:${cause}`
  if (job.cause !== reason) tell(world, job, job.at, "retrying", job.progress, { code: cause, next: job.due })
  job.cause = reason
}

export const defer = (world: World, claim: Claim, { cause, giveBack, ticks }: Delay): string => {
  const job = world.jobs.get(claim.job)
  if (job === undefined) return "gone"
  if (job.last === settled(claim)) return "deferred"
  if (!stands(job, claim) || job.by !== claim.token) return "lost"
  takeOff(world, job)
  job.last = settled(claim)
  job.by = ""
  job.deliveries = 0
  job.due = world.now + ticks
  if (giveBack) job.attempts -= 1
  if (cause !== "") tellRetry(world, job, cause)
  if (ticks === 0) {
    place(world, job, claim.home)
    job.arrived = world.now
  } else {
    job.state = "delayed"
    job.home = claim.home
  }
  return "deferred"
}

export interface Burial {
  readonly cause: string
  readonly rounds: number
}

export const bury = (world: World, claim: Claim, { cause, rounds }: Burial): string => {
  const job = world.jobs.get(claim.job)
  if (job === undefined) return "gone"
  if (job.last === settled(claim)) return job.state === "failed" ? "buried" : "parked"
  if (!stands(job, claim) || job.by !== claim.token) return "lost"
  withdraw(world, job)
  const letter: Letter = {
    ...{ job: job.id, stage: job.at, cause, attempts: job.attempts, first: job.began, last: world.now, run: job.run },
    name: ""
  }
  world.letters.get(claim.home)!.push(letter)
  job.letter = { mailbox: claim.home, letter }
  job.last = settled(claim)
  job.error = cause
  if (job.rounds >= rounds || world.now + world.limits.pause >= job.deadline) {
    finish(world, job, "failed", true)
    return "buried"
  }
  takeOff(world, job)
  job.state = "parked"
  job.by = ""
  job.home = claim.home
  job.due = world.now + world.limits.pause
  job.rounds += 1
  job.attempts = 0
  job.deliveries = 0
  tellRetry(world, job, cause)
  return "parked"
}

export const cancel = (world: World, id: string): string => {
  const job = world.jobs.get(id)
  if (job === undefined) return "missing"
  if (isOver(job.state)) return job.state === "cancelled" ? "already" : "finished"
  job.error = "CANCELLED"
  finish(world, job, "cancelled", false)
  return "cancelled"
}

/** A job parked before has its letter already, unless it was discarded. */
const leaveDeadlineLetter = (world: World, job: Job) => {
  const { mailbox } = job.plan.find(({ name }) => name === job.at)!
  const letter: Letter = {
    ...{ job: job.id, stage: job.at, cause: "DEADLINE_EXCEEDED", attempts: job.attempts },
    ...{ first: world.now, last: world.now, run: job.run, name: "" }
  }
  world.letters.get(mailbox)!.push(letter)
  job.letter = { mailbox, letter }
}

/** Serves timers; `order`: the due jobs, in Redis's order. Returns how many failed at their deadline. */
export const promote = (world: World, order: ReadonlyArray<string>): number => {
  let expired = 0
  for (const id of order) {
    const job = world.jobs.get(id)
    if (job === undefined || isOver(job.state)) continue
    if (world.now >= job.deadline) {
      job.error = "DEADLINE_EXCEEDED"
      const { letter } = job
      if (letter === null || !world.letters.get(letter.mailbox)!.includes(letter.letter))
        leaveDeadlineLetter(world, job)
      finish(world, job, "failed", true)
      expired += 1
    } else if (job.state === "delayed" || job.state === "parked") {
      place(world, job, job.home)
      job.arrived = world.now
    }
  }
  return expired
}

export const redrive = (world: World, id: string): string => {
  const job = world.jobs.get(id)
  if (job === undefined) return "missing"
  if (job.state !== "failed" && job.state !== "parked") return "open"
  const failed = job.state === "failed"
  withdraw(world, job)
  job.error = ""
  job.rounds = 0
  job.cause = ""
  job.attempts = 0
  job.deliveries = 0
  job.deadline = world.now + world.limits.deadline
  job.arrived = world.now
  job.expiry = "none"
  if (failed) job.run += 1
  place(world, job, job.plan.find(({ name }) => name === job.at)!.mailbox)
  if (failed) tell(world, job, "queued", "started")
  return "redriven"
}

/** Gives the job a long history, with many attempts. */
export const giveLongPast = (world: World, job: Job, events: number) => {
  for (let i = 0; i < events; i++) tell(world, job, job.at, "retrying", job.progress, { code: "Busy", next: world.now })
  job.tries += 100
}

/** Discards a letter; its job keeps only its name. */
export const discard = (world: World, mailbox: string, letter: Letter) => {
  drop(world.letters.get(mailbox)!, letter)
}

/** The keys of a job that is over have expired. */
export const expire = (world: World, id: string) => {
  world.jobs.delete(id)
}
