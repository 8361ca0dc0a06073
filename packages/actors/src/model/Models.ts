/**
 * Models: both ports as configured, for workers. A request goes to the provider of its model. Only providers with offered
 * models are started, and only those load their client library.
 */
import { Jitter } from "@eco2/core"
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import type { Config, Redacted } from "effect"
import { AnswerModel } from "./AnswerModel.ts"
import * as GeminiModel from "./gemini/GeminiModel.ts"
import { ModelConfig } from "./ModelConfig.ts"
import { ModelNotServed } from "./ModelError.ts"
import { endingOf, tableDate } from "./ModelTable.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import type { Provider } from "./OfferedModels.ts"
import * as OpenAiModel from "./openai/OpenAiModel.ts"
import * as SimulatedModel from "./simulated/SimulatedModel.ts"
import { VisionModel } from "./VisionModel.ts"

/** Until another worker may have taken the job up. */
const notServedMillis = 5_000

/** A provider's models are offered, but its key is not set. The process must not start, because every job would fail. */
export class ModelKeyMissing extends Schema.TaggedError<ModelKeyMissing>()("ModelKeyMissing", {
  /** The variable that is missing, and the list that requires it. */
  variable: Schema.String,
  list: Schema.String
}) {
  override get message() {
    return `${this.variable} is missing, though ${this.list} offers models; set the key, or turn the provider off with an empty ${this.list}=`
  }
}

/**
 * The providers with offered models, from ModelConfig.
 * - fails with ModelKeyMissing, or with ConfigError naming the variable that is wrong
 */
export const providers: Effect.Effect<
  ReadonlyMap<Provider, ModelProvider>,
  ModelKeyMissing | Config.ConfigError
> = Effect.gen(function* () {
  const { effort, gemini, maxOutput, offered, openai, simulated, timeout } = yield* ModelConfig
  const serves = (provider: Provider) => offered.models.some((model) => offered.providerOf(model) === provider)
  const made = new Map<Provider, ModelProvider>()
  if (serves("openai")) {
    // a server of one's own needs no key
    if (isOpenAisOwn(openai.baseUrl)) yield* present(openai.apiKey, "OPENAI")
    made.set("openai", yield* OpenAiModel.make({ ...openai, effort, maxOutput, timeout }))
  }
  if (serves("gemini")) {
    const apiKey = yield* present(gemini.apiKey, "GEMINI")
    made.set("gemini", yield* GeminiModel.make({ apiKey, baseUrl: gemini.baseUrl, effort, maxOutput, timeout }))
  }
  if (serves("simulated")) made.set("simulated", SimulatedModel.make(simulated))
  return made
})

/** VisionModel and AnswerModel. A model that is not offered here: ModelNotServed, provider `none`. */
export const layer: Layer.Layer<VisionModel | AnswerModel, ModelKeyMissing | Config.ConfigError> = Layer.effectContext(
  Effect.gen(function* () {
    const { offered } = yield* ModelConfig
    yield* warnOfEndings(offered.models)
    const made = yield* providers

    const routed = Effect.fnUntraced(function* (model: string) {
      const provider = offered.providerOf(model)
      const found = provider === undefined ? undefined : made.get(provider)
      return (
        found ??
        (yield* new ModelNotServed({
          provider: "none",
          model,
          message: `this worker does not serve ${model}`,
          retryAfterMillis: Jitter.millis(notServedMillis)
        }))
      )
    })
    return Context.make(VisionModel, {
      classify: (request) => Effect.flatMap(routed(request.model), ({ classify }) => classify(request))
    }).pipe(
      Context.add(AnswerModel, {
        answer: (request) => Effect.flatMap(routed(request.model), ({ answer }) => answer(request))
      })
    )
  })
)

/** A model that is no longer served, or not for long, is said at start: jobs would only fail. */
const warnOfEndings = Effect.fnUntraced(function* (models: ReadonlyArray<string>) {
  const today = new Date(yield* Clock.currentTimeMillis)
  for (const model of models) {
    const ending = endingOf(model, today)
    if (ending === null) continue
    yield* Effect.logWarning(
      ending.isOver ? "an offered model is no longer served" : "an offered model will not be served for long"
    ).pipe(Effect.annotateLogs({ model, sunset: ending.sunset, sure: ending.isSure, table_date: tableDate }))
  }
})

const isOpenAisOwn = (baseUrl: string): boolean => URL.parse(baseUrl)?.hostname === "api.openai.com"

const present = (key: Option.Option<Redacted.Redacted>, prefix: "OPENAI" | "GEMINI") =>
  Option.match(key, {
    onSome: (secret) => Effect.succeed(secret),
    onNone: () => Effect.fail(new ModelKeyMissing({ variable: `${prefix}_API_KEY`, list: `${prefix}_MODELS` }))
  })
