/** When a loop is started again, and when it is given up. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Logger, Metric, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Metrics, Supervisor } from "@eco2/core/telemetry"

const restartsOf = (loop: string) =>
  Effect.map(Metric.value(Metric.withAttributes(Metrics.restarts, { loop })), ({ count }) => Number(count))
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A loop that dies at once, `lives` times, then goes on for ever; and when it was begun. */
const dying = (lives: number) => {
  const begun: Array<number> = []
  const run = Effect.gen(function* () {
    begun.push(yield* Clock.currentTimeMillis)
    return begun.length > lives ? yield* Effect.never : yield* Effect.die(new Error(`death ${begun.length}`))
  })
  return { begun, run }
}

describe("Supervisor", () => {
  it.effect("a loop that dies is restarted after a pause that doubles from 100 ms, and each restart is counted", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make()
      const { begun, run } = dying(5)
      yield* supervisor.supervise("grows", run)
      yield* TestClock.adjust("1 minute")
      expect(begun).toEqual([0, 100, 300, 700, 1_500, 3_100])
      expect(yield* restartsOf("grows")).toBe(5)
      expect(supervisor.trouble()).toBe(null)
    }).pipe(quietly)
  )

  it.effect("a loop that dies more often than allowed is given up: LoopFailed names it, and it runs no more", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make()
      const { begun, run } = dying(Infinity)
      const failed = yield* Effect.forkChild(Effect.flip(supervisor.failed))
      const fiber = yield* supervisor.supervise("often", run, { maxRestarts: 2, within: "10 seconds" })
      yield* TestClock.adjust("250 millis")
      expect(begun.length).toBe(2)
      expect(failed.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 minute")
      expect(begun.length).toBe(3)
      expect(Exit.isSuccess(yield* Fiber.await(fiber))).toBe(true)
      const error = yield* Fiber.join(failed)
      expect(error).toMatchObject({ _tag: "LoopFailed", loop: "often", failures: 3, withinMillis: 10_000 })
      expect(error.message).toBe("often failed too often: 3 times within 10s")
      expect(supervisor.trouble()).toBe(error.message)
      expect(yield* restartsOf("often")).toBe(2)
    }).pipe(quietly)
  )

  it.effect("a loop given up after another does not change the reported cause, which is the first", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make()
      yield* supervisor.supervise("first", dying(Infinity).run, { maxRestarts: 1, within: "10 seconds" })
      yield* supervisor.supervise("second", dying(Infinity).run, { maxRestarts: 4, within: "10 seconds" })
      yield* TestClock.adjust("1 minute")
      expect(supervisor.trouble()).toBe("first failed too often: 2 times within 10s")
      expect(yield* restartsOf("second")).toBe(4)
    }).pipe(quietly)
  )

  it.effect("a loop whose failures are further apart than the counted period is never given up", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make()
      let lives = 0
      const run = Effect.suspend(() => {
        lives++
        return Effect.andThen(Effect.sleep("6 seconds"), Effect.die(new Error("now and then")))
      })
      yield* supervisor.supervise("seldom", run, { maxRestarts: 1, within: "5 seconds" })
      yield* TestClock.adjust("1 hour")
      expect(lives).toBeGreaterThan(500)
      expect(supervisor.trouble()).toBe(null)
    }).pipe(quietly)
  )

  it.effect("each loop's failures are counted separately: two that fail seldom are not one that fails often", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make()
      const loops = [dying(2), dying(2), dying(2)]
      for (const { run } of loops) yield* supervisor.supervise("one", run, { maxRestarts: 2, within: "1 minute" })
      yield* TestClock.adjust("1 minute")
      expect(loops.map(({ begun }) => begun.length)).toEqual([3, 3, 3])
      expect(supervisor.trouble()).toBe(null)
    }).pipe(quietly)
  )

  it.effect("a loop that ends by itself is restarted, but not while stopping", () =>
    Effect.gen(function* () {
      let stopping = false
      let begun = 0
      const supervisor = Supervisor.make({ stopping: () => stopping })
      const fiber = yield* supervisor.supervise(
        "ends",
        Effect.suspend(() => {
          begun++
          return Effect.sleep("1 second")
        })
      )
      yield* TestClock.adjust("2 seconds")
      expect(begun).toBe(2)
      stopping = true
      yield* TestClock.adjust("1 second")
      expect(Exit.isSuccess(yield* Fiber.await(fiber))).toBe(true)
      expect(begun).toBe(2)
      expect(yield* restartsOf("ends")).toBe(1)
    }).pipe(quietly)
  )

  it.effect("a loop that dies while stopping is restarted, as work in hand still needs it", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make({ stopping: () => true })
      const { begun, run } = dying(1)
      yield* supervisor.supervise("needed", run)
      yield* TestClock.adjust("1 second")
      expect(begun.length).toBe(2)
    }).pipe(quietly)
  )

  it.effect("a loop interrupted with its scope is neither counted nor restarted", () =>
    Effect.gen(function* () {
      const supervisor = Supervisor.make()
      const scope = yield* Scope.make()
      const { begun, run } = dying(0)
      yield* Effect.provideService(supervisor.supervise("over", run), Scope.Scope, scope)
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      expect(begun.length).toBe(1)
      expect(yield* restartsOf("over")).toBe(0)
    }).pipe(quietly)
  )

  it.effect("each failure of a loop is logged once, with its cause", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const logger = Logger.make(({ cause, logLevel, message }) => {
        const died = cause.reasons.map((reason) => ("defect" in reason ? String(reason.defect) : reason._tag))
        said.push([logLevel, ...[message].flat(), ...died].join(" "))
      })
      const supervisor = Supervisor.make()
      const { run } = dying(Infinity)
      yield* Effect.gen(function* () {
        yield* supervisor.supervise("said", run, { maxRestarts: 1, within: Duration.seconds(1) })
        yield* TestClock.adjust("1 minute")
      }).pipe(Effect.provide(Logger.layer([logger])))
      expect(said).toEqual([
        "Error loop failed; restarting it Error: death 1",
        "Error loop failed too often; giving up Error: death 2"
      ])
    })
  )
})
