/**
 * ModelConfig: the workers' settings of the model providers: keys and addresses. Separate from OfferedModels, which gateways
 * read too, so that a gateway never holds a key.
 */
import { Setting } from "@eco2/core"
import { Config, Duration, Effect, Option, Redacted } from "effect"
import { ModelPrices } from "./ModelPrices.ts"
import { efforts } from "./ModelTable.ts"
import type { Effort } from "./ModelTable.ts"
import { modelTimeout } from "./ModelTimeout.ts"
import { OfferedModels } from "./OfferedModels.ts"

/** Redacted before it is checked, so that no failure can show it. */
const key = (name: string) =>
  Config.Redacted(name).pipe(
    Config.option,
    Config.mapEffect((value): Effect.Effect<Option.Option<Redacted.Redacted>, Config.ConfigError> => {
      const text = Option.match(value, { onNone: () => "", onSome: (secret) => Redacted.value(secret).trim() })
      if (text === "") return Effect.succeed(Option.none())
      return /^[\x21-\x7e]+$/.test(text)
        ? Effect.succeed(Option.some(Redacted.make(text, { label: name })))
        : // the value is a secret, so this error does not repeat it
          Effect.fail(Setting.refuse(`${name} must be printable ASCII without blanks`))
    })
  )

const apis = ["auto", "responses", "chat"] as const

const millis = (name: string, fallback: number) =>
  Setting.integer(name, { default: fallback, min: 0, max: 600_000 }).pipe(Config.map(Duration.millis))

export const ModelConfig = Config.all({
  offered: OfferedModels,
  openai: Config.all({
    /** OPENAI_API_KEY: needed by workers while OPENAI_MODELS names any and OPENAI_BASE_URL is OpenAI's. */
    apiKey: key("OPENAI_API_KEY"),
    /** OPENAI_BASE_URL: OpenAI's API or one that speaks it, version included. Default https://api.openai.com/v1. */
    baseUrl: Setting.webUrl("OPENAI_BASE_URL", { default: "https://api.openai.com/v1" }),
    /** OPENAI_API: `responses`, `chat` (Chat Completions), or `auto`: the one of them that the server knows. Default auto. */
    api: Setting.parsed<"auto" | "responses" | "chat">("OPENAI_API", {
      default: "auto",
      allowed: "auto, responses or chat",
      parse: (text) => apis.find((api) => api === text)
    })
  }),
  gemini: Config.all({
    /** GEMINI_API_KEY: needed by workers while GEMINI_MODELS names any. */
    apiKey: key("GEMINI_API_KEY"),
    /** GEMINI_BASE_URL: Google's API, without a version. Default https://generativelanguage.googleapis.com. */
    baseUrl: Setting.webUrl("GEMINI_BASE_URL", { default: "https://generativelanguage.googleapis.com" })
  }),
  simulated: Config.all({
    /** SIMULATED_VISION_MS: how long a simulated classification takes. Default 400. */
    visionLatency: millis("SIMULATED_VISION_MS", 400),
    /** SIMULATED_ANSWER_MS: how long a simulated answer takes. Default 600. */
    answerLatency: millis("SIMULATED_ANSWER_MS", 600),
    /** SIMULATED_FAILURE_RATE: the share of simulated calls that fail as unavailable, 0 to 1. Default 0. */
    failureRate: Setting.parsed("SIMULATED_FAILURE_RATE", {
      default: 0,
      allowed: "a number from 0 to 1",
      parse: (text) => (Number(text) >= 0 && Number(text) <= 1 ? Number(text) : undefined)
    })
  }),
  /** FETCH_IMAGES: whether workers fetch pictures by their address for every provider, without metadata. Default true. */
  fetchImages: Setting.flag("FETCH_IMAGES", { default: true }),
  /** See ModelTimeout. */
  timeout: modelTimeout,
  /** MODEL_EFFORT: how much models think before they answer, where they can be told; the nearest they take. Default low. */
  effort: Setting.parsed<Effort>("MODEL_EFFORT", {
    default: "low",
    allowed: efforts.join(", "),
    parse: (text) => efforts.find((effort) => effort === text)
  }),
  /** MODEL_MAX_OUTPUT: the longest output of one call in tokens, thoughts included; a model's own bound may be lower. Default 4000. */
  maxOutput: Setting.integer("MODEL_MAX_OUTPUT", { default: 4_000, min: 256, max: 128_000 }),
  /** MODEL_PRICES: what models cost, before the table of prices in the code (ModelTable). Default: none. */
  prices: ModelPrices
})
export type ModelConfig = Config.Success<typeof ModelConfig>
