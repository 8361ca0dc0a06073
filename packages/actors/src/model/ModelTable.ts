/**
 * ModelTable: what is known of models: what they can do, until when they are served, and what they cost. Data, with the day it
 * was looked up; MODEL_PRICES overrides prices. A model that is not listed is taken for one that can do everything, costs what
 * nobody knows, and is asked only for what every server understands; what it then refuses is left out (openai/Form).
 * What the providers' own pages say is certain; what only others report is marked (`unsure`), and may have changed.
 * The pages: https://developers.openai.com/api/docs/deprecations, https://developers.openai.com/api/docs/pricing,
 * https://ai.google.dev/gemini-api/docs/deprecations, https://ai.google.dev/gemini-api/docs/pricing,
 * https://ai.google.dev/gemini-api/docs/openai (what a level of thinking is in tokens)
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
  /** The fewest tokens that it may be told to think, where it is told a number of tokens; null: it is told a level. */
  readonly leastThoughts: number | null
  readonly images: boolean
  /** How closely it looks at a picture, in the provider's word; null: it is not told. */
  readonly detail: string | null
  /** Tokens it may write, thoughts included. */
  readonly maxOutput: number
  /** The day after which it is not served, `2026-12-11`; null: none is announced. */
  readonly sunset: string | null
  readonly price: Price
  /** Parts that were not read on the provider's own pages, or of which reports differ. */
  readonly unsure: ReadonlyArray<"price" | "sunset">
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
  leastThoughts: null,
  maxOutput: 128_000,
  sunset: null,
  unsure: ["price"],
  ...facts
})
const gemini = (facts: Partial<ModelFacts> & { readonly price: Price }): ModelFacts => ({
  provider: "gemini",
  structured: "schema",
  efforts: ["minimal", "low", "medium", "high"],
  leastThoughts: null,
  images: true,
  detail: "MEDIA_RESOLUTION_HIGH",
  maxOutput: 65_536,
  sunset: null,
  unsure: [],
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
  "gpt-5.1": openai({
    efforts: ["none", "low", "medium", "high"],
    sunset: "2027-04-01",
    unsure: ["price", "sunset"],
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
  "gpt-5-pro": openai({
    efforts: ["high"],
    sunset: "2026-12-11",
    unsure: ["price", "sunset"],
    price: { input: 15, cached: 15, output: 120 }
  }),
  // billed at half of this until 2026-12-31
  "gemini-3.8-flash": gemini({ price: { input: 1.5, cached: 0.15, output: 7.5 } }),
  "gemini-3.5-flash": gemini({ unsure: ["price"], price: { input: 1.5, cached: 0.15, output: 9 } }),
  "gemini-3.1-flash-lite": gemini({
    sunset: "2027-05-07",
    unsure: ["price"],
    price: { input: 0.25, cached: 0.025, output: 1.5 }
  }),
  "gemini-3-flash-preview": gemini({ price: { input: 0.5, cached: 0.05, output: 3 } }),
  "gemini-3-pro-preview": gemini({
    efforts: ["low", "high"],
    sunset: "2026-03-09",
    unsure: ["price"],
    price: { input: 2, cached: 0.2, output: 12 }
  }),
  // the days of 2.5 and 2.0 were moved more than once; a request for pro or flash is then answered, and billed, by another model
  "gemini-2.5-pro": gemini({
    efforts: ["minimal", "low", "medium", "high"],
    leastThoughts: 128,
    detail: null,
    sunset: "2026-12-01",
    unsure: ["price", "sunset"],
    price: { input: 1.25, cached: 0.125, output: 10 }
  }),
  "gemini-2.5-flash": gemini({
    efforts: ["none", "minimal", "low", "medium", "high"],
    leastThoughts: 0,
    detail: null,
    sunset: "2026-12-01",
    unsure: ["price", "sunset"],
    price: { input: 0.3, cached: 0.03, output: 2.5 }
  }),
  "gemini-2.5-flash-lite": gemini({
    efforts: ["none", "minimal", "low", "medium", "high"],
    leastThoughts: 512,
    detail: null,
    unsure: ["price", "sunset"],
    price: { input: 0.1, cached: 0.01, output: 0.4 }
  }),
  "gemini-2.0-flash": gemini({
    efforts: null,
    detail: null,
    maxOutput: 8_192,
    sunset: "2026-06-01",
    unsure: ["price", "sunset"],
    price: { input: 0.1, cached: 0.025, output: 0.4 }
  }),
  "gemini-2.0-flash-lite": gemini({
    efforts: null,
    detail: null,
    maxOutput: 8_192,
    sunset: "2026-06-01",
    unsure: ["price", "sunset"],
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

/** What a level means in tokens, where a model is told tokens. */
const thoughts: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 512,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576
}

/**
 * How many tokens a model may think, where it is told so; null: it is told a level, or nothing. At most half of its output, so
 * that there is room for the answer; `none`: it does not think.
 */
export const thoughtsOf = (facts: ModelFacts | undefined, wanted: Effort, maxOutput: number): number | null => {
  const level = effortOf(facts, wanted)
  if (facts === undefined || facts.leastThoughts === null || level === null) return null
  return level === "none" ? 0 : Math.max(facts.leastThoughts, Math.min(thoughts[level], Math.floor(maxOutput / 2)))
}

/** Whether the price that `priceOf` uses was only reported by others. */
export const isPriceUnsure = (model: string, prices: ReadonlyMap<string, Price> = new Map()): boolean =>
  !prices.has(model) && factsOf(model)?.unsure.includes("price") === true

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

const daysUntil = (day: string, today: Date): number => (Date.parse(day) - today.getTime()) / 86_400_000

/** Whether a day of shutdown, `2026-12-11`, is over or within 90 days; false for what is no day. */
export const endsSoon = (day: string, today: Date): boolean => daysUntil(day, today) <= 90

/** Whether a model is no longer served on this day, or will not be within 90 days. `isSure`: its provider says so. */
export const endingOf = (
  model: string,
  today: Date
): { readonly sunset: string; readonly isOver: boolean; readonly isSure: boolean } | null => {
  const facts = factsOf(model)
  const sunset = facts?.sunset ?? null
  if (facts === undefined || sunset === null) return null
  return !endsSoon(sunset, today)
    ? null
    : { sunset, isOver: daysUntil(sunset, today) < 0, isSure: !facts.unsure.includes("sunset") }
}
