/**
 * MemoryUse: how full Redis is, as a share of maxmemory; 0 where no limit is set. Redis is asked at most every two seconds,
 * however many callers there are. Uploads are refused early by it, so that the small writes that finish jobs still fit.
 */
import { Effect } from "effect"
import { RedisClient } from "./RedisClient.ts"
import type { RedisError } from "./RedisError.ts"
import { memoryShare } from "./ServerInfo.ts"

/** Share in use, 0 to 1 and beyond. On a Cluster that of the fullest master, because the master of a value is unknown here. */
export const make: Effect.Effect<Effect.Effect<number, RedisError>, never, RedisClient> = Effect.gen(function* () {
  const redis = yield* RedisClient
  return yield* redis.servers.pipe(
    Effect.map((servers) => Math.max(0, ...servers.map(memoryShare))),
    // INFO is not permitted: a full Redis will refuse the write itself
    Effect.catchTag("RedisRefused", () => Effect.succeed(0)),
    Effect.cachedWithTTL("2 seconds")
  )
})
