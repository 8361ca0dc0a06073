/** Schedules as processes declare them: workers that fire slots, run their jobs, and stop. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Layer, Metric, Result, Schema, Scope } from "effect"
import { Actor, Behavior, Elapsed, Pipeline, Schedule, Schedules, Stage, StageBehavior, Timing } from "@eco2/core"
import { Keys, Keyspace } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import * as ScheduleLoop from "../../../packages/core/src/schedule/ScheduleLoop.ts"
import * as Fleet from "../CoreFixture.ts"
import * as SteppedClock from "../SteppedClock.ts"

const redis = Fleet.privateRedis()
const second = { interval: "1 second" } as const

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
    Schedule.every(name, second, { pipeline: TickPipeline, input: (slot) => ({ slot: slot.toISOString() }) })
  )
const stateOf = (process: Fleet.Process<Fleet.Services>, name: string) =>
  Effect.map(process.run(Effect.orDie(Schedules.Schedules.use(({ list }) => list))), (all) =>
    all.find((state) => state.name === name)
  )
const seconds = (slots: ReadonlyArray<string>) => slots.map((slot) => Date.parse(slot) / 1000)

describe("a schedule", () => {
  it.live("T1 a schedule declared by three workers runs its pipeline once a slot, each slot in turn", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const workers = yield* Effect.forEach([1, 2, 3], () =>
        Fleet.working(
          redis.url,
          ticking((slot) => void ran.push(slot))
        )
      )
      yield* Fleet.until(
        Effect.sync(() => ran.length),
        (count) => count >= 3
      )
      const [first = 0, ...others] = seconds(ran.toSorted())
      expect(others).toEqual(others.map((_, i) => first + i + 1))
      const { fires, lastJob, work } = (yield* stateOf(workers[0]!, "ticker"))!
      expect([fires >= ran.length, work, lastJob]).toEqual([true, "tick", expect.any(String)])
    })
  )

  it.live("T1 a schedule goes on when one of its workers stops, and ends with the last one", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const one = yield* Fleet.working(
        redis.url,
        ticking(() => undefined)
      )
      const other = yield* Fleet.working(
        redis.url,
        ticking((slot) => void ran.push(slot))
      )
      yield* one.stop
      ran.length = 0
      yield* Fleet.until(
        Effect.sync(() => ran.length),
        (count) => count >= 2
      )
      yield* other.stop
      const watcher = yield* Fleet.joined(redis.url)
      const { fires, lastSlot } = (yield* stateOf(watcher, "ticker"))!
      yield* Effect.sleep("1500 millis")
      expect(yield* stateOf(watcher, "ticker")).toMatchObject({ fires, lastSlot })
    })
  )

  it.live("T1 a slot looked at twice, on the way to another schedule, is counted once", () =>
    Effect.gen(function* () {
      const partition = Keys.partitionOf("ticker", 4)
      const beside = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `beside-${n}`)
      const name = beside.find((one) => Keys.partitionOf(one, 4) === partition)!
      const run = { pipeline: TickPipeline, input: () => ({ slot: "" }) }
      const ran: Array<string> = []
      const worker = yield* Fleet.working(
        redis.url,
        Layer.merge(
          ticking((slot) => void ran.push(slot)),
          Schedule.every(name, { interval: "2 seconds", overlap: "allow" }, run)
        )
      )
      yield* Fleet.until(
        Effect.sync(() => ran.filter((slot) => slot !== "").length),
        (count) => count >= 4
      )
      yield* worker.stop
      const counted = yield* Metric.value(
        Metric.withAttributes(Metrics.scheduleFires, { schedule: name, outcome: "fired" })
      )
      const { fires } = (yield* stateOf(yield* Fleet.joined(redis.url), name))!
      expect(Number(counted.count)).toBe(fires)
    })
  )

  it.live("a schedule that tells an actor sends one message a slot", () =>
    Effect.gen(function* () {
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
      const worker = yield* Fleet.working(
        redis.url,
        Layer.mergeAll(
          Behavior.layer(Clockwork, Effect.succeed(handlers)),
          Schedule.everyTell("chime", second, chime),
          Schedule.cronTell("chime-too", { expression: "* * * * * *" }, chime)
        )
      )
      yield* Fleet.until(
        Effect.sync(() => told.length),
        (count) => count >= 4
      )
      const counts = Object.values(Object.groupBy(told, (slot) => slot)).map((same) => same!.length)
      expect(Math.max(...counts)).toBe(2)
      expect(yield* stateOf(worker, "chime")).toMatchObject({ work: "clockwork.Chime", lastJob: null, skips: 0 })
      expect(yield* worker.run(Effect.orDie(Schedules.Schedules.use((all) => all.runNow("chime"))))).toBe(null)
    })
  )

  it.live("a schedule whose input cannot be made is counted as failed, claims no slot, and delays no other", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const throwing = () => {
        throw new Error("no input today")
      }
      const broken = Layer.merge(
        Schedule.every("broken-0", second, { pipeline: TickPipeline, input: throwing }),
        Schedule.every("broken-1", second, {
          pipeline: TickPipeline,
          input: () => ({ slot: "x".repeat(300_000) })
        })
      )
      const worker = yield* Fleet.working(
        redis.url,
        Layer.merge(
          ticking((slot) => void ran.push(slot)),
          broken
        )
      )
      yield* Fleet.until(
        Effect.sync(() => ran.length),
        (count) => count >= 2
      )
      expect(yield* stateOf(worker, "broken-0")).toBe(undefined)
      const failed = yield* Effect.forEach(["broken-0", "broken-1"], (schedule) =>
        Metric.value(Metric.withAttributes(Metrics.scheduleFires, { schedule, outcome: "failed" }))
      )
      for (const { count } of failed) expect(Number(count)).toBeGreaterThan(0)
    })
  )

  it.live("a schedule with a wrong expression, or a name that is no word or is taken, stops the process at start", () =>
    Effect.gen(function* () {
      const run = { pipeline: TickPipeline, input: () => ({ slot: "" }) }
      for (const [layer, reason] of [
        [Schedule.cron("ticker", { expression: "every monday" }, run), "is not a cron expression"],
        [Schedule.every("ticker", { interval: "5 millis" }, run), "is not an interval of at least a second"],
        [Schedule.every("Ticker!", second, run), "is not a word"],
        [Layer.merge(Schedule.every("twin", second, run), Schedule.every("twin", second, run)), "is declared twice"]
      ] as const) {
        const exit = yield* Effect.exit(Fleet.working(redis.url, layer))
        expect(Exit.isFailure(exit) ? String(exit.cause) : "started").toContain(reason)
      }
    })
  )
})

/** What Schedules.look was asked, with the answers of the real one. */
const loopWithClock = Effect.fnUntraced(function* (
  process: Fleet.Process<Fleet.Services>,
  skewMillis: number,
  interval: Duration.Input = "1 second"
) {
  const real = yield* Clock.Clock
  const skewed: Clock.Clock = Object.assign(Object.create(real), {
    currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + skewMillis,
    currentTimeMillis: Effect.map(real.currentTimeMillis, (millis) => millis + skewMillis)
  })
  const scope = yield* Effect.scope
  const fired: Array<number> = []
  const { dueAt, elapsed, partition, run } = yield* process.run(
    Effect.gen(function* () {
      const service = yield* Schedules.Schedules
      const watched = Schedules.Schedules.of({
        ...service,
        look: (partition, name, looks) =>
          Effect.tap(service.look(partition, name, looks), ({ now, outcomes }) =>
            Effect.sync(() => {
              for (const [i, { outcome }] of outcomes.entries()) {
                expect(looks[i]!.slot <= now || outcome === "early").toBe(true)
                if (outcome === "fired") fired.push(looks[i]!.slot)
              }
            })
          )
      })
      const loop = yield* Effect.provideService(ScheduleLoop.make, Schedules.Schedules, watched)
      yield* Scope.provide(
        loop.declare({
          name: "skewed",
          timing: Result.getOrThrow(Timing.every(interval)),
          overlap: "allow",
          work: () =>
            Effect.succeed({
              mailbox: "nobody",
              stage: "",
              kind: "Tick",
              plan: "",
              payload: "{}",
              deadlineMillis: null
            })
        }),
        scope
      )
      const { of } = yield* Keyspace
      return { ...loop, partition: of("skewed"), elapsed: yield* Elapsed.clock }
    }).pipe(Effect.provideService(Clock.Clock, skewed))
  )
  return {
    fired,
    /** As TimerLoop would: waits until it is due by its own clock, looks; how long it waited. */
    step: Effect.gen(function* () {
      const wait = Math.max(0, dueAt(partition) - elapsed())
      yield* Effect.sleep(wait)
      yield* process.run(run(partition))
      return wait
    })
  }
})

describe("a schedule and a wrong clock", () => {
  it.live("T1 a process whose clock is set back while it runs goes on firing each slot once", () =>
    Effect.gen(function* () {
      const clock = yield* SteppedClock.make
      const slots: Array<string> = []
      yield* clock.on(
        Fleet.working(
          redis.url,
          ticking((slot) => slots.push(slot))
        )
      )
      yield* Fleet.until(
        Effect.sync(() => slots.length),
        (fired) => fired >= 1
      )
      clock.back(3_600_000)
      yield* Fleet.until(
        Effect.sync(() => slots.length),
        (fired) => fired >= 3
      )
      expect(new Set(slots).size).toBe(slots.length)
    })
  )

  for (const skewMillis of [-3_600_000, 700, 3_600_000]) {
    it.live(`T1 a process whose clock is off by ${skewMillis} ms fires neither early nor late nor twice`, () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url)
        const { fired, step } = yield* loopWithClock(process, skewMillis)
        const right = yield* loopWithClock(process, 0)
        for (let i = 0; i < 20 && fired.length + right.fired.length < 2; i++) {
          yield* Effect.all([step, right.step], { concurrency: 2 })
        }
        const now = yield* Fleet.timeOf(process)
        const all = [...fired, ...right.fired].toSorted((a, b) => a - b)
        expect(all).toEqual(all.map((_, i) => all[0]! + i * 1000))
        expect(all.at(-1)!).toBeLessThanOrEqual(now)
      })
    )
  }

  for (const skewMillis of [-86_400_000, 86_400_000]) {
    it.live(`T1 a process whose clock is off by ${skewMillis} ms fires a missed slot at once, not with the next`, () =>
      Effect.gen(function* () {
        const earlier = yield* Fleet.joined(redis.url, { clockOffsetMillis: -7_200_000 })
        yield* (yield* loopWithClock(earlier, 0, "1 hour")).step
        const { fired, step } = yield* loopWithClock(yield* Fleet.joined(redis.url), skewMillis, "1 hour")
        expect([yield* step, yield* step, fired.length]).toEqual([0, 0, 1])
      })
    )
  }

  it.live("T1 a process whose clock is an hour off looks once a slot after its first look, not more often", () =>
    Effect.gen(function* () {
      const { step } = yield* loopWithClock(yield* Fleet.joined(redis.url), 3_600_000)
      for (let i = 0; i < 2; i++) yield* step
      // one that is late shortens the next wait; three slots of a second are not done in less than two
      expect((yield* step) + (yield* step) + (yield* step)).toBeGreaterThan(1_500)
    })
  )
})
