/**
 * `npm start`: the whole system in one process on one port, for one machine. What is not given is brought along: a private
 * Redis under `.eco2/` unless REDIS_URL is set, a simulated model unless a provider's key is.
 * Composition root: puts layers together, decides nothing else.
 */
import { Core, CoreConfig, RedisClient, Role } from "@eco2/core"
import { scanWorker } from "@eco2/actors/layers"
import { gateway } from "@eco2/gateway/layers"
import { ConfigProvider, Effect, Layer } from "effect"
import * as LocalEnvironment from "./LocalEnvironment.ts"
import * as LocalRedis from "./LocalRedis.ts"
import * as LocalState from "./LocalState.ts"
import * as OperatorAccess from "./OperatorAccess.ts"

const host = "127.0.0.1"
const stateFolder = process.env.ECO2_STATE || OperatorAccess.defaultFolder
const madeSecret = LocalEnvironment.isSet(process.env.INTERNAL_SECRET) ? null : OperatorAccess.makeSecret()

/**
 * The private Redis, or the one REDIS_URL names. When the private one dies, so does the process, at once: Redis holds the
 * jobs, so there is nobody left to hand work back to.
 */
const redis = Layer.unwrap(
  Effect.gen(function* () {
    const url = process.env.REDIS_URL
    if (url !== undefined && url !== "") return RedisClient.layer
    const state = yield* LocalState.make({ directory: stateFolder })
    const server = yield* LocalRedis.make({ directory: state.path("redis") })
    yield* Effect.forkScoped(
      Effect.tapError(server.died, (error) =>
        Effect.andThen(
          Effect.logFatal(error.message),
          Effect.sync(() => process.exit(1))
        )
      )
    )
    return RedisClient.layerUrl(server.url)
  })
)

Role.run({
  role: "all",
  host,
  app: Layer.mergeAll(scanWorker, gateway({ authDefault: "none", host }), Core.workerTelemetry).pipe(
    Layer.provide(Core.worker({ role: "all" })),
    Layer.provide(Layer.merge(redis, CoreConfig.layer)),
    Layer.provide(ConfigProvider.layer(LocalEnvironment.provider(process.env, madeSecret ?? "")))
  ),
  started: (address) =>
    OperatorAccess.write(stateFolder, { address, secret: madeSecret }).pipe(
      Effect.catch((error) =>
        Effect.logWarning("`npx eco2` will not find this start").pipe(Effect.annotateLogs({ error: error.message }))
      ),
      Effect.andThen(Effect.sync(() => process.stdout.write(`Eco² is ready at ${address}\n`)))
    )
})
