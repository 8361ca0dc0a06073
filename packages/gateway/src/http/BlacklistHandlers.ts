/**
 * BlacklistHandlers: POST /api/v1/internal/blacklist. Answers 204 once the revocation is stored and published; for an expired
 * token nothing is stored. After 503 the token may be revoked; retrying is safe.
 */
import { RedisClient } from "@eco2/core/redis"
import { Topic } from "@eco2/core/client"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as Revocations from "../auth/Revocations.ts"
import { millisOf, RevocationBody, words } from "./BlacklistApi.ts"
import * as JsonBody from "./JsonBody.ts"
import { fromRedis } from "./OpsMailboxes.ts"
import type * as RequestBody from "./RequestBody.ts"
import { Api } from "./ScanApi.ts"

const decode = JsonBody.decoder(RevocationBody, { words })

/** `text`: the body as received. */
export const parse = Effect.fnUntraced(function* (text: string) {
  const { expires_at, jti, reason, user_id } = yield* Effect.flatMap(JsonBody.parseObject(text), decode)
  const revocation: Revocations.Revocation = {
    jti,
    user: user_id,
    expiresAt: millisOf(expires_at),
    reason: reason ?? ""
  }
  return revocation
})

/** `bodies`: the process's only one, because all share UPLOAD_MEMORY. */
export const layer = (bodies: RequestBody.RequestBody) =>
  HttpApiBuilder.group(
    Api,
    "blacklist",
    Effect.fnUntraced(function* (handlers) {
      const topics = yield* Topic.Topics
      const redis = yield* RedisClient.RedisClient

      const revoke = Effect.fnUntraced(function* (revocation: Revocations.Revocation) {
        yield* Revocations.revoke(revocation).pipe(
          Effect.provideService(Topic.Topics, topics),
          Effect.provideService(RedisClient.RedisClient, redis),
          // cannot happen: parse bounds the event
          Effect.catchTags({ TopicFull: Effect.die, TopicEventTooLarge: Effect.die }),
          Effect.mapError(fromRedis)
        )
        yield* Effect.logInfo("token revoked").pipe(
          Effect.annotateLogs({ jti: revocation.jti, user_id: revocation.user, reason: revocation.reason })
        )
      })
      // by hand: RequestBody bounds the body while it is read, and text that is not JSON is 400, whatever its content type
      return handlers.handleRaw("revoke", ({ request }) =>
        Effect.flatMap(Effect.scoped(Effect.flatMap(bodies.text(request), parse)), revoke)
      )
    })
  )
