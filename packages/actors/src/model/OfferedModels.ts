/**
 * OfferedModels: which models a client may name, and who serves each. Read by gateways, to check a request, and by
 * workers, to decide which providers to start; so it needs no key and imports no provider.
 */
import { Setting } from "@eco2/core/client"
import { Config, ConfigProvider, Effect } from "effect"

/** Who serves a model. */
export type Provider = "openai" | "gemini" | "simulated"

/** The name under which the simulated provider is offered. */
export const simulatedModel = "simulated"

export interface OfferedModels {
  /** Names a request may carry: OpenAI's, then Google's, then `simulated`; never empty. */
  readonly models: ReadonlyArray<string>
  /** What a request that names none gets; one of `models`. */
  readonly default: string
  /** Who serves it; undefined for a model that is not offered. */
  readonly providerOf: (model: string) => Provider | undefined
}

const openAiDefaults = ["gpt-5.2", "gpt-5.2-pro", "gpt-5.1", "gpt-5", "gpt-5-pro", "gpt-5-mini"]
const geminiDefaults = [
  "gemini-3-pro-preview",
  "gemini-3-flash-preview",
  "gemini-2.5-pro",
  "gemini-2.5-flash",
  "gemini-2.5-flash-lite",
  "gemini-2.0-flash",
  "gemini-2.0-flash-lite"
]

/** Names go into URLs and metrics: letters, digits, `.`, `_`, `:`, `/`, `-`, no empty path segment and no `..`. */
const modelName = /^(?!.*\.\.)(?!.*\/\/)[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,98}[A-Za-z0-9])?$/

/**
 * A comma list of model names. Left out: `defaults`; set to empty: none.
 * The usual environment provider reports an empty variable as missing, yet still lists its name below the first
 * segment (`OPENAI` has a child `MODELS`): by that the two are told apart. So the list is read by `yield*`, under the
 * provider then in force.
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
    // a child with a node of its own is only the beginning of a longer name
    return node?._tag === "Record" && node.keys.has(rest) && (yield* provider.load([prefix, rest])) === undefined
  },
  Effect.mapError((cause) => new Config.ConfigError(cause))
)

const lists = Config.all({
  /** OPENAI_MODELS: models served by OpenAI, or by what speaks its API at OPENAI_BASE_URL. Empty turns it off. */
  openai: modelList("OPENAI", openAiDefaults),
  /** GEMINI_MODELS: models served by Google. Empty turns it off. */
  gemini: modelList("GEMINI", geminiDefaults),
  /** SIMULATED_MODEL: offers the model `simulated`, which asks nobody and says so in its answers. Default false. */
  simulated: Setting.flag("SIMULATED_MODEL", { default: false }),
  /** DEFAULT_MODEL: used when a request names none; one of those offered. Default: the first offered. */
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
