/**
 * ProviderDoctor: checks that every provider with offered models has a key, and the news sources too. With `probe` it tries each
 * key with a call that costs nothing: the list of the provider's models, which also shows offered models that it lacks or will
 * shut down. Whether models answer: ModelDoctor. No finding shows a key.
 */
import { ModelConfig } from "@eco2/actors/model-config"
import { SourceConfig } from "@eco2/news/source-config"
import { endsSoon } from "@eco2/actors/model-table"
import { Clock, Config, Effect, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { failing, ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

interface Provider {
  readonly name: "openai" | "gemini"
  readonly setting: string
  readonly key: Option.Option<Redacted.Redacted>
  readonly models: ReadonlyArray<string>
  /** The form of the provider's own keys; servers at other addresses have other keys. */
  readonly shape: RegExp
  readonly usual: boolean
  readonly list: (key: string) => HttpClientRequest.HttpClientRequest
}

const patience = "10 seconds"
const Listed = Schema.Struct({
  data: Schema.optional(
    Schema.Array(
      Schema.Struct({
        id: Schema.String,
        // the day on which it is shut down, if the provider says one
        shutdown_date: Schema.optionalKey(Schema.Unknown)
      })
    )
  ),
  models: Schema.optional(Schema.Array(Schema.Struct({ name: Schema.String })))
})
const decodeListed = Schema.decodeUnknownEffect(Listed)

/** The result of requesting the list of models. */
const probeModels = Effect.fnUntraced(function* (provider: Provider, key: string) {
  const check = `${provider.name}.probe`
  const http = yield* HttpClient.HttpClient
  const response = yield* http.execute(provider.list(key))
  if (response.status === 401 || response.status === 403) {
    return [failing(check, `refuses the key (HTTP ${response.status})`, `set another ${provider.setting}`)]
  }
  if (response.status !== 200) {
    return [
      failing(
        check,
        `answers HTTP ${response.status}`,
        `check ${provider.name.toUpperCase()}_BASE_URL and the provider's state`
      )
    ]
  }
  const { data = [], models = [] } = yield* Effect.flatMap(response.json, decodeListed)
  const has = new Set([...data.map(({ id }) => id), ...models.map(({ name }) => name.replace(/^models\//, ""))])
  const lacking = provider.models.filter((model) => !has.has(model))
  const today = new Date(yield* Clock.currentTimeMillis)
  const ending = data.flatMap(({ id, shutdown_date: day }) =>
    provider.models.includes(id) && typeof day === "string" && endsSoon(day, today) ? [`${id} on ${day}`] : []
  )
  return [
    lacking.length > 0
      ? warn(
          check,
          `accepts the key, but does not list ${lacking.join(", ")}`,
          `remove them from ${provider.name.toUpperCase()}_MODELS, or request access`
        )
      : ok(check, `accepts the key, and has all ${provider.models.length} models`),
    ...(ending.length > 0
      ? [warn(`${provider.name}.shutdown`, `the provider shuts down ${ending.join(", ")}`, "offer another model")]
      : [])
  ]
})

const unreached = (check: string, setting: string) => (error: { readonly message: string }) =>
  Effect.succeed(
    failing(check, `gave no usable answer: ${error.message.split("\n", 1)[0]}`, `check ${setting} and the network`)
  )

const ofProvider = Effect.fnUntraced(function* (provider: Provider, probe: boolean) {
  const { key, models, name, setting, shape, usual } = provider
  const check = `${name}.key`
  if (models.length === 0) return [ok(check, "none of its models are offered")]
  if (Option.isNone(key) && name === "openai" && !usual)
    return [ok(check, "another server than OpenAI's, without a key")]
  if (Option.isNone(key)) {
    return [
      failing(
        check,
        `${setting} is not set, and ${models.length} of its models are offered`,
        `set it, or set ${name.toUpperCase()}_MODELS to an empty value`
      )
    ]
  }
  const text = Redacted.value(key.value)
  const shaped =
    usual && !shape.test(text)
      ? warn(
          check,
          `${setting} is set, but does not look like a key of this provider`,
          "check that it is not the key of another service"
        )
      : ok(check, `${setting} is set`)
  if (!probe) return [shaped]
  const tried = yield* probeModels(provider, text).pipe(
    Effect.timeout(patience),
    Effect.catch((error) =>
      Effect.map(unreached(`${name}.probe`, `${name.toUpperCase()}_BASE_URL`)(error), (finding) => [finding])
    )
  )
  return [shaped, ...tried]
})

const ofModels = Effect.fnUntraced(function* (probe: boolean) {
  const { gemini, offered, openai } = yield* ModelConfig
  const of = (name: Provider["name"]) => offered.models.filter((model) => offered.providerOf(model) === name)
  const providers: ReadonlyArray<Provider> = [
    {
      name: "openai",
      setting: "OPENAI_API_KEY",
      key: openai.apiKey,
      models: of("openai"),
      shape: /^sk-[\w-]{20,}$/,
      usual: new URL(openai.baseUrl).hostname === "api.openai.com",
      list: (key) => HttpClientRequest.get(`${openai.baseUrl}/models`).pipe(HttpClientRequest.bearerToken(key))
    },
    {
      name: "gemini",
      setting: "GEMINI_API_KEY",
      key: gemini.apiKey,
      models: of("gemini"),
      shape: /^[\w.-]{30,}$/,
      usual: new URL(gemini.baseUrl).hostname.endsWith(".googleapis.com"),
      list: (key) =>
        HttpClientRequest.get(`${gemini.baseUrl}/v1beta/models?pageSize=1000`).pipe(
          HttpClientRequest.setHeader("x-goog-api-key", key)
        )
    }
  ]
  const simulated = offered.models.filter((model) => offered.providerOf(model) === "simulated")
  return [
    ...(yield* Effect.forEach(providers, (provider) => ofProvider(provider, probe))).flat(),
    ...(simulated.length > 0
      ? [
          warn(
            "models.simulated",
            "the simulated model is offered; its answers are invented",
            "unset SIMULATED_MODEL in production"
          )
        ]
      : [])
  ]
})

const off = (check: string, setting: string) =>
  warn(check, `${setting} is not set: this news source is off`, "set it if you want this source")

const ofNews = Effect.fnUntraced(function* (probe: boolean) {
  const { naver, newsdata } = yield* SourceConfig
  const { clientSecret } = naver
  if (naver.clientId === "" || Option.isNone(clientSecret)) {
    const lacking = naver.clientId === "" ? "NAVER_CLIENT_ID" : "NAVER_CLIENT_SECRET"
    return [off("naver.key", lacking), ofNewsData(newsdata.apiKey)]
  }
  const request = HttpClientRequest.get(`${naver.baseUrl}/v1/search/news.json?query=eco&display=1`).pipe(
    HttpClientRequest.setHeaders({
      "x-naver-client-id": naver.clientId,
      "x-naver-client-secret": Redacted.value(clientSecret.value)
    })
  )
  const tried = HttpClient.HttpClient.use((http) => http.execute(request)).pipe(
    Effect.timeout(patience),
    Effect.map(({ status }) =>
      status === 200
        ? ok("naver.probe", "accepts the key")
        : failing("naver.probe", `answers HTTP ${status}`, "check NAVER_CLIENT_ID, NAVER_CLIENT_SECRET, NAVER_BASE_URL")
    ),
    Effect.catch(unreached("naver.probe", "NAVER_BASE_URL"))
  )
  return [ok("naver.key", "both are set"), ...(probe ? [yield* tried] : []), ofNewsData(newsdata.apiKey)]
})

const ofNewsData = (key: Option.Option<Redacted.Redacted>): Finding =>
  Option.isNone(key)
    ? off("newsdata.key", "NEWSDATA_API_KEY")
    : ok("newsdata.key", "set; not tried, because a call counts against the 200 of the day")

const wrongSetting = (check: string) => (error: Config.ConfigError) =>
  Effect.succeed([failing(check, error.cause.message, "correct it as the message says")])

/** Checks the settings of models and news; with `probe` also the providers. */
export const examine = (probe: boolean): Effect.Effect<ReadonlyArray<Finding>, never, HttpClient.HttpClient> =>
  Effect.all(
    [
      Effect.catch(ofModels(probe), wrongSetting("models.settings")),
      Effect.catch(ofNews(probe), wrongSetting("news.settings"))
    ],
    { concurrency: "unbounded" }
  ).pipe(Effect.map((all) => all.flat()))
