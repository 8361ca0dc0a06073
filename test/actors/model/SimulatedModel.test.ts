import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Duration, Effect, Exit, Fiber, Random } from "effect"
import { TestClock } from "effect/testing"
import type { Image } from "../../../packages/actors/src/model/VisionModel.ts"
import * as SimulatedModel from "../../../packages/actors/src/model/simulated/SimulatedModel.ts"
import { bottle, classified, modelContract, modelsFrom, rule } from "./ModelContract.ts"

const model = "simulated"
modelContract("SimulatedModel", {
  models: modelsFrom({ OPENAI_MODELS: "", GEMINI_MODELS: "", SIMULATED_MODEL: "true" }),
  model,
  provider: "simulated"
})

const instant = { visionLatency: Duration.zero, answerLatency: Duration.zero, failureRate: 0 }
const photo = (seed: number): Image => ({
  _tag: "Bytes",
  mimeType: "image/jpeg",
  bytes: Uint8Array.of(seed % 256, seed >> 8)
})

describe("SimulatedModel", () => {
  it.effect("the simulated model gives the same classification for the same picture and question", () =>
    Effect.gen(function* () {
      const one = yield* SimulatedModel.make(instant).classify({ model, image: bottle, userInput: "?" })
      const other = yield* SimulatedModel.make(instant).classify({ model, image: bottle, userInput: "?" })
      deepStrictEqual(one, other)
    })
  )

  it.effect("the simulated model's classification depends on both picture and question", () =>
    Effect.gen(function* () {
      const { classify } = SimulatedModel.make(instant)
      const seen = new Set<string>()
      for (let n = 0; n < 40; n++) {
        seen.add(JSON.stringify((yield* classify({ model, image: photo(n), userInput: "?" })).classification))
        seen.add(JSON.stringify((yield* classify({ model, image: photo(0), userInput: `${n}` })).classification))
      }
      assertTrue(seen.size > 40, `${seen.size} different of 80`)
    })
  )

  it.effect("the simulated model finds mostly recyclables, of every kind, and sometimes 미분류", () =>
    Effect.gen(function* () {
      const { classify } = SimulatedModel.make(instant)
      const majors = new Map<string, number>()
      const middles = new Set<string>()
      for (let n = 0; n < 1000; n++) {
        const { classification } = yield* classify({ model, image: photo(n), userInput: "?" })
        majors.set(classification.major_category, (majors.get(classification.major_category) ?? 0) + 1)
        middles.add(classification.middle_category)
      }
      const recyclables = majors.get("재활용폐기물") ?? 0
      assertTrue(recyclables > 700 && recyclables < 850, `${recyclables} of 1000`)
      strictEqual(middles.size, 13)
      strictEqual(majors.size, 8)
    })
  )

  it.effect("the simulated model's answer says that it is simulated, and has the rule's steps", () =>
    Effect.gen(function* () {
      const { answer } = yield* SimulatedModel.make(instant).answer({
        model,
        classification: classified,
        rule,
        userInput: "?"
      })
      assertTrue(answer.user_answer.includes("모의 응답"))
      deepStrictEqual(answer.disposal_steps, { 단계1: "내용물을 비웁니다.", 단계2: "라벨을 떼어 냅니다." })
      deepStrictEqual(answer.insufficiencies, [])
    })
  )

  it.effect("the simulated model takes the time that is set", () =>
    Effect.gen(function* () {
      const { classify } = SimulatedModel.make({ ...instant, visionLatency: Duration.millis(400) })
      const fiber = yield* Effect.forkChild(classify({ model, image: bottle, userInput: "?" }))
      yield* TestClock.adjust("399 millis")
      strictEqual(fiber.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 millis")
      assertTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
    })
  )

  it.effect("the simulated model fails as unavailable at the given rate, and alike for the same seed", () =>
    Effect.gen(function* () {
      const { classify } = SimulatedModel.make({ ...instant, failureRate: 0.3 })
      const outcomes = Effect.forEach(Array.from({ length: 200 }), () =>
        classify({ model, image: bottle, userInput: "?" }).pipe(
          Effect.match({ onFailure: (error) => error._tag, onSuccess: () => "served" })
        )
      ).pipe(Random.withSeed("eco2"))
      const first = yield* outcomes
      deepStrictEqual(yield* outcomes, first)
      deepStrictEqual([...new Set(first)].sort(), ["ModelUnavailable", "served"])
      const failed = first.filter((outcome) => outcome !== "served").length
      assertTrue(failed > 40 && failed < 80, `${failed} of 200`)
    })
  )
})
