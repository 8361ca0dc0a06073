import { it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import { millisOf } from "../../../../packages/actors/src/model/gemini/RetryDelay.ts"

it("RetryDelay reads a protobuf duration in seconds, and nothing else", () => {
  strictEqual(millisOf("7s"), 7000)
  strictEqual(millisOf("1.5s"), 1500)
  strictEqual(millisOf("7"), null)
  strictEqual(millisOf("1m"), null)
})
