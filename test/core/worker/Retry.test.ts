/** What a failure leads to: which error is tried again, after what delay, how often, and at whose cost. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Retry } from "@eco2/core"

class Busy extends Schema.TaggedError<Busy>()("Busy", { retryAfter: Schema.Finite }) {}
class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}
class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
class Odd extends Schema.TaggedError<Odd>()("Odd", {}) {}

const policy = Retry.policy<Busy | Refused | Flaky | Odd>({
  never: ["Refused"],
  byTag: { Flaky: Schedule.spaced("3 seconds").pipe(Schedule.upTo({ times: 2 })) },
  retryAfter: (error) => (error._tag === "Busy" ? Duration.seconds(error.retryAfter) : null),
  otherwise: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
})
const told = (decision: Retry.Decision) =>
  decision._tag === "give-up" ? "give up" : `${decision._tag} in ${Duration.toMillis(decision.delay)}`

describe("a retry policy with a bound on attempts", () => {
  for (const [error, most, attempt, expected] of [
    [new Odd(), 2, 1, "again in 1000"],
    [new Odd(), 2, 2, "give up"],
    // its own schedule ends sooner: it goes on as that ended
    [new Odd(), 6, 5, "again in 4000"],
    [new Odd(), 6, 6, "give up"],
    [new Refused(), 6, 1, "give up"],
    // a wait that spends no attempt is no attempt too many
    [new Busy({ retryAfter: 7 }), 2, 900, "later in 7000"]
  ] as const) {
    it.effect(
      `a policy bounded to ${most} attempts answers attempt ${attempt} of ${error._tag} with: ${expected}`,
      () =>
        Effect.map(Retry.limited(policy, most).decide(error, attempt), (decision) =>
          expect(told(decision)).toBe(expected)
        )
    )
  }

  it.effect(
    "a bounded policy gives up a cause that may heal for a later round, and one that cannot heal for none",
    () =>
      Effect.gen(function* () {
        const bounded = Retry.limited(policy, 2)
        expect(yield* bounded.decide(new Odd(), 2)).toEqual({ _tag: "give-up", heals: true })
        expect(yield* bounded.decide(new Refused(), 1)).toEqual({ _tag: "give-up", heals: false })
      })
  )
})

describe("Retry", () => {
  for (const [error, attempt, expected] of [
    [new Refused(), 1, "give up"],
    [new Flaky(), 1, "again in 3000"],
    [new Flaky(), 2, "again in 3000"],
    [new Flaky(), 3, "give up"],
    [new Odd(), 1, "again in 1000"],
    [new Odd(), 2, "again in 2000"],
    [new Odd(), 3, "again in 4000"],
    [new Odd(), 4, "give up"],
    [new Busy({ retryAfter: 7 }), 1, "later in 7000"],
    [new Busy({ retryAfter: 7 }), 900, "later in 7000"]
  ] as const) {
    it.effect(`Retry answers attempt ${attempt} of ${error._tag} with: ${expected}`, () =>
      Effect.map(policy.decide(error, attempt), (decision) => expect(told(decision)).toBe(expected))
    )
  }

  it.effect("an error that no rule names is retried three times, after about 1, 2 and 4 s with jitter", () =>
    Effect.gen(function* () {
      const standard = Retry.policy<Odd>()
      for (const [attempt, millis] of [
        [1, 1000],
        [2, 2000],
        [3, 4000]
      ] as const) {
        const delays = yield* Effect.forEach(Array.from({ length: 40 }), () =>
          Effect.map(standard.decide(new Odd(), attempt), (one) =>
            one._tag === "again" ? Duration.toMillis(one.delay) : -1
          )
        )
        expect(Math.min(...delays)).toBeGreaterThanOrEqual(millis * 0.8)
        expect(Math.max(...delays)).toBeLessThanOrEqual(millis * 1.2)
        expect(new Set(delays).size).toBeGreaterThan(1)
      }
      expect(told(yield* standard.decide(new Odd(), 4))).toBe("give up")
    })
  )

  it.effect("a defect is retried once, after a second", () =>
    Effect.gen(function* () {
      expect(told(yield* Retry.defects(1))).toBe("again in 1000")
      expect(told(yield* Retry.defects(2))).toBe("give up")
    })
  )

  it.effect("a result that Redis did not take is sent again after 50 ms, then twice as long, up to every 2 s", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const send = Effect.flatMap(Clock.currentTimeMillis, (at) => {
        sentAt.push(at)
        return sentAt.length < 40 ? Effect.fail(new Odd()) : Effect.succeed("taken")
      })
      const settled = yield* Effect.forkChild(Retry.untilSettled(send, { while: () => true }))
      yield* TestClock.adjust("2 minutes")
      expect(yield* Fiber.join(settled)).toBe("taken")
      const pauses = sentAt.slice(1).map((at, i) => at - sentAt[i]!)
      expect(pauses.slice(0, 4)).toEqual([50, 100, 200, 400])
      expect(new Set(pauses.slice(6))).toEqual(new Set([2000]))
    })
  )

  it.effect("a result is sent as often as its caller permits, and not again after an error that is final", () =>
    Effect.gen(function* () {
      let sent = 0
      const send = Effect.suspend(() => Effect.fail(`error ${++sent}`))
      const tried = yield* Effect.forkChild(
        Effect.flip(Retry.untilSettled(send, { while: (error) => error !== "error 9", times: 3 }))
      )
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(tried)).toBe("error 5")
      expect(yield* Effect.flip(Retry.untilSettled(send, { while: () => false }))).toBe("error 6")
      const final = yield* Effect.forkChild(
        Effect.flip(Retry.untilSettled(send, { while: (error) => error !== "error 9" }))
      )
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(final)).toBe("error 9")
    })
  )

  it.effect("the reason of a failure is its typed error, or its defect where there is no error", () =>
    Effect.gen(function* () {
      const typed = yield* Effect.exit(Effect.fail(new Odd()))
      const defect = yield* Effect.exit(Effect.die("a bug"))
      if (Exit.isSuccess(typed) || Exit.isSuccess(defect)) return expect.unreachable()
      expect(Retry.reasonOf(typed.cause)).toEqual({ error: new Odd() })
      expect(Retry.reasonOf(defect.cause)).toEqual({ defect: "a bug" })
    })
  )
})
