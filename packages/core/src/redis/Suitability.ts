/**
 * Suitability: the check at start that Redis can keep jobs: 7.0 or newer, maxmemory-policy noeviction, and a user that may run
 * what the process sends (Permissions). Every master is asked once. REDIS_CHECK=warn starts anyway and logs the objections.
 * After a reconnect, which may reach another server, RedisClient checks again and only warns. A process that keeps no jobs and
 * can do without Redis checks its permissions alone.
 */
import { Duration, Effect, Schema } from "effect"
import type { Config } from "effect"
import { CoreConfig, redisCheck } from "../config/CoreConfig.ts"
import { RedisClient } from "./RedisClient.ts"
import type { RedisError, RedisRefused } from "./RedisError.ts"
import * as Permissions from "./Permissions.ts"
import * as ServerInfo from "./ServerInfo.ts"

/** This Redis would lose jobs, or cannot run our scripts. Nothing happened; the message says what to change. */
export class RedisUnsuitable extends Schema.TaggedError<RedisUnsuitable>()("RedisUnsuitable", {
  objections: Schema.Array(Schema.String)
}) {
  override get message() {
    return `this Redis does not meet the requirements: ${this.objections.join("; ")}. REDIS_CHECK=warn starts anyway`
  }
}

/** INFO is refused for good; any other refusal (BUSY, …) passes. */
const isForbidden = (error: RedisError): error is RedisRefused =>
  error._tag === "RedisRefused" && error.code === "NOPERM"

const judged = (objections: ReadonlyArray<string>, check: "refuse" | "warn"): Effect.Effect<void, RedisUnsuitable> => {
  if (objections.length === 0) return Effect.void
  return check === "refuse"
    ? Effect.fail(new RedisUnsuitable({ objections }))
    : Effect.logWarning("redis does not meet the requirements").pipe(Effect.annotateLogs({ objections }))
}

/** Waits for Redis as long as any command does. */
export const confirm: Effect.Effect<void, RedisError | RedisUnsuitable, RedisClient | CoreConfig> = Effect.gen(
  function* () {
    const { redisCheck: check, submitReplicas } = yield* CoreConfig
    const redis = yield* RedisClient
    const servers = yield* Effect.catchIf(redis.servers, isForbidden, (error) =>
      Effect.as(
        Effect.logWarning("redis does not permit INFO; its version and maxmemory-policy are unknown").pipe(
          Effect.annotateLogs({ error: error.message })
        ),
        []
      )
    )
    const untold = servers.filter((info) => ServerInfo.untold(info).length > 0)
    if (untold.length > 0) {
      yield* Effect.logWarning("redis INFO lacks fields; whether it meets the requirements is unknown").pipe(
        Effect.annotateLogs({
          servers: untold.map(({ server }) => server),
          untold: [...new Set(untold.flatMap(ServerInfo.untold))]
        })
      )
    }
    const lacked = yield* redis.lackedPermissions({ replicas: submitReplicas > 0 })
    const objections = [
      ...servers.flatMap(ServerInfo.objections),
      ...(lacked.length > 0 ? [Permissions.objection(lacked)] : [])
    ]
    yield* judged(objections, check)
  }
)

/** How long a process that can do without Redis waits for its answer. */
const patience = Duration.seconds(2)

/**
 * That the user may run what this process sends. Passes while Redis does not answer: RedisClient logs what is lacking when Redis
 * refuses a command.
 */
export const confirmPermissions: Effect.Effect<void, RedisUnsuitable | Config.ConfigError, RedisClient> = Effect.gen(
  function* () {
    const check = yield* redisCheck
    const redis = yield* RedisClient
    const lacked = yield* redis.lackedPermissions({ replicas: false }).pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed([]) }),
      // RedisHealth logs why it does not answer
      Effect.orElseSucceed(() => [])
    )
    yield* judged(lacked.length > 0 ? [Permissions.objection(lacked)] : [], check)
  }
)
