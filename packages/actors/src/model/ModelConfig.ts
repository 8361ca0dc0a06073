/**
 * ModelConfig: how workers reach the model providers. Which models are offered is OfferedModels, read by gateways too;
 * keys and addresses stand here, so that a gateway never holds a key.
 */
import { Config, Duration, Effect, Option, Redacted, Schema } from "effect"
import { OfferedModels } from "./OfferedModels.ts"
import { setting, wrongSetting } from "./Setting.ts"

/** Redacted before it is looked at, so that no failure can show it. */
const key = (name: string) =>
  Config.Redacted(name).pipe(
    Config.option,
    Config.mapEffect((value): Effect.Effect<Option.Option<Redacted.Redacted>, Config.ConfigError> => {
      const text = Option.match(value, { onNone: () => "", onSome: (secret) => Redacted.value(secret).trim() })
      if (text === "") return Effect.succeed(Option.none())
      return /^[\x21-\x7e]+$/.test(text)
        ? Effect.succeed(Option.some(Redacted.make(text, { label: name })))
        : wrongSetting(name, "must be printable ASCII without blanks")
    })
  )

const HttpUrl = Schema.String.check(
  Schema.makeFilter((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))
)
const baseUrl = (name: string, fallback: string) =>
  setting(name, HttpUrl, "an http or https URL", fallback).pipe(Config.map((url) => url.replace(/\/+$/, "")))

const millis = (name: string, fallback: number) =>
  setting(
    name,
    Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0, maximum: 600_000 })),
    "milliseconds from 0 to 600000",
    fallback
  ).pipe(Config.map(Duration.millis))

const longestTimeout = Duration.minutes(5)

export const ModelConfig = Config.all({
  offered: OfferedModels,
  openai: Config.all({
    /** OPENAI_API_KEY: needed by workers while OPENAI_MODELS names any. */
    apiKey: key("OPENAI_API_KEY"),
    /** OPENAI_BASE_URL: OpenAI's API or one that speaks it, version included. Default https://api.openai.com/v1. */
    baseUrl: baseUrl("OPENAI_BASE_URL", "https://api.openai.com/v1")
  }),
  gemini: Config.all({
    /** GEMINI_API_KEY: needed by workers while GEMINI_MODELS names any. */
    apiKey: key("GEMINI_API_KEY"),
    /** GEMINI_BASE_URL: Google's API, without a version. Default https://generativelanguage.googleapis.com. */
    baseUrl: baseUrl("GEMINI_BASE_URL", "https://generativelanguage.googleapis.com")
  }),
  simulated: Config.all({
    /** SIMULATED_VISION_MS: how long a simulated classification takes. Default 400. */
    visionLatency: millis("SIMULATED_VISION_MS", 400),
    /** SIMULATED_ANSWER_MS: how long a simulated answer takes. Default 600. */
    answerLatency: millis("SIMULATED_ANSWER_MS", 600),
    /** SIMULATED_FAILURE_RATE: the share of simulated calls that fail as unavailable, 0 to 1. Default 0. */
    failureRate: setting(
      "SIMULATED_FAILURE_RATE",
      Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
      "a number from 0 to 1",
      0
    )
  }),
  /**
   * MODEL_TIMEOUT: the longest one model call may take, at most 5 minutes (Node's own limit for a silent connection).
   * Default "60 seconds".
   */
  timeout: setting(
    "MODEL_TIMEOUT",
    Schema.DurationFromString.check(
      Schema.makeFilter(
        (duration) =>
          Duration.isGreaterThan(duration, Duration.zero) && Duration.isLessThanOrEqualTo(duration, longestTimeout)
      )
    ),
    "a duration such as 60 seconds, at most 5 minutes",
    Duration.seconds(60)
  )
})
export type ModelConfig = Config.Success<typeof ModelConfig>
