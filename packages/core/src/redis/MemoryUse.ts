/**
 * MemoryUse: how full Redis is, as a share of maxmemory; 0 where no limit is set. Asked at most every two seconds,
 * however many ask. Large values (uploads) are refused early by it, so that the small ones that drain the fleet still fit.
 */
import { Effect, Schema } from "effect"
import { decodeReply, RedisClient } from "./RedisClient.ts"
import type { RedisError } from "./RedisError.ts"

const decode = decodeReply("INFO", Schema.String)
const field = (info: string, name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0)

/** Share in use, 0 to 1 and beyond. On a Cluster that of the node the driver asks. */
export const make: Effect.Effect<Effect.Effect<number, RedisError>, never, RedisClient> = Effect.gen(function* () {
  const redis = yield* RedisClient
  return yield* redis.send("INFO", "memory").pipe(
    Effect.flatMap(decode),
    Effect.map((info) => {
      const limit = field(info, "maxmemory")
      return limit === 0 ? 0 : field(info, "used_memory") / limit
    }),
    Effect.cachedWithTTL("2 seconds")
  )
})
