/**
 * Stores: for commands that run before there is a gateway: they use the database (DATABASE_URL) and Redis (REDIS_URL)
 * directly, as a deployment's hooks do. Errors become exit codes here.
 */
import { Config, Effect, Layer, References } from "effect"
import { Topic } from "@eco2/core/client"
import { RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { CommandFailed, fail } from "./CommandFailed.ts"

const away = new Set(["PostgresUnavailable", "PostgresBusy", "RedisUnavailable", "RedisFull"])

const failure = (error: Config.ConfigError | { readonly _tag: string; readonly message: string }): CommandFailed => {
  if (error instanceof CommandFailed) return error
  if (error instanceof Config.ConfigError) return fail("usage", error.cause.message)
  return fail("_tag" in error && away.has(error._tag) ? "unreachable" : "failed", error.message)
}

/** No log: the exit code and one line report the outcome. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** Runs a command on the database. */
export const onDatabase = <A, E extends { readonly _tag: string; readonly message: string }, R>(
  command: Effect.Effect<A, E, R | Postgres.Postgres>
) => command.pipe(Effect.provide(Postgres.layer), Effect.mapError(failure), quietly)

/** Runs a command on the database and on the topics in Redis. */
export const onBoth = <A, E extends { readonly _tag: string; readonly message: string }, R>(
  command: Effect.Effect<A, E, R | Postgres.Postgres | Topic.Topics>
) =>
  command.pipe(
    Effect.provide(Layer.merge(Postgres.layer, Layer.provide(Topic.layer, RedisClient.layer))),
    Effect.mapError(failure),
    quietly
  )
