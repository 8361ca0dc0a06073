/** T1, step by step: who looks at a schedule when, and what comes of it. Redis's clock is moved by each process's offset. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Policies, Schedules, Timing } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const minute = 60_000
const hourly = Timing.every("1 hour")
const daily = Timing.cron("30 3 * * *")
const hour = 60 * minute

const work: Schedules.Look["work"] = {
  mailbox: "parcel.weigh",
  stage: "weigh",
  kind: "parcel",
  plan: "weigh:30:image label:60 ship:100",
  payload: `{"weight":2}`,
  deadlineMillis: null
}
/** The next full hour by Redis's clock is the first slot of these tests: what comes before is the past. */
const ground = Effect.gen(function* () {
  const now = yield* Effect.flatMap(Fleet.joined(redis.url), Fleet.timeOf)
  const first = hourly.next(now)
  /** A process for which it is this long after the first slot. */
  const after = (millis: number) => Fleet.joined(redis.url, { clockOffsetMillis: Math.round(first - now) + millis })
  return { first, after }
})

interface Asked {
  readonly process?: string
  readonly timing?: Timing.Timing
  readonly overlap?: "skip" | "allow"
  readonly declaredAt?: number | null
  readonly slot?: number
  readonly work?: Partial<Schedules.Look["work"]>
}
/** A look as a process's loop sends it, with the process's clock right. */
const look = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>, asked: Asked = {}) {
  const timing = asked.timing ?? hourly
  const offset = yield* process.run(Fleet.offset)
  const now = (yield* Fleet.timeOf(process)) + offset
  const slot = asked.slot ?? timing.latest(now)
  const answer = yield* process.run(
    Effect.gen(function* () {
      const schedules = yield* Schedules.Schedules
      const keyspace = yield* Keyspace
      return yield* schedules.look(keyspace.of("nightly"), asked.process ?? "a", [
        {
          name: "nightly",
          timing: timing.text,
          overlap: asked.overlap ?? "skip",
          declaredAt: asked.declaredAt ?? null,
          slot,
          nextSlot: timing.next(now),
          work: { ...work, ...asked.work }
        }
      ])
    }).pipe(Effect.orDie)
  )
  return { ...answer.outcomes[0]!, now: answer.now }
})
const outcome = (process: Fleet.Process<Fleet.Services>, asked: Asked = {}) =>
  Effect.map(look(process, asked), (answer) => answer.outcome)
const schedules = <A, E>(call: (service: Schedules.Schedules["Service"]) => Effect.Effect<A, E>) =>
  Schedules.Schedules.use(call)
const stateOf = (process: Fleet.Process<Fleet.Services>) =>
  Effect.map(process.run(Effect.orDie(schedules(({ list }) => list))), ([state]) => state!)
const jobsOf = (process: Fleet.Process<Fleet.Services>) =>
  Effect.map(Fleet.keysOf(process), (keys) => keys.filter((key) => /:job:[0-9a-f-]{36}$/.test(key)))
/** Declared before the first slot. */
const declared = (asked: Asked = {}) =>
  Effect.gen(function* () {
    const given = yield* ground
    const before = yield* given.after(-minute)
    expect(yield* outcome(before, asked)).toBe("idle")
    return { ...given, before }
  })

describe("a slot", () => {
  it.live("T1 a slot that ten processes ask for many times fires once, with one job", () =>
    Effect.gen(function* () {
      const { after, first } = yield* declared()
      const late = yield* after(1)
      const answers = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, i) => `process-${i}`),
        (process) => look(late, { process }),
        { concurrency: 10 }
      )
      expect(answers.map((answer) => answer.outcome).toSorted()).toEqual([
        "fired",
        ...Array.from({ length: 9 }, () => "idle")
      ])
      expect(yield* jobsOf(late)).toHaveLength(1)
      const { jobId } = answers.find((answer) => answer.outcome === "fired")!
      expect(yield* late.run(Fleet.jobOf(jobId as Fleet.JobId))).toMatchObject({
        pipeline: "parcel",
        owner: "",
        state: "waiting",
        at: "weigh",
        input: { weight: 2 }
      })
      expect(yield* stateOf(late)).toEqual({
        name: "nightly",
        timing: "every 1h",
        overlap: "skip",
        work: "parcel",
        paused: false,
        declared: true,
        next: first + hour,
        lastSlot: first,
        lastOutcome: "fired",
        lastRun: expect.any(Number),
        lastJob: jobId,
        fires: 1,
        skips: 0
      })
    })
  )

  it.live("T1 a repeated call for a slot whose answer was lost gets the first answer and fires no second job", () =>
    Effect.gen(function* () {
      const { after } = yield* declared({ overlap: "allow" })
      const late = yield* after(1)
      const first = yield* look(late, { overlap: "allow" })
      const again = yield* look(late, { overlap: "allow" })
      expect([again.outcome, again.jobId]).toEqual(["fired", first.jobId])
      expect(yield* outcome(late, { overlap: "allow", process: "b" })).toBe("idle")
      expect([(yield* stateOf(late)).fires, (yield* jobsOf(late)).length]).toEqual([1, 1])
    })
  )

  it.live("T1 a slot asked for before its time by Redis's clock does not fire, and fires when its time has come", () =>
    Effect.gen(function* () {
      const { after, before, first } = yield* declared()
      expect(yield* outcome(before, { slot: first })).toBe("early")
      expect(yield* jobsOf(before)).toEqual([])
      expect(yield* outcome(yield* after(1))).toBe("fired")
    })
  )

  it.live("T1 of several missed slots only the latest fires, once", () =>
    Effect.gen(function* () {
      const { after, first } = yield* declared()
      const late = yield* after(5 * hour + minute)
      expect(yield* outcome(late, { process: "b" })).toBe("fired")
      expect(yield* outcome(late, { process: "b", slot: first + 4 * hour })).toBe("idle")
      expect(yield* outcome(late, { process: "a" })).toBe("idle")
      expect(yield* stateOf(late)).toMatchObject({ lastSlot: first + 5 * hour, fires: 1 })
      expect(yield* jobsOf(late)).toHaveLength(1)
    })
  )

  it.live("a slot before the schedule was first declared never fires", () =>
    Effect.gen(function* () {
      const { after } = yield* ground
      const late = yield* after(minute)
      expect(yield* outcome(late)).toBe("idle")
      expect(yield* outcome(late)).toBe("idle")
      expect(yield* jobsOf(late)).toEqual([])
    })
  )

  it.live("a slot that finds the mailbox full is not claimed, and fires once there is room", () =>
    Effect.gen(function* () {
      const { after, before } = yield* declared()
      const [partition] = yield* before.run(Effect.map(Keyspace, (keyspace) => [keyspace.of("nightly")]))
      const late = yield* after(1)
      const tight = yield* Fleet.joined(redis.url, {
        mailboxCapacity: 1,
        clockOffsetMillis: yield* late.run(Fleet.offset)
      })
      yield* late.send("XADD", partition!.mailbox("parcel.weigh"), "1-1", "job", "x")
      expect(yield* outcome(tight)).toBe("full")
      expect(yield* stateOf(late)).toMatchObject({ lastSlot: null, fires: 0 })
      const message = { work: { stage: "", kind: "Weigh", plan: "" } }
      expect(yield* outcome(tight, message)).toBe("full")
      yield* late.send("XDEL", partition!.mailbox("parcel.weigh"), "1-1")
      expect(yield* outcome(tight)).toBe("fired")
    })
  )

  it.live("a schedule checks the mailbox against the capacity that an operator has set", () =>
    Effect.gen(function* () {
      const { after, before } = yield* declared()
      const partition = yield* before.run(Effect.map(Keyspace, (keyspace) => keyspace.of("nightly")))
      yield* before.send("XADD", partition.mailbox("parcel.weigh"), "1-1", "job", "x")
      const late = yield* after(1)
      const set = (capacity: number) =>
        late.run(Policies.Policies.use((all) => Effect.orDie(all.change("parcel.weigh", { capacity }))))
      yield* set(1)
      yield* Fleet.until(
        late.run(Effect.map(Policies.Policies, (all) => all.of("parcel.weigh").capacity)),
        (capacity) => capacity === 1
      )
      expect(yield* outcome(late)).toBe("full")
      yield* set(100)
      yield* Fleet.until(outcome(late), (seen) => seen === "fired")
    })
  )

  it.live("T1 a slot is not fired again by a process that goes on after Redis lost its data", () =>
    Effect.gen(function* () {
      const { after, before } = yield* declared()
      const { now } = yield* look(before)
      const late = yield* after(1)
      expect(yield* outcome(late, { declaredAt: now })).toBe("fired")
      yield* redis.flush
      expect(yield* outcome(late, { declaredAt: now })).toBe("idle")
      expect(yield* outcome(yield* after(hour), { declaredAt: now })).toBe("fired")
    })
  )
})

describe("a run that is still open", () => {
  it.live("a slot whose last run is still open is skipped and counted, and the slot after the run's end fires", () =>
    Effect.gen(function* () {
      const { after, first } = yield* declared()
      const { jobId } = yield* look(yield* after(1))
      const next = yield* after(hour)
      expect(yield* look(next)).toMatchObject({ outcome: "skipped", jobId })
      expect(yield* outcome(next)).toBe("skipped")
      expect(yield* outcome(next, { process: "b" })).toBe("idle")
      expect(yield* stateOf(next)).toMatchObject({ fires: 1, skips: 1, lastSlot: first + hour, lastOutcome: "skipped" })
      yield* next.run(Fleet.cancel(jobId as Fleet.JobId))
      // the slot that passed stays passed
      expect(yield* outcome(yield* after(hour + minute), { process: "b" })).toBe("idle")
      expect(yield* outcome(yield* after(2 * hour))).toBe("fired")
    })
  )

  it.live("a slot whose last run is still open fires where overlap is allowed", () =>
    Effect.gen(function* () {
      const { after } = yield* declared({ overlap: "allow" })
      expect(yield* outcome(yield* after(1), { overlap: "allow" })).toBe("fired")
      const next = yield* after(hour)
      expect(yield* outcome(next, { overlap: "allow" })).toBe("fired")
      expect(yield* jobsOf(next)).toHaveLength(2)
    })
  )

  it.live("a schedule's own deadline is the deadline of its jobs", () =>
    Effect.gen(function* () {
      const { after } = yield* declared()
      const { jobId, now } = yield* look(yield* after(1), { work: { deadlineMillis: 10 * minute } })
      const late = yield* after(1)
      const { created, deadline } = yield* late.run(Fleet.jobOf(jobId as Fleet.JobId))
      expect([deadline - created, created]).toEqual([10 * minute, now])
    })
  )
})

describe("an operator's call", () => {
  it.live("a paused schedule fires no slot, and none of those missed when it is resumed", () =>
    Effect.gen(function* () {
      const { after, before } = yield* declared()
      yield* before.run(schedules((all) => all.pause("nightly")))
      yield* before.run(schedules((all) => all.pause("nightly")))
      const late = yield* after(minute)
      expect(yield* outcome(late)).toBe("paused")
      expect(yield* stateOf(late)).toMatchObject({ paused: true, next: null, fires: 0 })
      yield* late.run(schedules((all) => all.resume("nightly")))
      expect(yield* outcome(late)).toBe("idle")
      // again: nothing is moved
      const later = yield* after(hour + minute)
      yield* later.run(schedules((all) => all.resume("nightly")))
      expect(yield* outcome(later)).toBe("fired")
      expect(yield* stateOf(later)).toMatchObject({ paused: false, fires: 1 })
    })
  )

  it.live("a schedule run by hand runs its latest slot's input, also while paused, but not beside an open run", () =>
    Effect.gen(function* () {
      const { after, before } = yield* declared({ work: { payload: `{"weight":7}` } })
      yield* before.run(schedules((all) => all.pause("nightly")))
      const id = yield* before.run(schedules((all) => all.runNow("nightly")))
      expect(yield* before.run(Fleet.jobOf(id as Fleet.JobId))).toMatchObject({
        state: "waiting",
        input: { weight: 7 }
      })
      expect(yield* Effect.flip(before.run(schedules((all) => all.runNow("nightly"))))).toMatchObject({
        _tag: "ScheduleRunning",
        message: `the last run of nightly, job ${id}, is still open`
      })
      // nor does a slot
      yield* before.run(schedules((all) => all.resume("nightly")))
      expect(yield* outcome(yield* after(1))).toBe("skipped")
      yield* before.run(Fleet.cancel(id as Fleet.JobId))
      const again = yield* before.run(schedules((all) => all.runNow("nightly")))
      expect(again).not.toBe(id)
      expect(yield* stateOf(before)).toMatchObject({ lastJob: again, fires: 0 })
    })
  )

  it.live("a schedule run by hand runs beside an open run where overlap is allowed", () =>
    Effect.gen(function* () {
      const { before } = yield* declared({ overlap: "allow" })
      const run = before.run(schedules((all) => all.runNow("nightly")))
      expect(yield* run).not.toBe(yield* run)
    })
  )

  /** A client that sends each script twice and takes the second answer, as after a lost reply; `between`: another's call. */
  const lossy = (between: (args: ReadonlyArray<RedisClient.Argument>) => ReadonlyArray<RedisClient.Argument> | null) =>
    Layer.effect(
      RedisClient.RedisClient,
      RedisClient.RedisClient.use((client) =>
        Effect.succeed(
          RedisClient.RedisClient.of({
            ...client,
            run: (script, keys, args) => {
              const once = client.run(script, keys, args)
              const other = between(args)
              const others = other === null ? Effect.void : client.run(script, keys, other)
              return Effect.andThen(Effect.andThen(once, others), once)
            }
          })
        )
      )
    )
  const runLossily = (between: Parameters<typeof lossy>[0]) =>
    Effect.provide(
      schedules((all) => all.runNow("nightly")),
      Layer.provide(Layer.fresh(Schedules.layer), lossy(between))
    )
  const runTwice = runLossily(() => null)

  it.live("a run by hand that is sent twice runs once, and answers as the first time", () =>
    Effect.gen(function* () {
      const { before } = yield* declared()
      const id = yield* before.run(runTwice)
      expect(yield* jobsOf(before)).toEqual([expect.stringContaining(id!)])
    })
  )

  it.live("a run by hand that is sent again after another's run still runs once", () =>
    Effect.gen(function* () {
      const { before } = yield* declared({ overlap: "allow" })
      const another = "00000000-0000-5000-8000-000000000000"
      yield* before.run(runLossily((args) => args.with(3, another)))
      expect(yield* jobsOf(before)).toHaveLength(2)
      expect(yield* before.run(Fleet.depthOf("parcel.weigh"))).toBe(2)
    })
  )

  it.live("a run by hand that is sent twice tells its actor once", () =>
    Effect.gen(function* () {
      const { before } = yield* declared({
        work: { mailbox: "bell", stage: "", kind: "Ring", plan: "", payload: "{}" }
      })
      expect(yield* before.run(runTwice)).toBe(null)
      expect(yield* before.run(Fleet.depthOf("bell"))).toBe(1)
    })
  )

  it.live("a run by hand answers full for a full mailbox, and fails for an unknown schedule", () =>
    Effect.gen(function* () {
      const { before } = yield* declared()
      const partition = yield* before.run(Effect.map(Keyspace, (keyspace) => keyspace.of("nightly")))
      yield* before.send("XADD", partition.mailbox("parcel.weigh"), "1-1", "job", "x")
      const tight = yield* Fleet.joined(redis.url, {
        mailboxCapacity: 1,
        clockOffsetMillis: yield* before.run(Fleet.offset)
      })
      expect(yield* outcome(tight)).toBe("idle")
      expect(yield* Effect.flip(tight.run(schedules((all) => all.runNow("nightly"))))).toMatchObject({
        _tag: "ScheduleRefused"
      })
      for (const call of ["pause", "resume", "runNow"] as const) {
        const given = before.run(schedules((all) => Effect.asVoid<unknown, unknown, never>(all[call]("weekly"))))
        expect(yield* Effect.flip(given)).toMatchObject({
          _tag: "ScheduleUnknown",
          message: "there is no schedule weekly"
        })
      }
      expect((yield* Fleet.keysOf(before)).filter((key) => key.includes("weekly"))).toEqual([])
    })
  )
})

describe("a schedule whose expression changed", () => {
  it.live("a changed expression fires no slot from before it came into force", () =>
    Effect.gen(function* () {
      const { after } = yield* declared()
      const late = yield* after(minute)
      expect(yield* outcome(late, { timing: daily, process: "new" })).toBe("idle")
      expect(yield* stateOf(late)).toMatchObject({ timing: "cron 30 3 * * * UTC", fires: 0 })
      const tomorrow = yield* after(25 * hour)
      expect(yield* outcome(tomorrow, { timing: daily, process: "new", declaredAt: 1 })).toBe("fired")
    })
  )

  it.live("a changed expression holds back processes with the old one for 150 s after it was last declared", () =>
    Effect.gen(function* () {
      const { after, before, first } = yield* declared()
      const { now } = yield* look(before)
      expect(yield* outcome(before, { timing: daily, process: "new" })).toBe("idle")
      expect(yield* outcome(yield* after(0), { declaredAt: now })).toBe("other")
      expect(yield* outcome(yield* after(minute), { declaredAt: now })).toBe("other")
      // two and a half minutes after the last look of the new one: what it missed since then, and only that, is due
      expect(yield* outcome(yield* after(91_000), { declaredAt: now })).toBe("fired")
      expect(yield* stateOf(before)).toMatchObject({ timing: "every 1h", lastSlot: first })
    })
  )
})

describe("a schedule that no process declares", () => {
  it.live("a schedule that no process declares never fires, is shown so, and is forgotten after ninety days", () =>
    Effect.gen(function* () {
      const { after, before, first } = yield* declared()
      expect(yield* stateOf(before)).toMatchObject({ declared: true, next: first })
      const later = yield* after(2 * hour)
      yield* later.run(Fleet.promote)
      expect(yield* stateOf(later)).toMatchObject({ declared: false, next: null })
      const partition = yield* before.run(Effect.map(Keyspace, (keyspace) => keyspace.of("nightly")))
      const keys = Effect.map(Fleet.keysOf(before), (all) => all.filter((key) => key.includes(":cron")))
      const sweep = Effect.fnUntraced(function* (days: number) {
        const process = yield* after(days * 24 * hour)
        yield* process.run(schedules((all) => all.look(partition, "a", [])))
      })
      yield* sweep(89)
      expect(yield* keys).toEqual([partition.cron("nightly"), partition.crons])
      yield* sweep(90)
      expect(yield* keys).toEqual([])
    })
  )
})
