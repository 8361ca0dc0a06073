/**
 * ImageSecret: what gateways sign the addresses of uploads with. It is made once and kept in Redis, beside the pictures, so that
 * all gateways have the same and nobody has to set it; when Redis loses its data, the addresses end with the pictures.
 */
import { RedisClient } from "@eco2/core/redis"
import type { RedisError } from "@eco2/core/client"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import * as ImageKeys from "./ImageKeys.ts"

/** A gateway asks again after this time, because Redis may have lost its data. */
const keptMillis = 10_000

/** The secret, from Redis once in ten seconds at most while Redis answers. */
export const make: Effect.Effect<
  Effect.Effect<string, RedisError.RedisError>,
  never,
  RedisClient.RedisClient
> = Effect.gen(function* () {
  const redis = yield* RedisClient.RedisClient
  const key = ImageKeys.secret(redis.keys)
  let kept: { readonly secret: string; readonly until: number } | null = null
  const ask = Effect.gen(function* () {
    // the first process that comes decides
    yield* redis.send("SET", key, randomBytes(32).toString("base64url"), "NX")
    return String(yield* redis.send("GET", key))
  })
  return Effect.clockWith((clock) => {
    const now = clock.currentTimeMillisUnsafe()
    if (kept !== null && now < kept.until) return Effect.succeed(kept.secret)
    return Effect.tap(ask, (secret) =>
      Effect.sync(() => {
        kept = { secret, until: now + keptMillis }
      })
    )
  })
})
