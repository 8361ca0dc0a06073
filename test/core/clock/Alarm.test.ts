/** Sleepers of a line are woken in its order, before their time if something is free for them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Alarm from "../../../packages/core/src/clock/Alarm.ts"

const long = 60_000

describe("Alarm", () => {
  it.live("the first sleeper of a line is the one with the smallest number that still sleeps, of that line alone", () =>
    Effect.gen(function* () {
      const alarm = yield* Alarm.make
      const woken: Array<number> = []
      const asleep = (line: string, order: number) =>
        Effect.forkChild(
          Effect.andThen(
            alarm.sleep(line, order, long),
            Effect.sync(() => woken.push(order))
          ),
          { startImmediately: true }
        )
      const third = yield* asleep("a", 3)
      const gone = yield* asleep("a", 1)
      const second = yield* asleep("a", 2)
      yield* asleep("b", 0)
      yield* Fiber.interrupt(gone)
      alarm.wakeFirst("a")
      yield* Fiber.join(second)
      expect(woken).toEqual([2])
      alarm.wakeFirst("a")
      yield* Fiber.join(third)
      expect(woken).toEqual([2, 3])
    })
  )
})
