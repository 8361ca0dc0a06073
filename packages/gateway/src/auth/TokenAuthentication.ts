/**
 * TokenAuthentication: finds out whose token a request carries. Used by the gateway (AUTH_MODE=jwt) and by the role authz, with
 * the same refusals: 401 without a token or with an invalid one, 403 for a revoked token, 503 while the token cannot be verified.
 * The token is in `Authorization: Bearer …` or in the cookie `s_access` (an EventSource sends no headers). Two such cookies are
 * refused, even with the same value, as an identity header sent twice is (IdentityHeaders).
 */
import { Refusal } from "@eco2/core/http"
import { Effect, Metric } from "effect"
import { Cookies } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import * as Blacklist from "./Blacklist.ts"
import * as IdentityHeaders from "./IdentityHeaders.ts"
import type { TokenConfig } from "./TokenConfig.ts"
import * as Tokens from "./Tokens.ts"

/** Requests decided, by `outcome`: allowed, or the code of the refusal; in authz also open (needs no token). */
export const decisions = Metric.counter("eco2_authz_decisions_total", {
  incremental: true,
  description: "requests allowed or refused"
})
export const count = (outcome: string) => Metric.update(Metric.withAttributes(decisions, { outcome }), 1)

export interface Identity {
  readonly user: string
  readonly provider: string
  /** Calls `end` when the token is revoked, as far as this process knows; returns how to listen no more. */
  readonly whenRevoked: (end: () => void) => () => void
}

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers" | "source">

const missing = Refusal.make(401, "UNAUTHORIZED", "a token is required: Authorization: Bearer, or cookie s_access")
const ambiguous = Refusal.make(401, "UNAUTHORIZED", "the cookie s_access was sent more than once")
const revoked = Refusal.make(403, "TOKEN_REVOKED", "the token was revoked")
const unknown = Refusal.unavailable("it is unknown now whether the token was revoked; try again")
/** Reasons for a refusal. */
export type Refused = Tokens.Refused | typeof missing | typeof revoked | typeof unknown

export interface TokenAuthentication {
  readonly authenticate: (request: Request) => Effect.Effect<Identity, Refused>
}

const cookieName = "s_access"

/** How often the cookie is there, as `Cookies.parseHeader` reads names; it takes the first and a proxy may take the last. */
const timesNamed = (cookie: string): number =>
  cookie.split(";").filter((pair) => pair.includes("=") && pair.slice(0, pair.indexOf("=")).trim() === cookieName)
    .length

const tokenOf = (request: Request): Effect.Effect<string, Refused> => {
  const { authorization, cookie } = request.headers
  if (authorization !== undefined && authorization !== "") {
    const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? []
    return token === undefined ? Effect.fail(Tokens.malformed) : Effect.succeed(token)
  }
  if (cookie === undefined) return Effect.fail(missing)
  if (timesNamed(cookie) > 1) return Effect.fail(ambiguous)
  const token = Cookies.parseHeader(cookie)[cookieName] ?? ""
  return token === "" ? Effect.fail(missing) : Effect.succeed(token)
}

export const make = Effect.fnUntraced(function* (config: TokenConfig) {
  const tokens = yield* Tokens.make(config)
  const blacklist = yield* Blacklist.make({ maxAge: config.blacklistMaxAge })
  const judge = Effect.fnUntraced(function* (request: Request): Effect.fn.Return<Identity, Refused> {
    yield* IdentityHeaders.once(request, "authorization")
    const { jti, provider, user } = yield* tokens.verify(yield* tokenOf(request))
    const standing = blacklist.standing(jti)
    if (standing === "revoked") return yield* revoked
    if (standing === "unknown") return yield* unknown
    return { user, provider, whenRevoked: (end) => blacklist.whenRevoked(jti, end) }
  })
  const authentication: TokenAuthentication = {
    authenticate: (request) =>
      judge(request).pipe(
        Effect.tap(() => count("allowed")),
        Effect.tapError(({ code }) => count(code))
      )
  }
  return authentication
})
