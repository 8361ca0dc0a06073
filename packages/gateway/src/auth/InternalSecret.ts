/**
 * InternalSecret: lets in callers with INTERNAL_SECRET (header X-Internal-Secret), before anything else of the request is
 * read. Not set or empty: nobody is let in. Answers are not cached.
 */
import { Refusal } from "@eco2/core/http"
import { Effect, Layer, Option, Redacted } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { createHash, timingSafeEqual } from "node:crypto"

const digest = (text: string) => createHash("sha256").update(text).digest()

const forbidden = Refusal.make(403, "FORBIDDEN", "X-Internal-Secret is missing or wrong")

export class InternalSecret extends HttpApiMiddleware.Service<InternalSecret>()("@eco2/gateway/auth/InternalSecret", {
  security: { internalSecret: HttpApiSecurity.apiKey({ in: "header", key: "x-internal-secret" }) },
  error: Refusal.declared(403, "FORBIDDEN")
}) {}

/** `secret`: none if it is not set. The comparison takes constant time. */
export const layer = (secret: Option.Option<Redacted.Redacted>): Layer.Layer<InternalSecret> => {
  const text = Option.match(secret, { onNone: () => "", onSome: Redacted.value })
  const wanted = digest(text)
  return Layer.succeed(InternalSecret, {
    internalSecret: (call, { credential }) =>
      timingSafeEqual(digest(Redacted.value(credential)), wanted) && text !== ""
        ? Effect.map(call, HttpServerResponse.setHeader("cache-control", "no-store"))
        : Effect.fail(forbidden)
  })
}
