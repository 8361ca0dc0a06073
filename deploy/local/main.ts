/**
 * `npm start`: the whole system in one process on one port, for one machine. It provides what is not configured: a private Redis
 * under `.eco2/` unless REDIS_URL is set, an embedded database there unless DATABASE_URL is, a simulated model unless a
 * provider's key is.
 * Composition root: puts layers together, decides nothing else.
 */
import { CoreConfig, Worker } from "@eco2/core"
import { RedisClient, RedisSettings } from "@eco2/core/redis"
import { Role } from "@eco2/core/service"
import { characterMatch, characters, characterWorker, fresh } from "@eco2/actors/characters"
import { scanWorker } from "@eco2/actors/layers"
import { gateway } from "@eco2/gateway/layers"
import { newsRoutes, newsWorker } from "@eco2/news/layers"
import { Cause, ConfigProvider, Context, Effect, Layer, Scope } from "effect"
import * as LocalDatabase from "./LocalDatabase.ts"
import * as LocalEnvironment from "./LocalEnvironment.ts"
import * as LocalRedis from "./LocalRedis.ts"
import * as LocalState from "./LocalState.ts"
import * as OperatorAccess from "./OperatorAccess.ts"

// what this process and those it starts write is for its user alone
process.umask(0o077)

const host = "127.0.0.1"
const stateFolder = process.env.ECO2_STATE || OperatorAccess.defaultFolder
const madeSecret = LocalEnvironment.isSet(process.env.INTERNAL_SECRET) ? null : OperatorAccess.makeSecret()

/** The URL of the private Redis, once there is one. */
let privateRedis: string | undefined

/** The state folder: held from its first use until every part has stopped. */
class State extends Context.Service<
  State,
  Effect.Effect<LocalState.LocalState, LocalState.LocalStateBusy | LocalState.LocalStateUnusable>
>()("eco2/local/State") {}
const state = Layer.effect(
  State,
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.cached(Scope.provide(LocalState.make({ directory: stateFolder }), scope))
  )
)

/**
 * The private Redis, or the one at REDIS_URL. When the private one dies, the process ends at once: Redis holds the jobs, so work
 * cannot be handed back.
 */
const redis = Layer.unwrap(
  Effect.gen(function* () {
    const url = process.env.REDIS_URL
    if (url !== undefined && url !== "") return RedisClient.layer
    const state = yield* yield* State
    const server = yield* LocalRedis.make({ directory: state.path("redis") })
    yield* Effect.forkScoped(
      Effect.tapError(server.died, (error) =>
        Effect.andThen(
          Effect.logFatal(error.message),
          Effect.sync(() => process.exit(1))
        )
      )
    )
    privateRedis = server.url
    return RedisClient.layerUrl(server.url, { keyPrefix: yield* RedisSettings.keyPrefix })
  })
)

/** Built in the background, so that the other layers do not wait for it. */
const later = <E, R>(layer: Layer.Layer<never, E, R>): Layer.Layer<never, never, R> =>
  Layer.effectDiscard(
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.forkScoped(
        Effect.tapCause(Layer.buildWithScope(layer, scope), (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.void
            : Effect.andThen(
                Effect.logFatal("a role cannot start", cause),
                Effect.sync(() => process.exit(1))
              )
        )
      )
    )
  )

const database = Layer.unwrap(Effect.map(State, LocalDatabase.layer))

Role.run({
  role: "all",
  host,
  app: Layer.mergeAll(
    scanWorker,
    // until a new database is ready, the built-in catalogue answers
    characterMatch({ meanwhile: fresh }),
    later(characterWorker),
    gateway({ authDefault: "none", host }),
    newsRoutes,
    later(newsWorker),
    Worker.telemetry
  ).pipe(
    Layer.provide(characters),
    Layer.provide(Worker.layer({ role: "all" })),
    Layer.provide([redis, database, CoreConfig.layer]),
    Layer.provide(state),
    Layer.provide(ConfigProvider.layer(LocalEnvironment.provider(process.env, madeSecret ?? "")))
  ),
  started: (address, admin, ready) =>
    OperatorAccess.write(stateFolder, {
      address: admin,
      secret: madeSecret,
      ...(privateRedis === undefined ? {} : { redis: privateRedis })
    }).pipe(
      Effect.catch((error) =>
        Effect.logWarning("`npx eco2` cannot find this start").pipe(Effect.annotateLogs({ error: error.message }))
      ),
      Effect.andThen(ready),
      Effect.andThen(Effect.sync(() => process.stdout.write(`Eco² is ready at ${address}\n`)))
    )
})
