/**
 * JobPlay: random histories of a partition. A case is a seed and a list of moves. A move is valid in every state (it chooses among
 * the workers, entries and calls there are), so any part of the list can be replayed; that is how a failing case is shrunk.
 * Several workers and users take part: they read, begin (again, with the same token, with another), settle (again, late, after
 * others), die, and are taken over from.
 */
import { Context, Duration, Effect, Layer, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig, JobEvent, JobStore, Mailbox, Policies } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Keys, Keyspace, RedisClient } from "@eco2/core/redis"
import * as Lease from "../../../../packages/core/src/worker/Lease.ts"
import * as Timers from "../../../../packages/core/src/worker/Timers.ts"
import { mint } from "../../../../packages/core/src/job/JobId.ts"
import type { Process, Services } from "../../CoreFixture.ts"
import * as Model from "./JobModel.ts"
import * as Picture from "./JobPicture.ts"

/** Gives a job (ARGV[2]) that many begins (ARGV[3]) and further events, which its history then has to list. */
const longPast = `${Picture.preludes}
local id = ARGV[2]
local f = read_fence(id)
list_history(id, f)
redis.call("RPUSH", job_key(id) .. ":events", unpack(ARGV, 4))
f.tries = ARGV[3]
write_fence(id, f)`

// ---- chance

/** Numbers in [0, below), the same for the same seed. */
export const dice = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}
type Dice = ReturnType<typeof dice>

const kinds = {
  submit: 12,
  read: 8,
  begin: 9,
  commit: 5,
  keep: 4,
  together: 3,
  again: 8,
  defer: 3,
  bury: 3,
  cancel: 3,
  wait: 7,
  promote: 2,
  reap: 6,
  redrive: 6,
  discard: 1,
  expire: 2,
  limit: 1,
  past: 1,
  work: 16,
  crash: 2
} as const
type Kind = keyof typeof kinds
/** The kind of operation, and numbers to choose by. */
export interface Move {
  readonly kind: Exclude<Kind, "work" | "crash">
  readonly pick: readonly [number, number, number, number]
}

const names = Object.keys(kinds) as ReadonlyArray<Kind>
const total = names.reduce((sum, name) => sum + kinds[name], 0)

/** Between 5 and 40 moves. */
export const movesOf = (seed: number): ReadonlyArray<Move> => {
  const roll = dice(seed)
  const pick = (): Move["pick"] => [roll(64), roll(64), roll(64), roll(64)]
  const moves: Array<Move> = []
  const length = 5 + Math.min(roll(36), roll(36))
  while (moves.length < length) {
    let n = roll(total)
    const kind = names.find((name) => (n -= kinds[name]) < 0)!
    if (kind === "work") {
      // one entry from the mailbox to its outcome
      const result = (["commit", "commit", "keep", "keep", "defer", "bury", "begin"] as const)[roll(7)]!
      for (const step of ["read", "begin", result] as const) {
        moves.push({ kind: step, pick: [0, roll(64), roll(64), roll(64)] })
      }
    } else if (kind === "crash") {
      // the same entry is begun again and again, because its processes die
      for (let i = 0; i < 5; i++) moves.push({ kind: "begin", pick: [0, 1, 1, 0] })
    } else if (kind === "past") {
      // a full history, and then another run
      for (const step of ["submit", "read", "begin", kind, "bury", "redrive", "read", "begin", "commit"] as const) {
        moves.push({ kind: step, pick: [0, 1, 1, step === "past" ? roll(4) : step === "read" ? 3 : 0] })
      }
    } else moves.push({ kind, pick: pick() })
  }
  return moves.slice(0, 40)
}

// ---- a case

const plans: ReadonlyArray<ReadonlyArray<Model.Step>> = [
  [
    { name: "a", mailbox: "model.a", progress: 30, image: true },
    { name: "b", mailbox: "model.b", progress: 60, image: false },
    { name: "c", mailbox: "model.c", progress: 100, image: false }
  ],
  [
    { name: "a", mailbox: "model.a", progress: 50, image: false },
    { name: "b", mailbox: "model.b", progress: 100, image: true }
  ],
  [{ name: "b", mailbox: "model.b", progress: 100, image: false }]
]
const stages = ["a", "b", "c"]
const mailboxes = stages.map((name) => `model.${name}`)
const deadlineTicks = 30
const pauseTicks = 4

/** An entry that a worker has read. */
interface Held {
  readonly mailbox: string
  readonly stage: string
  readonly entry: Model.Entry
  readonly consumer: string
  readonly tokens: Array<string>
  dropped: boolean
}
/** A begin with its answer, and the one result that its holder sends, however often. */
interface Claim {
  readonly claim: Model.Claim
  settle: ((store: JobStore.JobStore["Service"]) => Settling) | null
}
interface Settling {
  readonly what: string
  readonly real: Effect.Effect<string>
  readonly model: () => string
}

export interface Failure {
  readonly seed: number
  readonly operations: ReadonlyArray<string>
  readonly wrong: ReadonlyArray<string>
}
export interface Tally {
  steps: number
  /** How often each operation got which answer. */
  readonly answers: Map<string, number>
}
/** What all cases share: a server, and its scripts at any clock. */
export interface Stage {
  readonly process: Process<Services>
  readonly sha: string
  readonly partitions: ReadonlyArray<Keys.Partition>
  readonly transitions: (clock: number, limits: Model.Limits) => Transitions
  readonly tally: Tally
}
interface Transitions {
  readonly store: JobStore.JobStore["Service"]
  readonly timers: Timers.Timers["Service"]
  readonly lease: Lease.Lease["Service"]
}

/** Clock offset and limits are in the scripts' configuration: one set of services for each combination in use. */
export const stageOn = Effect.fnUntraced(function* (process: Process<Services>) {
  const { partitions } = yield* process.run(Keyspace)
  const scope = yield* Scope.Scope
  const ground = yield* process.run(Effect.context<RedisClient.RedisClient | Keyspace>())
  const known = new Map<string, Transitions>()
  const transitions = (clock: number, limits: Model.Limits): Transitions => {
    const key = JSON.stringify([clock, limits])
    const before = known.get(key)
    if (before !== undefined) return before
    const config = CoreConfig.layerWith({
      partitions: partitions.length,
      clockOffsetMillis: clock * Picture.tickMillis,
      userConcurrency: limits.perUser,
      laneCapacity: limits.lane,
      mailboxCapacity: limits.mailbox * partitions.length,
      jobDeadline: Duration.millis(limits.deadline * Picture.tickMillis),
      redriveInterval: Duration.millis(limits.pause * Picture.tickMillis)
    })
    const layer = Layer.mergeAll(JobStore.layer, Timers.layer, Lease.layer).pipe(
      Layer.provide([config, Policies.fixed]),
      Layer.fresh
    )
    const context = Effect.runSync(
      Effect.flatMap(Layer.makeMemoMap, (memo) => Layer.buildWithMemoMap(layer, memo, scope)).pipe(
        Effect.provideContext(ground)
      )
    )
    const made = {
      store: Context.get(context, JobStore.JobStore),
      timers: Context.get(context, Timers.Timers),
      lease: Context.get(context, Lease.Lease)
    }
    known.set(key, made)
    return made
  }
  return {
    process,
    sha: yield* Picture.Camera.load(process),
    partitions,
    transitions,
    tally: { steps: 0, answers: new Map() }
  } satisfies Stage
})

/** Ids made so far that belong to other partitions than the wanted one. */
const spare = new Map<number, Array<Job.JobId>>()
const freshId = (partition: Keys.Partition, partitions: number): Job.JobId => {
  for (;;) {
    const id = spare.get(partition.index)?.pop()
    if (id !== undefined) return id
    const made = randomUUID() as Job.JobId
    const index = Keys.partitionOf(made, partitions)
    spare.set(index, [...(spare.get(index) ?? []), made])
  }
}

/** Two user ids that belong to a partition. */
const ownersOf = (partition: Keys.Partition, partitions: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let n = 0; found.length < 2; n++) {
    if (Keys.partitionOf(`user-${n}`, partitions) === partition.index) found.push(`user-${n}`)
  }
  return found
}

class Wrong extends Error {
  readonly found: ReadonlyArray<string>
  constructor(found: ReadonlyArray<string>) {
    super(found.join("\n"))
    this.found = found
  }
}

/** Plays one case in a partition of its own and compares after every move; null: no difference. */
export const play = Effect.fnUntraced(function* (
  { partitions, process, sha, tally, transitions }: Stage,
  partition: Keys.Partition,
  seed: number,
  moves: ReadonlyArray<Move>
) {
  const roll: Dice = dice(seed ^ 0x5bd1e995)
  const owners = ownersOf(partition, partitions.length)
  const limits: Model.Limits = {
    perUser: [0, 1, 2, 2][roll(4)]!,
    lane: [1, 3, 100][roll(3)]!,
    mailbox: [2, 5, 100, 100][roll(4)]!,
    deadline: deadlineTicks,
    pause: pauseTicks
  }
  const world = Model.empty(mailboxes, owners, limits)
  const camera = new Picture.Camera(process, sha, partition, owners, mailboxes)
  const operations = [`limits ${JSON.stringify(limits)}`]
  const held: Array<Held> = []
  const claims: Array<Claim> = []
  const incarnations = [0, 0, 0]
  const consumer = (worker: number) => `w${worker % 3}.${incarnations[worker % 3]}`
  const ids: Array<string> = []
  let named = 0
  let strict = true

  yield* Effect.forEach([...mailboxes, "receipts"], (name) =>
    process.send("XGROUP", "CREATE", partition.mailbox(name), Mailbox.group, "0", "MKSTREAM")
  )
  const [seconds, micros] = (yield* process.send("TIME")) as readonly [string, string]
  const start = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  let seen: Picture.Seen = yield* camera.look([])

  const services = () => transitions(world.now, world.limits)
  const label = (id: string) => `j${ids.indexOf(id)}`
  const short = (text: string) => ids.reduce((out, id) => out.replaceAll(id, label(id)), text)

  /** One operation on both sides: the answers must be equal. */
  const both = Effect.fnUntraced(function* (what: string, real: Effect.Effect<string>, model: () => string) {
    operations.push(what)
    const answer = yield* real
    const expected = model()
    operations[operations.length - 1] = `${what} -> ${answer}`
    const verb = what.split(" ")[0]!
    for (const word of answer.split(verb === "begin" || verb === "promote" ? ", " : " ")) {
      const kind = `${verb} ${word.replace(/ ?\d.*$/, "")}`
      tally.answers.set(kind, (tally.answers.get(kind) ?? 0) + 1)
    }
    if (answer !== expected) throw new Wrong([`answered ${answer}, the model says ${expected}`])
    return answer
  })

  /** Usually the newest, sometimes any. */
  const choose = <A>(list: ReadonlyArray<A>, by: number, any: number): A | undefined =>
    list.length === 0
      ? undefined
      : any % 4 === 0
        ? list[by % list.length]
        : list[list.length - 1 - (by % Math.min(3, list.length))]

  /** Begins of a job since one of its results counted, by any holder. */
  const unsettled = new Map<string, number>()

  const begin = Effect.fnUntraced(function* (chosen: ReadonlyArray<readonly [Held, string, Model.Turn]>) {
    const turns = chosen.map(([, , turn]) => turn)
    const starts = chosen.map(([{ consumer, entry, mailbox, stage, tokens }, token]) => {
      const claim: Model.Claim = { job: entry.job, stage, home: mailbox, mailbox, entry, token }
      if (!tokens.includes(token)) tokens.push(token)
      return { claim, consumer }
    })
    const had = starts.map(({ claim }) => [...(world.jobs.get(claim.job)?.outputs.keys() ?? [])])
    const states = starts.map(({ claim }) => world.jobs.get(claim.job)?.state)
    let begun: ReadonlyArray<JobStore.BeginReply> = []
    yield* both(
      `begin ${starts.map(({ claim, consumer }, i) => `${label(claim.job)}@${claim.mailbox} ${claim.token} by ${consumer} ${turns[i]}`).join(", ")}`,
      Effect.map(
        Effect.orDie(
          services().store.begin(
            starts.map(({ claim }) => holdingOf(claim)),
            turns.map((turn) => (typeof turn === "number" ? { putOffMillis: turn * Picture.tickMillis } : turn))
          )
        ),
        (answers) => {
          begun = answers
          return answers.map(wordOf).join(", ")
        }
      ),
      () => starts.map(({ claim }, i) => Model.begin(world, claim, turns[i]!)).join(", ")
    )
    for (const [i, one] of begun.entries()) {
      const { claim } = starts[i]!
      chosen[i]![0].dropped = one._tag === "Dropped"
      if (one._tag === "Run" && had[i]!.includes(claim.stage)) throw new Wrong([`J2 ${claim.stage} runs again`])
      if (one._tag === "Run" && states[i] === "cancelled") throw new Wrong([`J7 a cancelled job runs ${claim.stage}`])
      if (one._tag !== "Run" || claims.some((other) => other.claim.token === claim.token)) continue
      if (turns[i] === "look" && (unsettled.get(claim.job) ?? 0) > 0) throw new Wrong([`A2 a suspect begun at a look`])
      unsettled.set(claim.job, (unsettled.get(claim.job) ?? 0) + 1)
      claims.push({ claim, settle: null })
    }
  })

  const holdingOf = (claim: Model.Claim): JobStore.Holding => ({
    partition,
    id: claim.job as Job.JobId,
    stage: claim.stage,
    home: claim.home,
    mailbox: claim.mailbox,
    entry: claim.entry.name,
    token: claim.token
  })

  const committing = (claim: Model.Claim, keeps: boolean, tells: boolean) => {
    const job = world.jobs.get(claim.job)
    const plan = job?.plan ?? plans[0]!
    const at = plan.findIndex(({ name }) => name === claim.stage)
    const step = plan[at]
    const next = plan[at + 1]
    const keep = keeps && next !== undefined ? `${claim.token.split(":")[0]}:k${named++}` : ""
    const output = JSON.stringify({ by: claim.token })
    const message = tells ? JSON.stringify(`t${named++}`) : ""
    const events = [event(claim.stage, "completed", step?.progress ?? 0)]
    if (next === undefined) events.push(event("done", "completed", 100))
    return (store: JobStore.JobStore["Service"]): Settling => ({
      what: `commit ${label(claim.job)}:${claim.stage}@${claim.mailbox} ${claim.token}${keep === "" ? "" : ` keep ${keep}`}`,
      real: Effect.map(
        Effect.orDie(
          store.commit({
            ...holdingOf(claim),
            output,
            next:
              next === undefined ? null : { stage: next.name, mailbox: next.mailbox, keep: keep === "" ? null : keep },
            progress: step?.progress ?? 0,
            dropImage: step?.image === true && !plan.slice(at + 1).some(({ image }) => image),
            tells: message === "" ? [] : [{ mailbox: "receipts", type: "Print", body: message }]
          })
        ),
        ({ outcome }) => outcome
      ),
      model: () => {
        const answer = Model.commit(world, claim, { output, keep, tell: message })
        if (answer === "kept" && next !== undefined && !claims.some((other) => other.claim.token === keep)) {
          claims.push({ claim: { ...claim, stage: next.name, home: next.mailbox, token: keep }, settle: null })
        }
        return answer
      }
    })
  }

  const deferring = (claim: Model.Claim, [by, a, b]: readonly [number, number, number]) => {
    const delay: Model.Delay = {
      ticks: [0, 1, 3, 8, 40][by % 5]!,
      giveBack: a % 3 === 0,
      cause: ["", "Busy", "Busy", "Limited"][b % 4]!
    }
    const progress = world.jobs.get(claim.job)?.progress ?? 0
    return (store: JobStore.JobStore["Service"]): Settling => ({
      what: `defer ${label(claim.job)}:${claim.stage} ${claim.token} ${JSON.stringify(delay)}`,
      real: Effect.orDie(
        store.defer(holdingOf(claim), {
          delayMillis: delay.ticks * Picture.tickMillis,
          giveBack: delay.giveBack,
          cause: delay.cause,
          event: delay.cause === "" ? "" : JobEvent.openRetrying(claim.stage, progress, delay.cause, 1)
        })
      ),
      model: () => Model.defer(world, claim, delay)
    })
  }

  const burying = (claim: Model.Claim, [by, a]: readonly [number, number]) => {
    const burial: Model.Burial = { cause: ["Broken", "Refused"][a % 2]!, rounds: by % 4 }
    const progress = world.jobs.get(claim.job)?.progress ?? 0
    return (store: JobStore.JobStore["Service"]): Settling => ({
      what: `bury ${label(claim.job)}:${claim.stage} ${claim.token} ${JSON.stringify(burial)}`,
      real: Effect.orDie(
        store.bury(holdingOf(claim), {
          failure: { code: burial.cause, message: "so it is", stage: claim.stage, attempts: 1 },
          event: event("failed", "failed", progress),
          rounds: burial.rounds,
          retrying: JobEvent.openRetrying(claim.stage, progress, burial.cause, 1)
        })
      ),
      model: () => Model.bury(world, claim, burial)
    })
  }

  const settle = Effect.fnUntraced(function* (one: Claim) {
    const { model, real, what } = one.settle!(services().store)
    const before = world.jobs.get(one.claim.job)?.last
    const answer = yield* both(what, real, model)
    if (world.jobs.get(one.claim.job)?.last !== before) unsettled.set(one.claim.job, answer === "kept" ? 1 : 0)
  })

  const submit = Effect.fnUntraced(function* ([who, key, other, how]: Move["pick"]) {
    const owner = who % 5 < 2 ? owners[0]! : who % 5 < 4 ? owners[1]! : ""
    const keyed = key % 2 === 0 && owner !== ""
    const body = keyed ? `body ${other % 5 === 0 ? 1 : 0}` : "body"
    const plan = plans[keyed ? (key >> 2) % 2 : other % 3]!
    const id = keyed
      ? mint({ pipeline: "model", partitions: partitions.length, owner, key: `${seed} ${key % 4} ${(key >> 2) % 2}` })
      : freshId(partition, partitions.length)
    if (!ids.includes(id)) ids.push(id)
    const known = world.jobs.has(id)
    const image = how % 3 === 0 ? `image ${named++}` : how % 11 === 1 ? null : ""
    const upload =
      image === null
        ? randomUUID()
        : image === ""
          ? null
          : yield* Effect.orDie(services().store.upload(id, Buffer.from(image)))
    const answer = yield* both(
      `submit ${label(id)} of ${owner === "" ? "nobody" : owner} "${body}"${image === "" ? "" : ` with ${image ?? "a lost image"}`}`,
      services()
        .store.submit({ id, bodyHash: body, owner, pipeline: "model", plan, input: "{}", upload, trace: "" })
        .pipe(
          Effect.map(({ created }) => (created ? "created" : "exists")),
          Effect.catchTags({
            IdempotencyConflict: ({ _tag }) => Effect.succeed(_tag),
            MailboxFull: ({ _tag }) => Effect.succeed(_tag),
            LaneFull: ({ _tag }) => Effect.succeed(_tag),
            UploadGone: ({ _tag }) => Effect.succeed(_tag)
          }),
          Effect.orDie
        ),
      () => Model.submit(world, { id, owner, body, plan, image })
    )
    if (known && answer === "created") throw new Wrong([`J6 ${id} was created twice`])
  })

  const reap = Effect.fnUntraced(function* (dead: string, heir: string, free: number) {
    let taken: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = []
    yield* both(
      `reap ${dead} by ${heir}, ${free} a mailbox`,
      Effect.map(
        Effect.orDie(
          services().lease.reap(
            partition,
            dead,
            heir,
            mailboxes.map((name) => [name, free] as const)
          )
        ),
        (reply) => {
          taken = reply.taken.map(({ entries, mailbox }) => [mailbox, entries.map(([entry]) => entry)] as const)
          return `${taken.map(([mailbox, entries]) => `${mailbox}:${entries.length}`).join(" ")} left ${reply.left}`
        }
      ),
      () => {
        const reaped = mailboxes.map((name) => ({ name, ...Model.reap(world, name, dead, heir, free) }))
        for (const { name, taken } of reaped) for (const entry of taken) hold(name, entry, heir)
        return `${reaped.map(({ name, taken }) => `${name}:${taken.length}`).join(" ")} left ${reaped.filter(({ left }) => left).length}`
      }
    )
    for (const [mailbox, entries] of taken) {
      const expected = held
        .filter((one) => one.mailbox === mailbox && one.consumer === heir)
        .map(({ entry }) => entry.name)
      for (const entry of entries)
        if (!expected.includes(entry)) throw new Wrong([`A1 ${entry} was reaped, not ${expected}`])
    }
  })
  const hold = (mailbox: string, entry: Model.Entry, by: string) =>
    void held.push({ mailbox, stage: mailbox.slice(6), entry, consumer: by, tokens: [], dropped: false })

  const read = Effect.fnUntraced(function* (by: string, mailbox: string, most: number) {
    yield* both(
      `read ${mailbox} by ${by}, ${most} at most`,
      Effect.map(
        process.send(
          "XREADGROUP",
          ...["GROUP", Mailbox.group, by, "COUNT", most, "STREAMS", partition.mailbox(mailbox), ">"]
        ),
        (reply) =>
          ((reply ?? []) as ReadonlyArray<readonly [string, ReadonlyArray<readonly [string]>]>)
            .flatMap(([, entries]) => entries.map(([entry]) => entry))
            .join(" ")
      ),
      () => {
        const entries = Model.read(world, mailbox, by, most)
        for (const entry of entries) hold(mailbox, entry, by)
        return entries.map(({ name }) => name).join(" ")
      }
    )
  })

  const promote = Effect.suspend(() => {
    const due = seen.timers.filter(([, at]) => Math.floor((at - start) / Picture.tickMillis) <= world.now)
    const members = due.map(([member]) => member)
    const word = (expired: number, served: number) =>
      `${expired === 0 ? "none" : "some"} expired: ${expired} of ${served}`
    return both(
      "promote",
      Effect.map(Effect.orDie(services().timers.promote(partition, mailboxes)), (reply) =>
        word(
          reply.expired.reduce((sum, one) => sum + one.jobs, 0),
          reply.served
        )
      ),
      () => word(Model.promote(world, members), members.length)
    )
  })

  const jobs = () => [...world.jobs.values()]

  const act = Effect.fnUntraced(function* ({ kind, pick }: Move): Effect.fn.Return<unknown> {
    const [a, b, c, d] = pick
    const open = claims.filter((one) => one.settle === null)
    switch (kind) {
      case "submit":
        return yield* submit(pick)
      case "read": {
        const waiting = mailboxes.filter((name) => world.mailboxes.get(name)!.some(({ holder }) => holder === null))
        if (waiting.length === 0 && d % 8 !== 0) return yield* submit(pick)
        return yield* read(consumer(b), waiting[c % Math.max(1, waiting.length)] ?? mailboxes[c % 3]!, 1 + (d % 4))
      }
      case "begin": {
        const candidates = b % 8 === 0 ? held : held.filter((one) => !one.dropped)
        const chosen = [choose(candidates, a, c)]
        if (d % 4 === 3) chosen.push(choose(candidates, a + 1, 0), choose(candidates, a + 2, 0))
        const distinct = [...new Set(chosen)].filter((one) => one !== undefined)
        if (distinct.length === 0) return yield* act({ kind: "read", pick })
        const turns = ["look", "look", "run", 1 + (a % 3)] as const
        return yield* begin(
          distinct.map((one, i) => {
            const token = `${one.consumer}:t${named++}${c % 3 === 0 ? "/alone" : ""}`
            const turn = turns[(c + i) % turns.length]!
            return [one, b % 4 === 0 ? (one.tokens.at(-1) ?? token) : token, turn]
          })
        )
      }
      case "commit":
      case "keep": {
        const one = choose(open, b, c)
        if (one === undefined) return yield* act({ kind: "begin", pick })
        one.settle = committing(one.claim, kind === "keep", d % 4 === 0)
        return yield* settle(one)
      }
      case "together": {
        // commits of one tick share a call
        const chosen = [
          ...new Set([
            choose(open, a, 1),
            choose(open, b, 0),
            choose(
              claims.filter((one) => one.settle !== null),
              c,
              1
            )
          ])
        ].filter((one) => one !== undefined)
        const commits = chosen.filter((one) => one.settle === null)
        for (const one of commits) one.settle = committing(one.claim, d % 2 === 0, false)
        const settlings = commits.map((one) => one.settle!(services().store))
        if (settlings.length === 0) return
        for (const { claim } of commits) unsettled.set(claim.job, 0)
        return yield* both(
          settlings.map(({ what }) => what).join(" with "),
          Effect.map(
            Effect.all(
              settlings.map(({ real }) => real),
              { concurrency: "unbounded" }
            ),
            (all) => all.join(" ")
          ),
          () => settlings.map(({ model }) => model()).join(" ")
        )
      }
      case "again": {
        const one = choose(
          claims.filter((one) => one.settle !== null),
          a,
          b
        )
        return one === undefined ? undefined : yield* settle(one)
      }
      case "defer": {
        const one = choose(open, d, c)
        if (one === undefined) return yield* act({ kind: "begin", pick })
        one.settle = deferring(one.claim, [a, b, c])
        return yield* settle(one)
      }
      case "bury": {
        const one = choose(open, d, c)
        if (one === undefined) return yield* act({ kind: "begin", pick })
        one.settle = burying(one.claim, [a, b])
        return yield* settle(one)
      }
      case "cancel": {
        const job = choose(b % 4 === 0 ? jobs() : jobs().filter(({ state }) => !Model.isOver(state)), a, c)
        const id = job?.id ?? ids[a % Math.max(1, ids.length)]
        if (id === undefined) return
        return yield* both(`cancel ${label(id)}`, Effect.orDie(services().store.cancel(id as Job.JobId)), () =>
          Model.cancel(world, id)
        )
      }
      case "wait":
        world.now += [1, 2, 4, 8, 31][a % 5]!
        operations.push(`clock ${world.now}`)
        return b % 3 === 0 ? undefined : yield* promote
      case "promote":
        return yield* promote
      case "reap": {
        const holders = [
          ...new Set(mailboxes.flatMap((name) => world.mailboxes.get(name)!.map(({ holder }) => holder)))
        ].filter((name) => name !== null)
        const dead = holders[a % Math.max(1, holders.length)]
        if (dead === undefined) return
        const worker = Number(dead[1])
        if (consumer(worker) === dead) incarnations[worker]! += 1
        return yield* reap(dead, consumer(worker + 1 + (b % 2)), c % 5)
      }
      case "redrive": {
        const some = jobs().filter(({ state }) => b % 8 === 0 || state === "failed" || state === "parked")
        const id = choose(some, a, c)?.id ?? (d % 8 === 0 ? ids[a % Math.max(1, ids.length)] : undefined)
        if (id === undefined) return yield* act({ kind: "bury", pick })
        if (world.jobs.get(id)?.state === "failed" || world.jobs.get(id)?.state === "parked") unsettled.set(id, 0)
        return yield* both(`redrive ${label(id)}`, Effect.orDie(services().store.redrive(id as Job.JobId)), () =>
          Model.redrive(world, id)
        )
      }
      case "discard": {
        const letters = [...world.letters].flatMap(([mailbox, all]) => all.map((letter) => ({ mailbox, letter })))
        const one = letters[a % Math.max(1, letters.length)]
        if (one === undefined) return
        operations.push(`discard the letter of ${label(one.letter.job)}`)
        yield* process.send("XDEL", partition.dead(one.mailbox), one.letter.name)
        return Model.discard(world, one.mailbox, one.letter)
      }
      case "expire": {
        const over = jobs().filter(({ state }) => Model.isOver(state))
        const id = over[a % Math.max(1, over.length)]?.id
        if (id === undefined) return
        operations.push(`${label(id)} expires`)
        yield* process.send("DEL", partition.job(id), partition.jobEvents(id), partition.jobImage(id))
        camera.forget(id)
        unsettled.delete(id)
        return Model.expire(world, id)
      }
      case "past": {
        const job = choose(
          jobs().filter(({ state, tries }) => !Model.isOver(state) && tries > 0 && tries < 40),
          a,
          c
        )
        if (job === undefined) return
        const before = job.history.length
        const events = 196 + (d % 4) - before
        operations.push(`${label(job.id)} has ${events} events more behind it`)
        Model.giveLongPast(world, job, events)
        const told = `"ts":${(start + world.now * Picture.tickMillis) / 1000}`
        const retry = `{"code":"Busy","attempt":1,"next_at":${(start + world.now * Picture.tickMillis) / 1000}}`
        const text = `{${told},"stage":"${job.at}","status":"retrying","progress":${job.progress},"result":${retry}}`
        const texts = Array.from({ length: events }, () => text)
        yield* process.send("XADD", partition.events, "*", "e", [`${job.id} ${before + 1}`, ...texts].join("\n"))
        yield* process.send("EVAL", longPast, 1, partition.root, 0, job.id, job.tries, ...texts)
        return
      }
      case "limit":
        world.limits = { ...world.limits, perUser: a % 4 }
        strict = false
        operations.push(`limit ${world.limits.perUser}`)
        return
    }
  })

  let looks = 0
  const settledBefore = new Set<string>()
  const isDone = (id: string) => Model.isOver(world.jobs.get(id)?.state ?? "done")
  const compare = Effect.fnUntraced(function* (everything = false) {
    // jobs that had ended at the last look are looked at in every sixth step
    const all = everything || looks++ % 6 === 5
    const looked = all ? ids : ids.filter((id) => !isDone(id) || !settledBefore.has(id))
    seen = yield* camera.look(looked)
    for (const id of looked) if (isDone(id)) settledBefore.add(id)
    for (const id of looked) if (!isDone(id)) settledBefore.delete(id)
    Picture.bind(world, seen)
    const wrong = [
      ...Picture.violations(seen),
      ...camera.discord.map((what) => `J4 ${what}`),
      ...Picture.differences(Picture.factsOfModel(world, looked), Picture.factsOfRedis(seen, start))
    ]
    const { perUser } = world.limits
    for (const [owner, count] of Object.entries(seen.running)) {
      if (strict && owner !== "" && perUser > 0 && Number(count) > perUser) wrong.push(`limit ${owner} runs ${count}`)
    }
    for (const [owner, lane] of seen.lanes) {
      if (strict && lane.length > 0 && Number(seen.running[owner] ?? 0) < perUser)
        wrong.push(`limit ${owner} waits in vain`)
    }
    if (wrong.length > 0) throw new Wrong(wrong)
  })

  /** Healthy workers and time bring every job to its end, by work and not by the deadline (J1). */
  const settleAll = Effect.gen(function* () {
    operations.push("from here on all goes well")
    for (let round = 0; round < 30 && jobs().some(({ state }) => !Model.isOver(state)); round++) {
      for (const [worker, incarnation] of incarnations.entries()) {
        for (let n = 0; n <= incarnation; n++) {
          const holds = mailboxes.some((name) =>
            world.mailboxes.get(name)!.some(({ holder }) => holder === `w${worker}.${n}`)
          )
          if (holds) yield* reap(`w${worker}.${n}`, "heir", 100)
        }
      }
      for (const mailbox of mailboxes) {
        if (world.mailboxes.get(mailbox)!.some(({ holder }) => holder === null)) yield* read("heir", mailbox, 100)
      }
      for (const one of held.filter((one) => one.consumer === "heir" && !one.dropped)) {
        const token = `heir:t${named++}`
        yield* begin([[one, token, "run"]])
        one.dropped = true
        const begun = claims.find(({ claim }) => claim.token === token)
        if (begun === undefined) continue
        begun.settle = committing(begun.claim, false, false)
        yield* settle(begun)
      }
      yield* compare()
      const next = Math.min(...seen.timers.map(([, at]) => Math.floor((at - start) / Picture.tickMillis)))
      const idle = mailboxes.every((name) => world.mailboxes.get(name)!.length === 0)
      if (idle && Number.isFinite(next)) {
        world.now = Math.max(world.now, next)
        operations.push(`clock ${world.now}`)
      }
      yield* promote
      yield* compare()
    }
    const stuck = jobs().filter(({ state }) => !Model.isOver(state))
    if (stuck.length > 0) throw new Wrong(stuck.map(({ id, state }) => `J1 ${id} (${state}) never ends`))
    if (Object.keys(seen.running).length > 0) throw new Wrong([`J1 running keeps ${JSON.stringify(seen.running)}`])
  })

  const whole = Effect.gen(function* () {
    for (const move of moves) {
      const before = operations.length
      yield* act(move)
      if (operations.length === before) continue
      tally.steps += 1
      yield* compare()
    }
    if (seed % 6 === 0) yield* settleAll
    yield* compare(true)
    const expected = new Set([
      partition.timers,
      partition.events,
      partition.running,
      // the lists of ended jobs; JobList.test.ts plays them
      partition.ended,
      partition.failed,
      ...owners.map((owner) => partition.lane(owner)),
      // what a user's images take; UserImages.test.ts plays it
      ...owners.map((owner) => `${partition.root}:images:${owner}`),
      // the latest jobs of a user; OwnerJobs.test.ts plays it
      ...owners.map((owner) => partition.jobs(owner))
    ])
    for (const name of [...mailboxes, "receipts"]) expected.add(partition.mailbox(name)).add(partition.dead(name))
    for (const id of world.jobs.keys())
      expected.add(partition.job(id)).add(partition.jobEvents(id)).add(partition.jobImage(id))
    const strange = (yield* camera.keys()).filter((key) => !expected.has(key))
    if (strange.length > 0) throw new Wrong(strange.map((key) => `${key} should not be there`))
    return null
  })

  const failure = yield* whole.pipe(
    Effect.catchDefect((defect): Effect.Effect<Failure> => {
      const wrong = defect instanceof Wrong ? defect.found : [String(defect instanceof Error ? defect.stack : defect)]
      return Effect.succeed({ seed, operations: operations.map(short), wrong: wrong.map(short) })
    })
  )
  const keys = yield* camera.keys()
  if (keys.length > 0) yield* process.send("DEL", ...keys)
  return failure
})

const event = (stage: string, status: JobEvent.EventStatus, progress: number) =>
  JobEvent.fragment({ stage, status, progress, result: null })

const wordOf = (begun: JobStore.BeginReply): string => {
  switch (begun._tag) {
    case "Run":
      return `run ${begun.job.attempts}/${begun.job.tries}`
    case "Suspect":
      return `suspect ${begun.record}${begun.fresh ? " fresh" : ""}`
    case "Dropped":
      return `dropped ${begun.reason}`
    case "Unreadable":
      return `unreadable: ${begun.error.message}`
  }
}

/** Removes moves, many at once and then one by one, as long as the case still fails. */
export const shrink = Effect.fnUntraced(function* (
  stage: Stage,
  partition: Keys.Partition,
  failure: Failure,
  moves: ReadonlyArray<Move>
) {
  let small = moves
  let last = failure
  for (let size = Math.ceil(moves.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < small.length;) {
      const fewer = [...small.slice(0, at), ...small.slice(at + size)]
      const again = yield* play(stage, partition, failure.seed, fewer)
      if (again === null) at += size
      else {
        small = fewer
        last = again
      }
    }
  }
  return last
})
