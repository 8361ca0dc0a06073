/** What libraries print themselves is passed on once, and printed again when nobody listens any more. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { once } from "node:events"
import * as LibraryWarnings from "../../../packages/core/src/service/LibraryWarnings.ts"

describe("a library's warning", () => {
  it.effect("a warning that is printed again and again is passed on once, whatever numbers are in it", () =>
    Effect.gen(function* () {
      const before = [console.warn, console.error, ...process.listeners("warning")]
      const heard: Array<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* LibraryWarnings.capture((warning) => heard.push(warning))
          for (const port of [6379, 6380, 6381]) console.warn("no answer from %s:%d", "redis", port)
          console.error("[driver] Unhandled error event:", "connect ECONNREFUSED")
          const warned = once(process, "warning")
          process.emitWarning("11 listeners added", "MaxListenersExceededWarning")
          yield* Effect.promise(() => warned)
        })
      )
      expect(heard).toEqual([
        "no answer from redis:6379",
        "[driver] Unhandled error event: connect ECONNREFUSED",
        "MaxListenersExceededWarning: 11 listeners added"
      ])
      expect([console.warn, console.error, ...process.listeners("warning")]).toEqual(before)
    })
  )

  it.effect("a library that prints another text each time is passed on a bounded number of times", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const capture = LibraryWarnings.capture((warning) => heard.push(warning))
      const print = Effect.sync(() => {
        for (let n = 0; n < 1_000; n++) console.warn("x".repeat(n % 190) + "y".repeat(Math.floor(n / 190)))
      })
      yield* Effect.scoped(Effect.andThen(capture, print))
      expect(heard).toHaveLength(100)
    })
  )
})
