/**
 * IdentityHeaders: refuses a request that says twice who it comes from. Of a repeated header, Node keeps the first value or joins
 * them all, and a proxy may read another one than we do, so nobody can say whose request it is. Used by Authentication and
 * TokenAuthentication. `X-Internal-Secret` needs no such check, because joined values are no secret. HTTP/2 repeats the
 * header of cookies; a cookie that is repeated is TokenAuthentication's.
 */
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { IncomingMessage } from "node:http"

type Name = "authorization" | "x-user-id"
const repeated = (name: Name) => Refusal.make(401, "UNAUTHORIZED", `the header ${name} was sent more than once`)

/** Fails if the header was sent more than once, even with the same value. */
export const once = (
  { source }: Pick<HttpServerRequest.HttpServerRequest, "source">,
  name: Name
): Effect.Effect<void, ReturnType<typeof repeated>> =>
  source instanceof IncomingMessage && (source.headersDistinct[name]?.length ?? 0) > 1
    ? Effect.fail(repeated(name))
    : Effect.void
