/**
 * OfferedModels: the models that clients may name, and the provider of each. Gateways read it to check requests, workers to
 * choose the providers to start; so it needs no key and imports no provider.
 */
import { Setting } from "@eco2/core/client"
import { Config, ConfigProvider, Effect } from "effect"

/** The provider of a model. */
export type Provider = "openai" | "gemini" | "simulated"

/** The name of the simulated provider's model. */
export const simulatedModel = "simulated"

export interface OfferedModels {
  /** Names a request may carry: OpenAI's, then Google's, then `simulated`; never empty. */
  readonly models: ReadonlyArray<string>
  /** The model of a request that names none; one of `models`. */
  readonly default: string
  /** The provider of a model; undefined if the model is not offered. */
  readonly providerOf: (model: string) => Provider | undefined
}

/** What is served now, by ModelTable; what was served once is not offered by default. */
const openAiDefaults = ["gpt-5.2"]
const geminiDefaults = ["gemini-3.8-flash"]

/** Names go into URLs and metrics: letters, digits, `.`, `_`, `:`, `/`, `-`, no empty path segment and no `..`. */
const modelName = /^(?!.*\.\.)(?!.*\/\/)[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,98}[A-Za-z0-9])?$/

/**
 * A comma list of model names. Not set: `defaults`; set to empty: none.
 * Effect's environment provider reports an empty variable as missing, yet still lists its name below the first segment
 * (`OPENAI` has a child `MODELS`); this tells the two apart. The list is read by `yield*`, so that the provider in force at
 * that time is used.
 */
const modelList = (prefix: string, defaults: ReadonlyArray<string>): Config.Config<ReadonlyArray<string>> => {
  const name = `${prefix}_MODELS`
  return Config.String(name).pipe(
    Config.option,
    Config.mapEffect(
      Effect.fnUntraced(function* (value) {
        if (value._tag === "None") return (yield* isSetToEmpty(prefix, "MODELS")) ? [] : defaults
        const names = value.value
          .split(",")
          .map((part) => part.trim())
          .filter((part) => part !== "")
        return names.every((part) => modelName.test(part))
          ? [...new Set(names)]
          : yield* refuse(
              name,
              "must be a comma list of model names such as gpt-5.2, or empty to turn the provider off"
            )
      })
    )
  )
}

const refuse = (name: string, complaint: string) => Effect.fail(Setting.refuse(`${name} ${complaint}`))

const isSetToEmpty = Effect.fnUntraced(
  function* (prefix: string, rest: string) {
    const provider = yield* ConfigProvider.ConfigProvider
    const node = yield* provider.load([prefix])
    // a child with its own node is only the prefix of a longer name
    return node?._tag === "Record" && node.keys.has(rest) && (yield* provider.load([prefix, rest])) === undefined
  },
  Effect.mapError((cause) => new Config.ConfigError(cause))
)

const lists = Config.all({
  /** OPENAI_MODELS: models served by OpenAI, or by a server with the same API at OPENAI_BASE_URL. Empty turns it off. */
  openai: modelList("OPENAI", openAiDefaults),
  /** GEMINI_MODELS: models served by Google. Empty turns it off. */
  gemini: modelList("GEMINI", geminiDefaults),
  /** SIMULATED_MODEL: offers the model `simulated`, which calls no provider and says so in its answers. Default false. */
  simulated: Setting.flag("SIMULATED_MODEL", { default: false }),
  /** DEFAULT_MODEL: the model of a request that names none; one of those offered. Default: the first offered. */
  default: Setting.parsed<string | undefined>("DEFAULT_MODEL", {
    default: undefined,
    allowed: "one of the offered models",
    parse: (text) => text
  })
})

/**
 * The offered models. Fails when nothing is offered, a name stands in both lists, or the default is not offered.
 */
export const OfferedModels: Config.Config<OfferedModels> = lists.pipe(
  Config.mapEffect(
    Effect.fnUntraced(function* ({ openai, gemini, simulated, default: named }) {
      const providers = new Map<string, Provider>()
      for (const model of openai) providers.set(model, "openai")
      for (const model of gemini) {
        if (providers.has(model)) return yield* refuse("GEMINI_MODELS", `repeats ${model} of OPENAI_MODELS`)
        providers.set(model, "gemini")
      }
      if (providers.has(simulatedModel)) {
        const list = providers.get(simulatedModel) === "openai" ? "OPENAI_MODELS" : "GEMINI_MODELS"
        return yield* refuse(list, `must not name ${simulatedModel}; SIMULATED_MODEL=true offers it`)
      }
      if (simulated) providers.set(simulatedModel, "simulated")
      const models = [...providers.keys()]
      const first = models[0]
      if (first === undefined) {
        return yield* refuse(
          "OPENAI_MODELS",
          "is empty, and so is GEMINI_MODELS: name a model, or set SIMULATED_MODEL=true"
        )
      }
      if (named !== undefined && !providers.has(named)) {
        return yield* refuse("DEFAULT_MODEL", `must be one of the offered models: ${models.join(", ")}`)
      }
      return { models, default: named ?? first, providerOf: (model: string) => providers.get(model) }
    })
  )
)
