/** A reader whose read fails pauses, and knows until its next answer that it may have missed something. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { RedisError } from "@eco2/core/redis"
import * as ReadLoop from "../../../packages/core/src/redis/ReadLoop.ts"

describe("ReadLoop", () => {
  it.effect("a failed read is followed by a pause of 300 ms, and counts as an interruption until a read succeeds", () =>
    Effect.gen(function* () {
      const loop = ReadLoop.make({ begins: "reads fail", ends: "reads succeed again" })
      const error = new RedisError.RedisUnavailable({ command: "XREAD", cause: "away" })
      expect(loop.isInterrupted()).toBe(false)
      const round = yield* Effect.forkChild(loop.round(Effect.fail(error)), { startImmediately: true })
      yield* TestClock.adjust("299 millis")
      expect([loop.isInterrupted(), round.pollUnsafe()]).toEqual([true, undefined])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(round)
      expect(loop.isInterrupted()).toBe(true)
      yield* loop.round(Effect.void)
      expect(loop.isInterrupted()).toBe(false)
    })
  )
})
