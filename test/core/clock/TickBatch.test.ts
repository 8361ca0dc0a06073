/** Calls of one tick are sent as one: in order, each with its own answer, and no caller affects another. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import * as TickBatch from "../../../packages/core/src/clock/TickBatch.ts"

/** A batch that answers ten times each item, and remembers what it was called with. */
const tenfold = (most: number) => {
  const calls: Array<ReadonlyArray<number>> = []
  const call = TickBatch.make((items: ReadonlyArray<number>) => {
    calls.push(items)
    if (items.includes(-1)) throw new Error("a bug in the call")
    return items.includes(0) ? Effect.fail("refused" as const) : Effect.succeed(items.map((item) => item * 10))
  }, most)
  return { call, calls }
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const together = { concurrency: "unbounded" } as const

describe("TickBatch", () => {
  it.live("calls of one tick are sent in order, at most 32 a batch, and each gets its own answer", () =>
    Effect.gen(function* () {
      const { call, calls } = tenfold(32)
      expect(yield* Effect.forEach(upTo(70), call, together)).toEqual(upTo(70).map((item) => item * 10))
      expect(calls.map((items) => items.length)).toEqual([32, 32, 6])
      expect(calls.flat()).toEqual(upTo(70))
    })
  )

  it.live("calls of one batch do not wait for those of another", () =>
    Effect.gen(function* () {
      const { call, calls } = tenfold(32)
      for (const item of upTo(3)) expect(yield* call(item)).toBe(item * 10)
      expect(calls).toEqual([[1], [2], [3]])
    })
  )

  it.live("calls of one batch fail together with its error; those of another batch do not", () =>
    Effect.gen(function* () {
      const { call } = tenfold(2)
      const exits = yield* Effect.forEach([1, 0, 2, 3], (item) => Effect.exit(call(item)), together)
      expect(exits).toEqual([Exit.fail("refused"), Exit.fail("refused"), Exit.succeed(20), Exit.succeed(30)])
    })
  )

  it.live("batches cut from one tick answer and fail separately, and are sent in order", () =>
    Effect.gen(function* () {
      const calls: Array<ReadonlyArray<string>> = []
      const call = TickBatch.make(
        (items: ReadonlyArray<string>) => {
          calls.push(items)
          if (items[0] === "hangs") return Effect.never
          return items[0] === "fails" ? Effect.fail("refused" as const) : Effect.succeed(items)
        },
        32,
        (waiting) => [...Map.groupBy(waiting, ({ item }) => item).values()]
      )
      yield* Effect.forkChild(call("hangs"), { startImmediately: true })
      const exits = yield* Effect.forEach(["a", "fails", "b", "a"], (item) => Effect.exit(call(item)), together)
      expect(exits).toEqual([Exit.succeed("a"), Exit.fail("refused"), Exit.succeed("b"), Exit.succeed("a")])
      expect(calls).toEqual([["hangs"], ["a", "a"], ["fails"], ["b"]])
    })
  )

  it.live("calls whose batch throws die of it, each one, and the next batch is sent", () =>
    Effect.gen(function* () {
      const { call } = tenfold(32)
      const exits = yield* Effect.forEach([1, -1], (item) => Effect.exit(call(item)), together)
      expect(exits.map((exit) => Exit.isFailure(exit) && String(exit.cause).includes("a bug in the call"))).toEqual([
        true,
        true
      ])
      expect(yield* call(4)).toBe(40)
    })
  )

  it.live("without effects too, calls whose batch throws die of it, each one, and the next batch is sent", () =>
    Effect.gen(function* () {
      const call = TickBatch.sender<number, number, never>((items, answered) => {
        if (items.includes(-1)) throw new Error("a bug in the call")
        answered(Exit.succeed(items))
      }, 32)
      const asEffect = (item: number) => Effect.exit(Effect.callback<number>((resume) => call(item, resume)))
      const exits = yield* Effect.forEach([1, -1], asEffect, together)
      expect(exits.map((exit) => Exit.isFailure(exit) && Cause.hasDies(exit.cause))).toEqual([true, true])
      expect(yield* asEffect(4)).toEqual(Exit.succeed(4))
    })
  )

  it("a caller that throws when it is answered strands no other of its batch, and is answered once", async () => {
    const bug = new Error("a bug in a caller")
    const answers: Array<number> = []
    const thrown = await new Promise((resolve) => {
      const call = TickBatch.sender<number, number, never>((items, answered) => {
        try {
          answered(Exit.succeed(items))
        } catch (defect) {
          resolve(defect)
        }
      }, 32)
      for (const item of upTo(3)) {
        call(item, () => {
          answers.push(item)
          if (item < 3) throw bug
        })
      }
    })
    expect([thrown, answers]).toEqual([bug, upTo(3)])
  })

  it.live("an interrupted caller does not stop its batch: it is sent, and the others are answered", () =>
    Effect.gen(function* () {
      const { call, calls } = tenfold(32)
      const gone = yield* Effect.forkChild(call(1), { startImmediately: true })
      const stays = yield* Effect.forkChild(call(2), { startImmediately: true })
      yield* Fiber.interrupt(gone)
      expect(yield* Fiber.join(stays)).toBe(20)
      expect(calls).toEqual([[1, 2]])
    })
  )
})
