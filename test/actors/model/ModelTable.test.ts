/** What is known of models: the table itself, what a call costs by it, and the warning about models that end. */
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { ModelPrices } from "../../../packages/actors/src/model/ModelPrices.ts"
import * as ModelTable from "../../../packages/actors/src/model/ModelTable.ts"
import { OfferedModels } from "../../../packages/actors/src/model/OfferedModels.ts"
import { modelsFrom, secret } from "./ModelContract.ts"

const { effortOf, endingOf, factsOf, isPriceUnsure, priceOf, table, tableDate, thoughtsOf } = ModelTable
const tokens = { inputTokens: 1_200, cachedTokens: 1_000, outputTokens: 150, reasoningTokens: 50 }
const pricesOf = (text: string) =>
  Effect.gen(function* () {
    return yield* ModelPrices
  }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: { MODEL_PRICES: text } })))

describe("ModelTable", () => {
  it.effect("every model that is offered by default is in the table, keeps to a schema, and does not end soon", () =>
    Effect.gen(function* () {
      const { models, providerOf } = yield* OfferedModels
      for (const model of models) {
        expect(factsOf(model)).toMatchObject({ provider: providerOf(model), structured: "schema", images: true })
        expect(endingOf(model, new Date(tableDate))).toBeNull()
      }
    }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} })))
  )

  it.each(Object.entries(table))(
    "%s has a price that is plausible, and a sunset that is a day",
    (_, { price, sunset }) => {
      expect(price.input).toBeGreaterThan(0)
      expect(price.cached).toBeLessThanOrEqual(price.input)
      expect(price.output).toBeGreaterThan(price.input)
      if (sunset !== null) expect(new Date(sunset).toISOString().slice(0, 10)).toBe(sunset)
    }
  )

  it("a dated name and a router's name are the model's", () => {
    expect(factsOf("gpt-5.2-2025-12-11")).toBe(table["gpt-5.2"])
    expect(factsOf("openai/gpt-5.2")).toBe(table["gpt-5.2"])
    expect([factsOf("gpt-5.2-chat"), factsOf("constructor"), factsOf("qwen3-vl")]).toEqual([
      undefined,
      undefined,
      undefined
    ])
  })

  it("an effort that a model does not take is the nearest it takes", () => {
    expect(effortOf(table["gpt-5.2"], "minimal")).toBe("none")
    expect(effortOf(table["gpt-5.2-pro"], "low")).toBe("medium")
    expect(effortOf(table["gpt-5"], "xhigh")).toBe("high")
    expect([effortOf(table["gemini-2.0-flash"], "low"), effortOf(undefined, "low")]).toEqual([null, null])
  })

  it.each([
    ["gemini-2.5-flash", "none", 4_000, 0],
    ["gemini-2.5-flash", "low", 4_000, 1_024],
    ["gemini-2.5-flash", "medium", 64_000, 8_192],
    ["gemini-2.5-flash", "xhigh", 64_000, 24_576],
    // half of the output is left for the answer
    ["gemini-2.5-flash", "high", 4_000, 2_000],
    // it cannot be told not to think
    ["gemini-2.5-pro", "none", 4_000, 512],
    ["gemini-2.5-flash-lite", "minimal", 256, 512],
    ["gemini-3.8-flash", "low", 4_000, null],
    ["gpt-5.2", "low", 4_000, null]
  ] as const)("%s with the effort %s and an output of %i is told to think %s tokens", (model, effort, output, told) => {
    expect(thoughtsOf(table[model], effort, output)).toBe(told)
  })

  it("a price that only others report is unsure, until MODEL_PRICES names it", () => {
    expect([isPriceUnsure("gpt-5.2"), isPriceUnsure("gemini-3.8-flash"), isPriceUnsure("qwen3-vl")]).toEqual([
      true,
      false,
      false
    ])
    expect(isPriceUnsure("gpt-5.2", new Map([["gpt-5.2", { input: 1, cached: 1, output: 1 }]]))).toBe(false)
  })

  it("a day on which a model ends says whether its provider has announced it", () => {
    const day = new Date("2026-11-30")
    expect([endingOf("gpt-5", day)?.isSure, endingOf("gemini-2.5-pro", day)?.isSure]).toEqual([true, false])
  })
})

describe("prices", () => {
  it.effect("a call's price is that of its tokens, cached input apart, in millionths of a dollar", () =>
    Effect.gen(function* () {
      expect(priceOf("gpt-5.2", tokens)).toBe(200 * 1.75 + 1_000 * 0.175 + 150 * 14)
      expect(priceOf("qwen3-vl", tokens)).toBeNull()
      const prices = yield* pricesOf("2026-11-01;gpt-5.2=1/0.5/2; org/qwen3-vl:8b = 0/0/0 ;")
      expect(priceOf("gpt-5.2", tokens, prices)).toBe(200 + 500 + 300)
      expect(priceOf("org/qwen3-vl:8b", tokens, prices)).toBe(0)
      // what the table alone knows is still known
      expect(priceOf("gpt-5.2-pro", tokens, prices)).toBe(priceOf("gpt-5.2-pro", tokens))
    })
  )

  for (const wrong of [
    "gpt-5.2",
    "gpt-5.2=1/2",
    "gpt-5.2=1/2/x",
    "gpt-5.2=-1/0/1",
    "m=1/1/1;m=1/1/1",
    "a b=1/1/1",
    "m=1/1/1;2026-11-01"
  ]) {
    it.effect(`MODEL_PRICES refuses ${JSON.stringify(wrong)} and says what is allowed`, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(pricesOf(wrong))
        expect(message).toContain("MODEL_PRICES")
        expect(message).toContain("1.75/0.175/14")
      })
    )
  }
})

it.effect("a start with a model that has ended, or ends within 90 days, warns of it by name and day", () =>
  Effect.gen(function* () {
    const lines: Array<unknown> = []
    const logger = Logger.make(({ message, fiber }) => void lines.push([message, fiber === undefined]))
    yield* TestClock.setTime(Date.parse("2026-11-30"))
    const start = (models: string) =>
      Effect.scoped(Layer.build(modelsFrom({ OPENAI_API_KEY: secret, OPENAI_MODELS: models, GEMINI_MODELS: "" }))).pipe(
        Effect.provide(Logger.layer([logger]))
      )
    yield* start("gpt-5.2,gpt-5-mini,qwen3-vl")
    expect(JSON.stringify(lines)).toContain("an offered model will not be served for long")
    expect(lines.length).toBe(1)
    yield* TestClock.setTime(Date.parse("2027-02-01"))
    yield* start("gpt-5-mini")
    expect(JSON.stringify(lines.at(-1))).toContain("an offered model is no longer served")
  })
)
