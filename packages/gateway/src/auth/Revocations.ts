/**
 * Revocations: writes a revocation: first the key, which lives as long as the token could be used, then the event, which
 * informs every process (topic `blacklist.events`). In this order, a process that loads the keys and then follows the events
 * misses none. Blacklist reads both.
 */
import { Topic } from "@eco2/core/client"
import { RedisClient, Script } from "@eco2/core/redis"
import { Clock, Effect, Schema } from "effect"
import { leewaySeconds } from "./Tokens.ts"
import * as BlacklistKeys from "./BlacklistKeys.ts"

/** `remove`: the token's key was deleted before. `expires_at`: when the token expires, as in `2026-01-31T12:00:00Z`. */
const BlacklistEvent = Schema.Struct({
  type: Schema.Literals(["add", "remove"]),
  jti: Schema.String,
  user_id: Schema.String,
  expires_at: Schema.String,
  reason: Schema.String
})
/** The topic holds no state: revoked tokens have keys of their own, which expire with the tokens. */
export const BlacklistEvents = Topic.make("blacklist.events", { event: BlacklistEvent, history: 10_000 })

export interface Revocation {
  readonly jti: string
  readonly user: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
  readonly reason: string
}

/** A token is accepted until the leeway after its expiry; a second leeway allows for differing clocks. */
const afterExpiryMillis = 2 * leewaySeconds * 1_000
/** Epoch seconds from which a revocation may be dropped, for a token with this expiry. */
export const forgottenAt = (expiresAtMillis: number): number => Math.ceil((expiresAtMillis + afterExpiryMillis) / 1_000)

const revokeScript = Script.make({
  file: new URL("./scripts/revoke.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Literal("OK")
})

/**
 * Stores a revocation again that Redis has lost, by its key; whose it was and why is lost. `until`: epoch seconds from which it
 * may be dropped. Not published: processes that know it need no event, and others load the keys.
 */
export const restore = (key: string, until: number) =>
  RedisClient.RedisClient.use((redis) =>
    redis.run(revokeScript, [key], [`${until} ${JSON.stringify({ restored: true })}`, until * 1_000])
  )

/**
 * Revokes a token; returns when the revocation is stored and published. An expired token needs none: nothing is stored. After
 * an error the token may be revoked in some processes, all or none; retrying is safe. Works even if Redis is full.
 */
export const revoke = Effect.fnUntraced(function* (revocation: Revocation) {
  const until = forgottenAt(revocation.expiresAt)
  if (until * 1_000 <= (yield* Clock.currentTimeMillis)) return
  const redis = yield* RedisClient.RedisClient
  const { expiresAt, jti, reason, user } = revocation
  const about = { user_id: user, expires_at: new Date(expiresAt).toISOString(), reason }
  yield* redis.run(
    revokeScript,
    [BlacklistKeys.revoked(redis.keys, jti)],
    [`${until} ${JSON.stringify(about)}`, until * 1_000]
  )
  yield* Topic.publish(BlacklistEvents, { type: "add", jti, ...about })
})
