/**
 * Serving: runs roles of the project inside the test's process, over real HTTP and a real Redis, composed as in their `main.ts`,
 * but with the environment that a test gives them and a log that it can read. A start takes milliseconds.
 */
import { Client, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Role } from "@eco2/core/service"
import { Postgres } from "@eco2/core/postgres"
import { characterMatch, characters } from "@eco2/actors/characters"
import { scanWorker } from "@eco2/actors/layers"
import { authz, authzPermissions, gateway } from "@eco2/gateway/layers"
import { newsApi, newsApiPermissions } from "@eco2/news/layers"
import { characters as catalogue } from "../../packages/actors/src/domain/Character.ts"
import {
  Cause,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  References
} from "effect"
import { setTimeout as delay } from "node:timers/promises"

export type Environment = Readonly<Record<string, string>>

/** The simulated model alone, answering at once. */
export const simulatedOnly: Environment = {
  OPENAI_MODELS: "",
  GEMINI_MODELS: "",
  SIMULATED_MODEL: "true",
  SIMULATED_VISION_MS: "0",
  SIMULATED_ANSWER_MS: "0"
}

export interface Serving {
  /** As in `http://127.0.0.1:41234`. */
  readonly address: string
  /** Of ADMIN_PORT; the same without it. */
  readonly admin: string
  readonly routes: Role.Routes["Service"]
  readonly logs: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Stops in order, as SIGTERM would. Does nothing the second time. */
  readonly stop: () => Promise<void>
}

const host = "127.0.0.1"
const fromEnvironment = Layer.fresh(Client.fromEnvironment)
const builtIn = characterMatch({ meanwhile: catalogue }).pipe(
  Layer.provide(Layer.succeed(Postgres.Postgres, Postgres.absent))
)
const apps = {
  authz: authz.pipe(Layer.provide(Client.layer), Layer.provide(fromEnvironment), Layer.provide(authzPermissions)),
  gateway: gateway({ authDefault: "jwt", host }).pipe(
    Layer.provide(Layer.provide(characters, Layer.fresh(Postgres.layerOptional))),
    Layer.provide(Client.layer),
    Layer.provide(fromEnvironment)
  ),
  "news-api": newsApi.pipe(
    Layer.provide([Layer.fresh(RedisClient.layer), Layer.fresh(Postgres.layer)]),
    Layer.provide(newsApiPermissions)
  ),
  // with the characters it asks for, without a database
  "scan-worker": Layer.mergeAll(scanWorker, builtIn, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "scan-worker" })),
    Layer.provide(fromEnvironment)
  )
}

/** Rejects with the role's own error if it cannot start. */
export const start = async (role: keyof typeof apps, env: Environment): Promise<Serving> => {
  const logs: Array<Readonly<Record<string, unknown>>> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    const text = Array.isArray(message) ? message.join(" ") : String(message)
    logs.push({ level: logLevel, msg: text, ...fiber.getRef(References.CurrentLogAnnotations) })
  })
  const listening = Deferred.makeUnsafe<{ readonly address: string; readonly admin: string }>()
  const routes = Deferred.makeUnsafe<Role.Routes["Service"]>()
  const layer = Role.layer<unknown>({
    role,
    host,
    app: apps[role],
    started: (address, admin) => Effect.asVoid(Deferred.succeed(listening, { address, admin }))
  })
  const fiber = Effect.runFork(
    Layer.build(layer).pipe(
      Effect.andThen((context) => Deferred.succeed(routes, Context.get(context, Role.Routes))),
      Effect.andThen(Effect.never),
      Effect.scoped,
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { PORT: "0", SHUTDOWN_GRACE: "1 second", ...env } })
      ),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )
  const failed = Effect.runPromise(Fiber.await(fiber)).then((exit) => {
    throw Exit.isFailure(exit) ? Cause.squash(exit.cause) : new Error(`${role} ended`)
  })
  const built = Effect.runPromise(Effect.all([Deferred.await(listening), Deferred.await(routes)]))
  const [bound, added] = await Promise.race([built, failed])
  failed.catch(() => {})
  return { ...bound, routes: added, logs, stop: () => Effect.runPromise(Effect.asVoid(Fiber.interrupt(fiber))) }
}

/** One value of a scrape; 0 if the metric is missing. */
export const metric = async ({ address }: { readonly address: string }, name: string): Promise<number> => {
  const text = await (await fetch(`${address}/metrics`)).text()
  const line = text
    .split("\n")
    .find((candidate) => candidate.startsWith(`${name} `) || candidate.startsWith(`${name}{`))
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(" ") + 1))
}

/** Repeats until the value is as wanted; ten seconds at most by default. */
export const until = async <A>(
  look: () => Promise<A>,
  wanted: (seen: A) => boolean,
  withinMillis = 10_000
): Promise<A> => {
  const since = performance.now()
  for (;;) {
    const seen = await look()
    if (wanted(seen)) return seen
    if (performance.now() - since > withinMillis)
      throw new Error(`never came about; last seen: ${JSON.stringify(seen)}`)
    await delay(10)
  }
}
