/**
 * MemoryUse: how full Redis is, as a share of maxmemory; 0 where no limit is set. Asked at most every two seconds,
 * however many ask. Large values (uploads) are refused early by it, so that the small ones that drain the fleet still fit.
 */
import { Effect } from "effect"
import { RedisClient } from "./RedisClient.ts"
import type { RedisError } from "./RedisError.ts"
import { memoryShare } from "./ServerInfo.ts"

/** Share in use, 0 to 1 and beyond. On a Cluster that of the fullest master: which one a value goes to is not known here. */
export const make: Effect.Effect<Effect.Effect<number, RedisError>, never, RedisClient> = Effect.gen(function* () {
  const redis = yield* RedisClient
  return yield* redis.servers.pipe(
    Effect.map((servers) => Math.max(0, ...servers.map(memoryShare))),
    // not permitted to ask: the write itself will be refused when there is no room
    Effect.catchTag("RedisRefused", () => Effect.succeed(0)),
    Effect.cachedWithTTL("2 seconds")
  )
})
