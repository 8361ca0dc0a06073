/**
 * ModelTable: what is known of models: what they can do, until when they are served, and what they cost. Data, with the day it
 * was looked up; MODEL_PRICES overrides prices. A model that is not listed is taken for one that can do everything, costs what
 * nobody knows, and is asked only for what every server understands; what it then refuses is left out (openai/Form).
 * Sources: https://platform.openai.com/docs/deprecations, https://openai.com/api/pricing,
 * https://ai.google.dev/gemini-api/docs/deprecations, https://ai.google.dev/gemini-api/docs/pricing
 */
import type { Tokens } from "./Usage.ts"

/** How much a model thinks before it answers, from least to most. */
export const efforts = ["none", "minimal", "low", "medium", "high", "xhigh"] as const
export type Effort = (typeof efforts)[number]

/** US dollars for a million tokens; `cached`: of input that the provider had in its cache. */
export interface Price {
  readonly input: number
  readonly cached: number
  readonly output: number
}

export interface ModelFacts {
  readonly provider: "openai" | "gemini"
  /** schema: keeps to a JSON Schema · object: writes JSON · none: is told to by the instructions alone */
  readonly structured: "schema" | "object" | "none"
  /** Levels it takes; null: it is not told. */
  readonly efforts: ReadonlyArray<Effort> | null
  readonly images: boolean
  /** How closely it looks at a picture, in the provider's word; null: it is not told. */
  readonly detail: string | null
  /** Tokens it may write, thoughts included. */
  readonly maxOutput: number
  /** The day after which it is not served, `2026-12-11`; null: none is announced. */
  readonly sunset: string | null
  readonly price: Price
}

/** The day of this table. */
export const tableDate = "2026-11-30"

const openai = (
  facts: Partial<ModelFacts> & { readonly efforts: ReadonlyArray<Effort>; readonly price: Price }
): ModelFacts => ({
  provider: "openai",
  structured: "schema",
  images: true,
  detail: "auto",
  maxOutput: 128_000,
  sunset: null,
  ...facts
})
const gemini = (facts: Partial<ModelFacts> & { readonly price: Price }): ModelFacts => ({
  provider: "gemini",
  structured: "schema",
  efforts: ["minimal", "low", "medium", "high"],
  images: true,
  detail: "MEDIA_RESOLUTION_HIGH",
  maxOutput: 65_536,
  sunset: null,
  ...facts
})

export const table: Readonly<Record<string, ModelFacts>> = {
  "gpt-5.2": openai({
    efforts: ["none", "low", "medium", "high", "xhigh"],
    price: { input: 1.75, cached: 0.175, output: 14 }
  }),
  "gpt-5.2-pro": openai({
    structured: "none",
    efforts: ["medium", "high", "xhigh"],
    price: { input: 21, cached: 21, output: 168 }
  }),
  // said to end, no day found
  "gpt-5.1": openai({
    efforts: ["none", "low", "medium", "high"],
    price: { input: 1.25, cached: 0.125, output: 10 }
  }),
  "gpt-5": openai({
    efforts: ["minimal", "low", "medium", "high"],
    sunset: "2026-12-11",
    price: { input: 1.25, cached: 0.125, output: 10 }
  }),
  "gpt-5-mini": openai({
    efforts: ["minimal", "low", "medium", "high"],
    sunset: "2026-12-11",
    price: { input: 0.25, cached: 0.025, output: 2 }
  }),
  "gpt-5-pro": openai({ efforts: ["high"], sunset: "2026-12-11", price: { input: 15, cached: 15, output: 120 } }),
  // half the price until 2026-12-31
  "gemini-3.8-flash": gemini({ price: { input: 1.5, cached: 0.15, output: 7.5 } }),
  "gemini-3.5-flash": gemini({ price: { input: 1.5, cached: 0.15, output: 9 } }),
  "gemini-3.1-flash-lite": gemini({ sunset: "2027-05-07", price: { input: 0.25, cached: 0.025, output: 1.5 } }),
  "gemini-3-flash-preview": gemini({ price: { input: 0.5, cached: 0.05, output: 3 } }),
  "gemini-3-pro-preview": gemini({
    efforts: ["low", "high"],
    sunset: "2026-03-09",
    price: { input: 2, cached: 0.2, output: 12 }
  }),
  "gemini-2.5-pro": gemini({
    efforts: null,
    detail: null,
    sunset: "2026-06-17",
    price: { input: 1.25, cached: 0.125, output: 10 }
  }),
  "gemini-2.5-flash": gemini({
    efforts: null,
    detail: null,
    sunset: "2026-06-17",
    price: { input: 0.3, cached: 0.03, output: 2.5 }
  }),
  "gemini-2.5-flash-lite": gemini({
    efforts: null,
    detail: null,
    sunset: "2026-07-22",
    price: { input: 0.1, cached: 0.01, output: 0.4 }
  }),
  "gemini-2.0-flash": gemini({
    efforts: null,
    detail: null,
    maxOutput: 8_192,
    sunset: "2026-06-01",
    price: { input: 0.1, cached: 0.025, output: 0.4 }
  }),
  "gemini-2.0-flash-lite": gemini({
    efforts: null,
    detail: null,
    maxOutput: 8_192,
    sunset: "2026-06-01",
    price: { input: 0.075, cached: 0.075, output: 0.3 }
  })
}

/** Of a model, or of the model behind a dated name (`gpt-5.2-2025-12-11`) or a router's (`openai/gpt-5.2`). */
export const factsOf = (model: string): ModelFacts | undefined => {
  const name = model.slice(model.lastIndexOf("/") + 1).replace(/-\d{4}-\d{2}-\d{2}$/, "")
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** The level a model takes that is nearest to the one that is wanted, the lower of two; null: it takes none. */
export const effortOf = (facts: ModelFacts | undefined, wanted: Effort): Effort | null => {
  const levels = facts?.efforts ?? []
  const distance = (level: Effort) => Math.abs(efforts.indexOf(level) - efforts.indexOf(wanted))
  return levels.reduce<Effort | null>(
    (best, level) => (best === null || distance(level) < distance(best) ? level : best),
    null
  )
}

/**
 * What a call costs, in millionths of a dollar; null if the price is not known. `prices` (MODEL_PRICES) come first.
 *
 *     priceOf("gpt-5.2", { inputTokens: 1_200, cachedTokens: 1_000, outputTokens: 150, reasoningTokens: 50 }) // 2_625
 */
export const priceOf = (
  model: string,
  { cachedTokens, inputTokens, outputTokens }: Tokens,
  prices: ReadonlyMap<string, Price> = new Map()
): number | null => {
  const price = prices.get(model) ?? factsOf(model)?.price
  if (price === undefined) return null
  return Math.ceil(
    (inputTokens - cachedTokens) * price.input + cachedTokens * price.cached + outputTokens * price.output
  )
}

/** Whether a model is no longer served on this day, or will not be within 90 days. */
export const endingOf = (model: string, today: Date): { readonly sunset: string; readonly isOver: boolean } | null => {
  const sunset = factsOf(model)?.sunset ?? null
  if (sunset === null) return null
  const days = (Date.parse(sunset) - today.getTime()) / 86_400_000
  return days > 90 ? null : { sunset, isOver: days < 0 }
}
