/** A stage that calls models has time for its calls, whatever the settings are; settings that leave none are refused (GatewayConfig). */
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect } from "effect"
import { ModelTime } from "@eco2/actors/protocol"

const times = (env: Readonly<Record<string, string>>) =>
  Effect.map(ModelTime.parse(ConfigProvider.fromUnknown({ OPENAI_BASE_URL: "http://own", ...env })), (read) =>
    [read.call, read.vision, read.answer].map((time) => Duration.format(time))
  )

describe("ModelTime", () => {
  it.effect.each([
    ["by default a stage has three minutes", {}, ["1m", "3m", "3m"]],
    ["longer calls: two of them and a minute", { MODEL_TIMEOUT: "4 minutes" }, ["4m", "9m", "9m"]],
    [
      "a chain of two models behind the one that a scan names: six calls and a minute, for the stage with that chain",
      { OPENAI_MODELS: "a,b", GEMINI_MODELS: "", SCAN_ANSWER_MODELS: "a,b" },
      ["1m", "3m", "7m"]
    ],
    [
      "a time-out that is set stays as it is",
      { MODEL_TIMEOUT: "20 seconds", SCAN_VISION_TIMEOUT: "45 seconds" },
      ["20s", "45s", "3m"]
    ]
  ] as const)("%s", ([, env, expected]) =>
    Effect.gen(function* () {
      expect(yield* times(env)).toEqual(expected)
    })
  )
})
