/**
 * UsedNames: which limits, or breakers, the fleet uses, for the lists of operators: each has keys of its own hash tag, so no one key
 * could name them all otherwise, and a scan would read the name of every job. A process tells a name at its first use, and again
 * every ten minutes; names that nobody has told for a day are dropped.
 */
import { Effect, Schema } from "effect"
import type { Scope } from "effect"
import { decodeReply } from "../redis/RedisClient.ts"
import type { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"

const tellEveryMillis = 600_000
const keptMillis = 86_400_000
/** Names that a process remembers to have told; a limit may have one for each user. */
const mostTold = 10_000

/**
 * Sends the name in the background; an error is that of the command that follows it, which is told by whoever sends that. The caller
 * need not wait: a list that is read after the answer to a later command has the name.
 */
export const teller = (
  redis: RedisClient["Service"],
  key: string,
  scope: Scope.Scope
): ((name: string) => Effect.Effect<void>) => {
  const told = new Map<string, number>()
  return (name) =>
    Effect.suspend(() => {
      const now = Date.now()
      if (now - (told.get(name) ?? -Infinity) < tellEveryMillis) return Effect.void
      if (told.size >= mostTold) told.clear()
      told.set(name, now)
      return Effect.asVoid(
        Effect.forkIn(
          redis.send("ZADD", key, now, name).pipe(
            Effect.andThen(redis.send("ZREMRANGEBYSCORE", key, "-inf", now - keptMillis)),
            // told again with the next use
            Effect.catch(() => Effect.sync(() => void told.delete(name)))
          ),
          scope,
          { startImmediately: true }
        )
      )
    })
}

const decodeNames = decodeReply("ZRANGE", Schema.Array(Schema.String))

/** The names used last, at most `most`, sorted; `complete`: these are all. */
export const read = (
  redis: RedisClient["Service"],
  key: string,
  most: number
): Effect.Effect<{ readonly names: ReadonlyArray<string>; readonly complete: boolean }, RedisError> =>
  redis.send("ZRANGE", key, 0, most, "REV").pipe(
    Effect.flatMap(decodeNames),
    Effect.map((names) => ({ names: names.slice(0, most).toSorted(), complete: names.length <= most }))
  )
