/**
 * ModelDoctor: compares the models that are offered here with those that workers serve, names those that end or whose price is
 * not certain, and with `probe` asks each of them one small question (ModelProbe): a paid call for each. Read-only but for that.
 * A Redis without Eco²'s data is not looked at. RedisDoctor reports a Redis that does not answer.
 */
import { ModelConfig } from "@eco2/actors/model-config"
import * as ModelProbe from "@eco2/actors/model-probe"
import * as ModelTable from "@eco2/actors/model-table"
import { ServedModels } from "@eco2/actors/protocol"
import { CoreConfig, Topic } from "@eco2/core/client"
import { RedisClient } from "@eco2/core/redis"
import { Clock, Config, Effect, Layer, Result } from "effect"
import { failing, ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

/** A model's own name may be a long one of a router. */
const checkOf = (model: string): string => `model.${model}`

const services = ServedModels.layer.pipe(
  Layer.provide(Topic.layer),
  Layer.provideMerge(RedisClient.layer),
  Layer.provide(CoreConfig.layer),
  Layer.fresh
)

const ofServed = Effect.fnUntraced(function* (offered: ReadonlyArray<string>) {
  const check = "models.served"
  const redis = yield* RedisClient.RedisClient
  if ((yield* redis.send("EXISTS", redis.keys.meta)) === 0) return []
  const { served } = yield* ServedModels.ServedModels
  const now = served()
  if (now.length === 0) {
    return [warn(check, "no worker has said which models it serves", "scan-workers say so at their start; do any run?")]
  }
  const lacking = offered.filter((model) => !now.includes(model))
  const more = now.filter((model) => !offered.includes(model))
  const beside = more.length === 0 ? "" : `; workers also serve ${more.join(", ")}, which is not offered here`
  return [
    lacking.length > 0
      ? failing(
          check,
          `offered here, and served by no worker: ${lacking.join(", ")}${beside}`,
          "gateways do not offer them; give gateways and scan-workers the same OPENAI_MODELS, GEMINI_MODELS and SIMULATED_MODEL"
        )
      : more.length > 0
        ? warn(
            check,
            `all ${offered.length} offered models are served${beside}`,
            "offer them, or take them from the workers"
          )
        : ok(check, `offered and served: ${offered.join(", ")}`)
  ]
})

const ofTable = Effect.fnUntraced(function* ({ offered, prices }: ModelConfig) {
  const today = new Date(yield* Clock.currentTimeMillis)
  const hosted = offered.models.filter((model) => offered.providerOf(model) !== "simulated")
  const ending = hosted.flatMap((model) => {
    const end = ModelTable.endingOf(model, today)
    return end === null
      ? []
      : [`${model} ${end.isOver ? "ended" : "ends"} on ${end.sunset}${end.isSure ? "" : " (as others report)"}`]
  })
  const unsure = hosted.filter((model) => ModelTable.isPriceUnsure(model, prices))
  const unpriced = hosted.filter((model) => !prices.has(model) && ModelTable.factsOf(model) === undefined)
  const table = `the table of ${ModelTable.tableDate}`
  return [
    ...(ending.length > 0 ? [warn("models.ending", `${ending.join(", ")}, by ${table}`, "offer another model")] : []),
    ...(unsure.length > 0
      ? [
          warn(
            "models.prices",
            `prices that were not read on the provider's own page: ${unsure.join(", ")}, by ${table}`,
            "compare them with your provider's page, and set MODEL_PRICES; costs and budgets in money rest on them"
          )
        ]
      : []),
    ...(unpriced.length > 0
      ? [warn("models.unpriced", `no price is known: ${unpriced.join(", ")}`, "set MODEL_PRICES, if costs matter")]
      : [])
  ]
})

const ofProbed = ({ millis, model, result }: ModelProbe.Probed): Finding => {
  const check = checkOf(model)
  const took = `${(millis / 1000).toFixed(1)} s`
  if (Result.isFailure(result)) {
    const { excerpt, message, requestId } = result.failure
    const said = excerpt === undefined || excerpt === "" ? "" : `; it said: ${excerpt}`
    const named = requestId === undefined ? "" : ` (request ${requestId})`
    return failing(
      check,
      `${result.failure._tag} after ${took}: ${message}${said}${named}`,
      "docs/operations/models.md#what-an-answer-means says what it means"
    )
  }
  const { cost, usage } = result.success
  const price = cost === null ? "at an unknown price" : `for $${(cost / 1_000_000).toFixed(6)}`
  return ok(
    check,
    `answered as asked after ${took}, with ${usage.inputTokens} tokens in and ${usage.outputTokens} out, ${price}`
  )
}

const probed = Effect.gen(function* () {
  const found = yield* ModelProbe.all
  return [
    ...(found.length === 0
      ? []
      : [
          ok(
            "models.probe",
            `asked ${found.length === 1 ? "one model a question" : `${found.length} models a question each`}: a paid call for each`
          )
        ]),
    ...found.map(ofProbed)
  ]
}).pipe(
  Effect.catch((error) =>
    Effect.succeed([
      warn(
        "models.probe",
        `no model was asked: ${error instanceof Config.ConfigError ? error.cause.message : error.message}`,
        "set what is missing"
      )
    ])
  )
)

export const examine = (probe: boolean): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const config = yield* ModelConfig
    const served = ofServed(config.offered.models).pipe(
      Effect.provide(services),
      Effect.timeout("10 seconds"),
      Effect.catch(() => Effect.succeed([]))
    )
    const parts = yield* Effect.all([served, ofTable(config), probe ? probed : Effect.succeed([])], {
      concurrency: "unbounded"
    })
    return parts.flat()
    // ProviderDoctor reports a wrong setting
  }).pipe(Effect.catch(() => Effect.succeed([])))
