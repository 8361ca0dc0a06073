/**
 * Authentication: finds out who the caller is, before the body is read. By AUTH_MODE:
 *   jwt     the token decides, and X-User-ID is ignored (TokenAuthentication)
 *   header  the mesh in front has verified the caller and set X-User-ID
 *   none    X-User-ID is trusted, and without it the caller is the demo user: for one developer on one machine. Pages of other
 *           sites in that developer's browser are refused: by their Origin, or by the Host they ask for, if its name was made
 *           to resolve to this machine (DNS rebinding)
 */
import { Refusal } from "@eco2/core/http"
import { Context, Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import type { AuthMode } from "../GatewayConfig.ts"
import * as IdentityHeaders from "./IdentityHeaders.ts"
import * as TokenAuthentication from "./TokenAuthentication.ts"
import { isOwnOrigin, notAllowed } from "./SameOrigin.ts"
import { TokenConfig } from "./TokenConfig.ts"

const demoUser = "demo"
/** User ids come from another service: bounded, printable, nothing else is assumed. */
const userId = /^[^\p{C}\s](?:[^\p{C}]{0,253}[^\p{C}\s])?$/u

export class Caller extends Context.Service<
  Caller,
  {
    readonly user: string
    /** Calls `end` when access is withdrawn, for answers that last; returns how to listen no more. */
    readonly whenWithdrawn: (end: () => void) => () => void
  }
>()("@eco2/gateway/auth/Caller") {}

const refusals = [
  Refusal.declared(401, "UNAUTHORIZED", "MALFORMED_TOKEN"),
  Refusal.declared(403, "TOKEN_REVOKED", "HOST_NOT_ALLOWED", "ORIGIN_NOT_ALLOWED"),
  Refusal.declared(503, "UNAVAILABLE")
] as const

/** Provides the Caller to a call, or refuses it. */
export class Authentication extends HttpApiMiddleware.Service<Authentication, { provides: Caller }>()(
  "@eco2/gateway/auth/Authentication",
  { error: refusals }
) {}

type Request = HttpServerRequest.HttpServerRequest
type Ask = (request: Request) => Effect.Effect<Caller["Service"], (typeof refusals)[number]["Type"]>

const of = (ask: Ask) =>
  Authentication.of((call) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      Effect.provideServiceEffect(call, Caller, ask(request))
    )
  )

const neverWithdrawn: Caller["Service"]["whenWithdrawn"] = () => () => undefined
const byHeader =
  (withoutHeader: Ask): Ask =>
  (request) => {
    const given = request.headers["x-user-id"]
    if (given === undefined || given === "") return withoutHeader(request)
    return Effect.andThen(
      IdentityHeaders.once(request, "x-user-id"),
      userId.test(given)
        ? Effect.succeed({ user: given, whenWithdrawn: neverWithdrawn })
        : Effect.fail(Refusal.make(401, "UNAUTHORIZED", "X-User-ID is not a user id"))
    )
  }
const header = of(byHeader(() => Effect.fail(Refusal.make(401, "UNAUTHORIZED", "X-User-ID is missing"))))

/** A host name that anybody can point at this machine; unlike addresses and `localhost`. */
const isForeignName = (host: string): boolean => {
  const name = URL.parse(`http://${host}`)?.hostname ?? ""
  return !/^(?:localhost|[\d.]+|\[[\d:a-f.]+\])$/.test(name) && !name.endsWith(".localhost")
}

/** `anyHost`: serves other machines on purpose (INSECURE_NONE), under any host name. */
const none = (options: { readonly corsOrigins: ReadonlyArray<string>; readonly anyHost: boolean }) => {
  const caller = byHeader(() => Effect.succeed({ user: demoUser, whenWithdrawn: neverWithdrawn }))
  return of((request) => {
    const { host = "" } = request.headers
    if (!options.anyHost && isForeignName(host)) {
      return Effect.fail(Refusal.make(403, "HOST_NOT_ALLOWED", `this server does not serve the host ${host}`))
    }
    return isOwnOrigin(request, options.corsOrigins) ? caller(request) : Effect.fail(notAllowed(request))
  })
}

const byToken = Effect.gen(function* () {
  const { authenticate } = yield* TokenAuthentication.make(yield* TokenConfig)
  return of((request) =>
    Effect.map(authenticate(request), ({ user, whenRevoked }) => ({ user, whenWithdrawn: whenRevoked }))
  )
})

export const layer = (
  mode: AuthMode,
  options: { readonly corsOrigins: ReadonlyArray<string>; readonly anyHost: boolean }
) =>
  mode === "jwt"
    ? Layer.effect(Authentication, byToken)
    : Layer.succeed(Authentication, mode === "header" ? header : none(options))
