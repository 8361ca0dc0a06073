/**
 * Schedules as processes declare them: workers that fire slots, run their jobs, and stop. Slots are hours and minutes, which
 * pass when the test says so (JumpingClock); what fired is Redis's to say: the hash's `fires`, and what was handed in.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Metric, Schema, Scope } from "effect"
import {
  Actor,
  ActorSystem,
  Behavior,
  Elapsed,
  Pipeline,
  Schedule,
  Schedules,
  Stage,
  StageBehavior,
  Timing
} from "@eco2/core"
import { Keys, Keyspace, RedisError } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import * as ScheduleLoop from "../../../packages/core/src/schedule/ScheduleLoop.ts"
import * as Fleet from "../CoreFixture.ts"
import * as JumpingClock from "../JumpingClock.ts"
import * as SteppedClock from "../SteppedClock.ts"

const redis = Fleet.privateRedis()
const minute = 60_000
const hour = 60 * minute
const hourly = { interval: "1 hour" } as const

type Time = Effect.Success<typeof JumpingClock.make>
/** Goes to half an hour past the next slot: none passes by itself however long the test takes. */
const nextSlot = (clock: Time) =>
  Effect.sync(() => clock.forward(1.5 * hour - (clock.clock.currentTimeMillisUnsafe() % hour)))
const halfPast = Effect.tap(JumpingClock.make, nextSlot)
/** A slot passes, and what is wanted is seen. */
const pass = Effect.fnUntraced(function* <A>(clock: Time, look: Effect.Effect<A>, wanted: (seen: A) => boolean) {
  yield* nextSlot(clock)
  // whose answer was under way when the clock jumped takes it for a new one, and looks again within a minute
  const minutes = Effect.andThen(
    Effect.sleep("500 millis"),
    Effect.sync(() => clock.forward(minute))
  )
  return yield* Effect.raceFirst(Fleet.until(look, wanted), Effect.forever(minutes))
})
/** What a process is given that lives in this time; no jump ends a job. */
const living = (clock: Time): Fleet.Values => ({
  clockOffset: clock.redisAhead,
  lease: Duration.seconds(15),
  jobDeadline: Duration.days(30)
})
/** The schedules of a process by this clock; the process's timer, which goes by the machine's, is woken by a jump. */
const loopBy = (clock: Time) =>
  Layer.fresh(ScheduleLoop.ScheduleLoop.layer).pipe(
    Layer.provide(Layer.succeed(Clock.Clock, clock.clock)),
    Layer.provide(
      Layer.effect(
        ActorSystem,
        ActorSystem.useSync((system) => ({
          ...system,
          addTask: (task) =>
            Effect.tap(
              system.addTask({ ...task, dueAt: (partition) => task.dueAt(partition) - clock.redisAhead() }),
              (wake) => Effect.sync(() => clock.onForward(wake))
            )
        }))
      )
    )
  )
const working = <E>(clock: Time, behaviors: Parameters<typeof Fleet.working<E>>[1]) =>
  Fleet.working(redis.url, behaviors.pipe(Layer.provide(loopBy(clock))), living(clock))
const watching = (clock: Time) => Fleet.joined(redis.url, living(clock))

const Tick = Schema.Struct({ slot: Schema.String })
const TickPipeline = Pipeline.make("tick", { input: Tick }).add(
  Stage.make("count", { needs: { input: Tick }, output: Schema.Struct({}), progress: 100 })
)
const ticking = (run: (slot: string) => void, name = "ticker") =>
  Layer.merge(
    StageBehavior.layer(
      TickPipeline,
      "count",
      Effect.succeed(({ input }) =>
        Effect.sync(() => {
          run(input.slot)
          return {}
        })
      )
    ),
    Schedule.every(name, hourly, { pipeline: TickPipeline, input: (slot) => ({ slot: slot.toISOString() }) })
  )
const stateOf = (process: Fleet.Process<Fleet.Services>, name: string) =>
  Effect.map(process.run(Effect.orDie(Schedules.Schedules.use(({ list }) => list))), (all) =>
    all.find((state) => state.name === name)
  )
/** Slots of a schedule that fired and whose runs are over: the next one is not skipped for them. */
const overOf = (process: Fleet.Process<Fleet.Services>, name = "ticker") =>
  Effect.gen(function* () {
    const { fires = 0, lastJob = null } = (yield* stateOf(process, name)) ?? {}
    if (lastJob === null) return fires
    const { state } = yield* process.run(Fleet.jobOf(lastJob as Fleet.JobId))
    return state === "done" ? fires : fires - 1
  }).pipe(Effect.orDie)
/** Its process has looked at it once. */
const declared = (process: Fleet.Process<Fleet.Services>, name = "ticker") =>
  Fleet.until(stateOf(process, name), (state) => state !== undefined)
const hours = (slots: ReadonlyArray<string>) => slots.map((slot) => Date.parse(slot) / hour)

describe("a schedule", () => {
  it.live("T1 a schedule declared by three workers runs its pipeline once a slot, each slot in turn", () =>
    Effect.gen(function* () {
      const clock = yield* halfPast
      const ran: Array<string> = []
      yield* Effect.forEach([1, 2, 3], () =>
        working(
          clock,
          ticking((slot) => void ran.push(slot))
        )
      )
      const watcher = yield* watching(clock)
      yield* declared(watcher)
      for (const slot of [1, 2, 3, 4]) yield* pass(clock, overOf(watcher), (over) => over >= slot)
      const [first = 0, ...others] = hours(ran)
      expect(others).toEqual([first + 1, first + 2, first + 3])
      expect(yield* stateOf(watcher, "ticker")).toMatchObject({
        fires: 4,
        skips: 0,
        work: "tick",
        lastJob: expect.any(String)
      })
    })
  )

  it.live("T1 a schedule goes on when one of its workers stops, and ends with the last one", () =>
    Effect.gen(function* () {
      const clock = yield* halfPast
      const ran: Array<string> = []
      const watcher = yield* watching(clock)
      const one = yield* working(
        clock,
        ticking(() => undefined)
      )
      const other = yield* working(
        clock,
        ticking((slot) => void ran.push(slot))
      )
      yield* declared(watcher)
      yield* one.stop
      for (const slot of [1, 2]) yield* pass(clock, overOf(watcher), (over) => over >= slot)
      expect(ran.length).toBe(2)
      yield* other.stop
      yield* working(
        clock,
        ticking(() => undefined, "another")
      )
      yield* declared(watcher, "another")
      const { fires, lastSlot } = (yield* stateOf(watcher, "ticker"))!
      yield* pass(clock, overOf(watcher, "another"), (over) => over >= 1)
      expect(yield* stateOf(watcher, "ticker")).toMatchObject({ fires, lastSlot })
    })
  )

  it.live("T1 a slot looked at twice, on the way to another schedule, is counted once", () =>
    Effect.gen(function* () {
      const clock = yield* halfPast
      const partition = Keys.partitionOf("ticker", 4)
      const beside = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `beside-${n}`)
      const name = beside.find((one) => Keys.partitionOf(one, 4) === partition)!
      const run = { pipeline: TickPipeline, input: () => ({ slot: "" }) }
      const worker = yield* working(
        clock,
        Layer.merge(
          ticking(() => undefined),
          Schedule.every(name, { interval: "2 hours", overlap: "allow" }, run)
        )
      )
      const watcher = yield* watching(clock)
      yield* declared(watcher, name)
      for (const slot of [1, 2, 3, 4]) yield* pass(clock, overOf(watcher), (over) => over >= slot)
      yield* worker.stop
      const counted = yield* Metric.value(
        Metric.withAttributes(Metrics.scheduleFires, { schedule: name, outcome: "fired" })
      )
      expect([Number(counted.count), (yield* stateOf(watcher, name))!.fires]).toEqual([2, 2])
    })
  )

  it.live("a schedule that tells an actor sends one message a slot", () =>
    Effect.gen(function* () {
      const clock = yield* halfPast
      const told: Array<string> = []
      const Clockwork = Actor.make("clockwork", { Chime: Actor.tell({ payload: Tick }) })
      const handlers: Behavior.Handlers<(typeof Clockwork)["protocol"], never, never> = {
        Chime: ({ slot }) => Effect.sync(() => void told.push(slot))
      }
      const chime = {
        actor: Clockwork,
        type: "Chime",
        payload: (slot: Date) => ({ slot: slot.toISOString() })
      } as const
      const worker = yield* working(
        clock,
        Layer.mergeAll(
          Behavior.layer(Clockwork, Effect.succeed(handlers)),
          Schedule.everyTell("chime", hourly, chime),
          Schedule.cronTell("chime-too", { expression: "0 * * * *" }, chime)
        )
      )
      const watcher = yield* watching(clock)
      yield* declared(watcher, "chime")
      yield* declared(watcher, "chime-too")
      for (const slot of [1, 2]) {
        yield* pass(
          clock,
          Effect.sync(() => told.length),
          (messages) => messages >= 2 * slot
        )
      }
      const [first = 0] = hours(told)
      expect(hours(told)).toEqual([first, first, first + 1, first + 1])
      expect(yield* stateOf(watcher, "chime")).toMatchObject({
        work: "clockwork.Chime",
        lastJob: null,
        fires: 2,
        skips: 0
      })
      expect(yield* worker.run(Effect.orDie(Schedules.Schedules.use((all) => all.runNow("chime"))))).toBe(null)
    })
  )

  it.live("a schedule whose input cannot be made is counted as failed, claims no slot, and delays no other", () =>
    Effect.gen(function* () {
      const clock = yield* halfPast
      const throwing = () => {
        throw new Error("no input today")
      }
      const broken = Layer.merge(
        Schedule.every("broken-0", hourly, { pipeline: TickPipeline, input: throwing }),
        Schedule.every("broken-1", hourly, {
          pipeline: TickPipeline,
          input: () => ({ slot: "x".repeat(300_000) })
        })
      )
      const worker = yield* working(
        clock,
        Layer.merge(
          ticking(() => undefined),
          broken
        )
      )
      yield* declared(worker)
      for (const slot of [1, 2]) yield* pass(clock, overOf(worker), (over) => over >= slot)
      expect(yield* stateOf(worker, "broken-0")).toBe(undefined)
      const failed = yield* Effect.forEach(["broken-0", "broken-1"], (schedule) =>
        Metric.value(Metric.withAttributes(Metrics.scheduleFires, { schedule, outcome: "failed" }))
      )
      for (const { count } of failed) expect(Number(count)).toBeGreaterThan(0)
    })
  )
})

/** Where the schedules of these loops leave their messages: nobody takes them. */
const nobody = "nobody"
const away = new RedisError.RedisUnavailable({ command: "fire", cause: "away" })

/**
 * The loop of a process whose clock is off by `skewMillis`, with the real Schedules, stepped as TimerLoop would.
 * - `looks`: the slots it asked for, in order
 * - `calls`: how often it asked Redis, for whatever
 * - `onAnswer`: what happens between an answer and its arrival
 * - `isAway`: whether Redis does not answer
 */
const loopWithClock = Effect.fnUntraced(function* (
  clock: Time,
  process: Fleet.Process<Fleet.Services>,
  skewMillis: number,
  options: {
    readonly interval?: Duration.Input
    readonly names?: ReadonlyArray<string>
    readonly onAnswer?: (name: string) => void
    readonly intervalOf?: (name: string) => Duration.Input
    readonly isAway?: () => boolean
    readonly workOf?: (name: string) => Effect.Effect<void>
  } = {}
) {
  const { interval = "1 minute", isAway = () => false, names = ["skewed"], onAnswer = () => undefined } = options
  const real = clock.clock
  const skewed: Clock.Clock = Object.assign(Object.create(real), {
    currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + skewMillis,
    currentTimeMillis: Effect.map(real.currentTimeMillis, (millis) => millis + skewMillis)
  })
  const scope = yield* Effect.scope
  const looks: Array<number> = []
  let calls = 0
  const counted = Effect.sync(() => {
    calls++
  })
  const { elapsed, loop, of } = yield* process.run(
    Effect.gen(function* () {
      const service = yield* Schedules.Schedules
      const watched = Schedules.Schedules.of({
        ...service,
        keep: (...args) => Effect.andThen(counted, service.keep(...args)),
        look: (partition, process, asked) =>
          Effect.tap(isAway() ? Effect.fail(away) : service.look(partition, process, asked), ({ now, outcomes }) =>
            Effect.sync(() => {
              calls++
              for (const [i, { outcome }] of outcomes.entries()) {
                expect(asked[i]!.slot <= now || outcome === "early").toBe(true)
                looks.push(asked[i]!.slot)
                onAnswer(asked[i]!.name)
              }
            })
          )
      })
      const loop = yield* Effect.provideService(
        ScheduleLoop.make(() => undefined),
        Schedules.Schedules,
        watched
      )
      for (const name of names) {
        yield* Scope.provide(
          loop.declare({
            name,
            timing: Timing.every(options.intervalOf?.(name) ?? interval),
            overlap: "allow",
            work: (slot) =>
              Effect.as(options.workOf?.(name) ?? Effect.void, {
                mailbox: nobody,
                stage: "",
                kind: "Tick",
                plan: "",
                payload: `${slot.getTime()}`,
                deadlineMillis: null
              })
          }),
          scope
        )
      }
      const { of } = yield* Keyspace
      return { loop, of, elapsed: yield* Elapsed.clock }
    }).pipe(Effect.provideService(Clock.Clock, skewed))
  )
  const partitions = new Set(names.map(of))
  const left = () => Math.min(...[...partitions].map((partition) => loop.dueAt(partition) - elapsed()))
  return {
    looks,
    calls: () => calls,
    /** Milliseconds until it is due. */
    left,
    /** Looks at what is due. */
    look: Effect.suspend(() =>
      Effect.forEach(
        [...partitions].filter((partition) => loop.dueAt(partition) <= elapsed()),
        (partition) => process.run(loop.run(partition))
      )
    )
  }
})
type Stepped = Effect.Success<ReturnType<typeof loopWithClock>>

/** Time passes until the first of these is due; those due look. How long it was. */
const step = (clock: Time, ...loops: ReadonlyArray<Stepped>) =>
  Effect.gen(function* () {
    const wait = Math.max(0, Math.ceil(Math.min(...loops.map(({ left }) => left()))))
    clock.forward(wait)
    yield* Effect.forEach(loops, ({ look }) => look, { concurrency: "unbounded" })
    return wait
  })

/** What fired, by Redis: each message's slot, and when it was handed in. */
const handedIn = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>, name = "skewed") {
  const { of } = yield* process.run(Keyspace)
  const reply = yield* process.send("XRANGE", of(name).mailbox(nobody), "-", "+")
  const entries = yield* Effect.orDie(Schema.decodeUnknownEffect(Entries)(reply))
  return entries.map(([, fields]) => ({
    slot: Number(fields[fields.indexOf("body") + 1]),
    at: Number(fields[fields.indexOf("ts") + 1])
  }))
})
const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))

describe("a schedule and a wrong clock", () => {
  it.live("T1 a process whose clock is set back while it runs goes on firing each slot once", () =>
    Effect.gen(function* () {
      const machine = yield* SteppedClock.make
      const clock = yield* machine.on(halfPast)
      const ran: Array<string> = []
      const worker = yield* working(
        clock,
        ticking((slot) => ran.push(slot))
      )
      yield* declared(worker)
      yield* pass(clock, overOf(worker), (over) => over >= 1)
      machine.back(5 * hour)
      for (const slot of [2, 3]) yield* pass(clock, overOf(worker), (over) => over >= slot)
      const [first = 0] = hours(ran)
      expect(hours(ran)).toEqual([first, first + 1, first + 2])
    })
  )

  for (const skewMillis of [-hour, 40_000, hour]) {
    it.live(`T1 a process whose clock is off by ${skewMillis} ms fires neither early nor late nor twice`, () =>
      Effect.gen(function* () {
        const clock = yield* JumpingClock.make
        const process = yield* Fleet.joined(redis.url, living(clock))
        const wrong = yield* loopWithClock(clock, process, skewMillis)
        const right = yield* loopWithClock(clock, process, 0)
        for (let i = 0; i < 20 && (yield* handedIn(process)).length < 4; i++) yield* step(clock, wrong, right)
        const fired = yield* handedIn(process)
        expect(fired.map(({ slot }) => slot)).toEqual([0, 1, 2, 3].map((n) => fired[0]!.slot + n * minute))
        for (const { at, slot } of fired) expect([at >= slot, at < slot + minute / 2]).toEqual([true, true])
        expect((yield* stateOf(process, "skewed"))!.fires).toBe(4)
      })
    )

    it.live(`T1 a process whose clock is off by ${skewMillis} ms looks once a slot after its first answers`, () =>
      Effect.gen(function* () {
        const clock = yield* JumpingClock.make
        const wrong = yield* loopWithClock(clock, yield* Fleet.joined(redis.url, living(clock)), skewMillis)
        for (let i = 0; i < 3; i++) yield* step(clock, wrong)
        const [last = 0] = wrong.looks.splice(0).slice(-1)
        for (let i = 0; i < 30; i++) yield* step(clock, wrong)
        expect(wrong.looks).toEqual(Array.from({ length: 30 }, (_, i) => last + (i + 1) * minute))
      })
    )
  }

  it.live("T1 a process that came too early for a slot waits for it", () =>
    Effect.gen(function* () {
      const clock = yield* JumpingClock.make
      clock.forward(1.5 * minute - (clock.clock.currentTimeMillisUnsafe() % minute))
      const ahead = yield* loopWithClock(clock, yield* Fleet.joined(redis.url, living(clock)), 40_000)
      for (let i = 0; i < 3; i++) yield* step(clock, ahead)
      const [first = 0] = ahead.looks
      expect(ahead.looks).toEqual([first, first, first + minute])
    })
  )

  for (const skewMillis of [-24 * hour, 24 * hour]) {
    it.live(`T1 a process whose clock is off by ${skewMillis} ms fires a missed slot at once, not with the next`, () =>
      Effect.gen(function* () {
        const clock = yield* JumpingClock.make
        const earlier = yield* Fleet.joined(redis.url, { clockOffsetMillis: -2 * hour })
        yield* step(clock, yield* loopWithClock(clock, earlier, 0, { interval: "1 hour" }))
        const process = yield* Fleet.joined(redis.url, living(clock))
        const wrong = yield* loopWithClock(clock, process, skewMillis, { interval: "1 hour" })
        expect(yield* step(clock, wrong)).toBe(0)
        expect(yield* step(clock, wrong)).toBeLessThanOrEqual(1)
        expect((yield* handedIn(process)).length).toBe(1)
      })
    )
  }
})

describe("a process with schedules in several partitions", () => {
  it.live("T1 a process looks once a slot at a schedule, though the answers of another partition are slow", () =>
    Effect.gen(function* () {
      const clock = yield* JumpingClock.make
      const names = ["quick", "slow"]
      expect(new Set(names.map((name) => Keys.partitionOf(name, 4))).size).toBe(2)
      const process = yield* Fleet.joined(redis.url, living(clock))
      const loop = yield* loopWithClock(clock, process, 0, {
        names,
        onAnswer: (name) => {
          if (name === "slow") clock.forward(5_000)
        }
      })
      yield* step(clock, loop)
      loop.looks.length = 0
      for (let i = 0; i < 8; i++) yield* step(clock, loop)
      const times = Object.values(Object.groupBy(loop.looks, (slot) => slot)).map((looks) => looks!.length)
      expect(times).toEqual(times.map(() => 2))
    })
  )
})

describe("a process with many schedules", () => {
  it.live("T1 a slot that is due makes no look at the other schedules; they are kept in one call a minute", () =>
    Effect.gen(function* () {
      const clock = yield* JumpingClock.make
      clock.forward(1.5 * minute - (clock.clock.currentTimeMillisUnsafe() % minute))
      const process = yield* Fleet.joined(redis.url, living(clock))
      const names = Array.from({ length: 300 }, (_, n) => `rare-${n}`).filter((name) => Keys.partitionOf(name, 4) === 0)
      const often = ["often-0", "often-1", "often-2", "often-3", "often-4", "often-5", "often-6", "often-7"]
        .filter((name) => Keys.partitionOf(name, 4) === 0)
        .slice(0, 1)
      const rare = yield* loopWithClock(clock, process, 0, {
        names: [...names, ...often],
        intervalOf: (name) => (name === often[0] ? "10 seconds" : "1 day")
      })
      yield* step(clock, rare)
      expect(rare.looks.length).toBe(names.length + 1)
      const before = rare.calls()
      rare.looks.length = 0
      for (let waited = 0; waited < 5 * minute;) waited += yield* step(clock, rare)
      // 30 slots of ten seconds, and five times a minute
      expect(rare.looks.length).toBeGreaterThanOrEqual(29)
      expect(rare.looks.length).toBeLessThanOrEqual(31)
      expect(rare.calls() - before).toBeLessThanOrEqual(31 + 6)
      const states = yield* process.run(Effect.orDie(Schedules.Schedules.use(({ list }) => list)))
      expect(states.filter(({ declared }) => declared).length).toBe(names.length + 1)
    })
  )

  it.live("T1 a schedule that Redis has lost is declared again within a minute, though no slot of it is due", () =>
    Effect.gen(function* () {
      const clock = yield* JumpingClock.make
      const process = yield* Fleet.joined(redis.url, living(clock))
      const loop = yield* loopWithClock(clock, process, 0, { interval: "1 day" })
      yield* step(clock, loop)
      const { of } = yield* process.run(Keyspace)
      yield* process.send("DEL", of("skewed").cron("skewed"), of("skewed").crons)
      expect(yield* stateOf(process, "skewed")).toBe(undefined)
      for (let waited = 0; waited < minute;) waited += yield* step(clock, loop)
      yield* step(clock, loop)
      expect(yield* stateOf(process, "skewed")).toMatchObject({ declared: true, timing: "every 1d" })
    })
  )
})

describe("a schedule that could not fire", () => {
  it.live(
    "a schedule whose input never comes is passed over after two seconds, and the others of its partition fire",
    () =>
      Effect.gen(function* () {
        const clock = yield* JumpingClock.make
        const process = yield* Fleet.joined(redis.url, living(clock))
        const hanging = Array.from({ length: 40 }, (_, n) => `hanging-${n}`).find(
          (name) => Keys.partitionOf(name, 4) === 0
        )!
        const well = Array.from({ length: 40 }, (_, n) => `well-${n}`).find((name) => Keys.partitionOf(name, 4) === 0)!
        const loop = yield* loopWithClock(clock, process, 0, {
          names: [hanging, well],
          interval: "5 seconds",
          workOf: (name) => (name === hanging ? Effect.never : Effect.void)
        })
        const fired = Effect.map(handedIn(process, well), ({ length }) => length)
        for (let i = 0; i < 8 && (yield* fired) === 0; i++) yield* step(clock, loop)
        expect(yield* fired).toBeGreaterThanOrEqual(1)
        expect(yield* stateOf(process, hanging)).toBe(undefined)
      })
  )

  it.live(
    "T1 a slot that found its mailbox full is looked at again after five seconds, and fires when there is room",
    () =>
      Effect.gen(function* () {
        const clock = yield* JumpingClock.make
        // one message fills the mailbox in its partition
        const process = yield* Fleet.joined(redis.url, { ...living(clock), mailboxCapacity: 4 })
        const loop = yield* loopWithClock(clock, process, 0)
        for (let i = 0; i < 4 && (yield* handedIn(process)).length < 1; i++) yield* step(clock, loop)
        const [first] = yield* handedIn(process)
        yield* step(clock, loop)
        expect(loop.left()).toBeGreaterThan(0)
        expect(loop.left()).toBeLessThanOrEqual(5_000)
        const { of } = yield* process.run(Keyspace)
        yield* process.send("XTRIM", of("skewed").mailbox(nobody), "MAXLEN", 0)
        yield* step(clock, loop)
        expect((yield* handedIn(process)).map(({ slot }) => slot)).toEqual([first!.slot + minute])
      })
  )

  it.live(
    "T1 a schedule whose expression comes into force again fires the slot since the other was looked at last",
    () =>
      Effect.gen(function* () {
        const clock = yield* JumpingClock.make
        clock.forward(hour + 57 * minute - (clock.clock.currentTimeMillisUnsafe() % hour))
        const slot = Math.ceil(clock.clock.currentTimeMillisUnsafe() / hour) * hour
        const process = yield* Fleet.joined(redis.url, living(clock))
        const hours = yield* loopWithClock(clock, process, 0, { interval: "1 hour" })
        yield* step(clock, hours)
        // a process that starts with another expression has it in force at once, and stops a minute before the slot
        const days = yield* loopWithClock(clock, process, 0, { interval: "1 day" })
        while (clock.clock.currentTimeMillisUnsafe() < slot - minute) yield* step(clock, days, hours)
        for (let i = 0; i < 10 && (yield* handedIn(process)).length < 1; i++) yield* step(clock, hours)
        expect((yield* handedIn(process)).map((one) => one.slot)).toEqual([slot])
      })
  )

  it.live("T1 a look that Redis did not answer is repeated after a second", () =>
    Effect.gen(function* () {
      const clock = yield* JumpingClock.make
      const process = yield* Fleet.joined(redis.url, living(clock))
      let isAway = true
      const loop = yield* loopWithClock(clock, process, 0, { isAway: () => isAway })
      yield* step(clock, loop)
      expect(loop.left()).toBeGreaterThan(0)
      expect(loop.left()).toBeLessThanOrEqual(1_000)
      isAway = false
      yield* step(clock, loop)
      expect(loop.looks.length).toBe(1)
    })
  )
})
