/**
 * NamedDatabase: a process works on the database that REDIS_URL names, or not at all. The driver goes on with database 0 when
 * SELECT is refused; here such a connection is closed before it sends a command, so that commands wait for a right one or fail.
 * Neighbours: Connection guards every connection with it, RedisClient refuses to start by it.
 */
import type { Redis as StandaloneRedis } from "ioredis"
import { Effect } from "effect"
import { RedisUrlInvalid } from "./RedisUrl.ts"

/** How long a start waits for Redis's first word on the database; a Redis that is away answers later (`guard`). */
const patience = "2 seconds"

const isRefusal = (error: Error): boolean => {
  const command: unknown = Reflect.get(error, "command")
  return typeof command === "object" && command !== null && Reflect.get(command, "name") === "select"
}

/** A connection's error as text that names the database, if it is about that. */
export const reasonOf = ({ options }: StandaloneRedis, error: Error): string =>
  isRefusal(error) ? `REDIS_URL names database ${options.db}, and Redis refuses it: ${error.message}` : error.message

/** Closes the connection whenever its database is refused. */
export const guard = (connection: StandaloneRedis): StandaloneRedis =>
  connection.on("error", (error: Error) => {
    if (isRefusal(error)) connection.stream.destroy()
  })

/** Fails if Redis refuses the database; succeeds when it takes it, or cannot be reached just now. */
export const confirm = (connection: StandaloneRedis): Effect.Effect<void, RedisUrlInvalid> =>
  Effect.callback<void, RedisUrlInvalid>((resume) => {
    const settle = (outcome: Effect.Effect<void, RedisUrlInvalid>) => {
      connection.off("ready", ready)
      connection.off("error", failed)
      resume(outcome)
    }
    const ready = () => settle(Effect.void)
    const failed = (error: Error) =>
      settle(
        isRefusal(error)
          ? Effect.fail(
              new RedisUrlInvalid({
                reason: `names database ${connection.options.db}, and Redis refuses it: ${error.message}`
              })
            )
          : Effect.void
      )
    connection.on("ready", ready)
    connection.on("error", failed)
    if (connection.status === "ready") ready()
  }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.void }))
