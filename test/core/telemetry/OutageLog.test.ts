/** A repeated failure is logged twice: when it begins, and when it ends. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as OutageLog from "../../../packages/core/src/telemetry/OutageLog.ts"
import * as LogLines from "../redis/LogLines.ts"

describe("OutageLog", () => {
  it.effect("an outage is logged once when it begins and once when it ends, and again the next time", () =>
    Effect.gen(function* () {
      const logs = LogLines.make()
      const outage = OutageLog.make("it rains", "the sun shines")
      const failed = outage.failed(new Error("wet"))
      const all = [outage.over, failed, failed, failed, outage.over, outage.over, failed, outage.over]
      yield* Effect.provide(Effect.all(all), logs.layer)
      expect(
        logs.lines.map(({ facts, level, text }) => `${level} ${text} ${String(facts.error ?? "")}`.trim())
      ).toEqual(["Warn it rains wet", "Info the sun shines", "Warn it rains wet", "Info the sun shines"])
    })
  )

  it.effect(
    "an outage by an error that was logged elsewhere has no lines of its own, and one by another error has",
    () =>
      Effect.gen(function* () {
        const logs = LogLines.make()
        const outage = OutageLog.make("it rains", "the sun shines")
        const known = new Error("wet")
        OutageLog.alreadyLogged(known)
        const all = [
          outage.failed(known),
          outage.over,
          outage.failed(new Error("cold")),
          outage.failed(known),
          outage.over
        ]
        yield* Effect.provide(Effect.all(all), logs.layer)
        expect(logs.lines.map(({ facts, text }) => [text, facts.error])).toEqual([
          ["it rains", "cold"],
          ["the sun shines", undefined]
        ])
      })
  )
})
