/**
 * BlacklistHandlers: POST /api/v1/internal/blacklist. 204 once the revocation is durable and told; a token that has expired
 * is refused anyway, so nothing is stored. After 503 it may have been: asking again is safe.
 */
import { Topic } from "@eco2/core/client"
import { RedisClient } from "@eco2/core/redis"
import { Effect } from "effect"
import type { Scope } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as InternalSecret from "../auth/InternalSecret.ts"
import * as Revocations from "../auth/Revocations.ts"
import type { GatewayConfig } from "../GatewayConfig.ts"
import { invalid, refusal, respond, unavailable } from "./HttpErrors.ts"
import type { HttpRefusal } from "./HttpErrors.ts"
import * as RequestBody from "./RequestBody.ts"
import { Api } from "./ScanApi.ts"

const mostReason = 1_000
const header = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/
/** As any language's standard library writes it; what has no offset is UTC. */
const isoTime = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?$/

/** `text`: the body as received. */
export const parse = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Revocations.Revocation, HttpRefusal> {
  const body = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => refusal(400, "INVALID_JSON", "the body is not JSON")
  })
  if (typeof body !== "object" || body === null || Array.isArray(body))
    return yield* refusal(400, "INVALID_REQUEST", "the body must be a JSON object")
  const {
    expires_at,
    jti,
    reason = null,
    user_id
  }: { jti?: unknown; user_id?: unknown; expires_at?: unknown; reason?: unknown } = body
  if (typeof jti !== "string" || !header.test(jti))
    return yield* invalid("jti", "1 to 255 printable ASCII characters", "value_error.str")
  if (typeof user_id !== "string" || user_id.length > 255)
    return yield* invalid("user_id", "a string of at most 255 characters", "value_error.str")
  if (reason !== null && (typeof reason !== "string" || reason.length > mostReason))
    return yield* invalid("reason", `a string of at most ${mostReason} characters, or null`, "value_error.str")
  const [, local, offset] = (typeof expires_at === "string" ? isoTime.exec(expires_at) : null) ?? []
  const expiresAt = Date.parse(`${local}${offset ?? "Z"}`)
  if (local === undefined || Number.isNaN(expiresAt))
    return yield* invalid("expires_at", "a time such as 2026-01-31T12:00:00Z", "value_error.datetime")
  return { jti, user: user_id, expiresAt, reason: reason ?? "" }
})

export const layer = (config: GatewayConfig) =>
  HttpApiBuilder.group(
    Api,
    "blacklist",
    Effect.fnUntraced(function* (handlers) {
      const topics = yield* Topic.Topics
      const redis = yield* RedisClient.RedisClient
      const { isKnownBy } = InternalSecret.make(config.internalSecret)
      const readBody = RequestBody.make(config.uploadMemory)

      const revoke = Effect.fnUntraced(function* (
        request: HttpServerRequest.HttpServerRequest
      ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, HttpRefusal, Scope.Scope> {
        if (!isKnownBy(request)) return yield* InternalSecret.forbidden
        const revocation = yield* parse(yield* readBody(request))
        yield* Revocations.revoke(revocation).pipe(
          Effect.provideService(Topic.Topics, topics),
          Effect.provideService(RedisClient.RedisClient, redis),
          // bounded above by what parse lets through
          Effect.catchTags({ TopicFull: Effect.die, TopicEventTooLarge: Effect.die }),
          Effect.mapError(() => unavailable("the store does not answer; try again"))
        )
        yield* Effect.logInfo("token revoked").pipe(
          Effect.annotateLogs({ jti: revocation.jti, user_id: revocation.user, reason: revocation.reason })
        )
        return HttpServerResponse.empty({ status: 204 })
      })
      return handlers.handleRaw("revoke", ({ request }) => respond(revoke(request)))
    })
  )
