/**
 * Authorization: who asks. Answered before the body is looked at.
 *   jwt     a token says so, and X-User-ID nothing (Authentication)
 *   header  the mesh in front has checked the caller and set X-User-ID
 *   none    X-User-ID is believed, a request without one is the demo user's: one machine, one developer. A page from
 *           elsewhere in that developer's browser is not that developer: its Origin gives it away, or, where its name was
 *           made to resolve to this machine, the Host it asks for
 */
import { Context, Effect, Layer } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { AuthMode } from "../GatewayConfig.ts"
import { refusal } from "../http/HttpErrors.ts"
import type { HttpRefusal } from "../http/HttpErrors.ts"
import * as Authentication from "./Authentication.ts"
import { TokenConfig } from "./TokenConfig.ts"

const demoUser = "demo"
/** Ids are text of another service: bounded, printable, nothing else is assumed. */
const userId = /^[^\p{C}\s](?:[^\p{C}]{0,253}[^\p{C}\s])?$/u

/** Who asks, and whether that still holds: for answers that last. */
export interface Caller {
  readonly user: string
  readonly isLetIn: () => boolean
}
type Request = HttpServerRequest.HttpServerRequest

export class Authorization extends Context.Service<
  Authorization,
  {
    readonly caller: (request: Request) => Effect.Effect<Caller, HttpRefusal>
    readonly user: (request: Request) => Effect.Effect<string, HttpRefusal>
  }
>()("@eco2/gateway/auth/Authorization") {}

const of = (caller: (request: Request) => Effect.Effect<Caller, HttpRefusal>) =>
  Authorization.of({ caller, user: (request) => Effect.map(caller(request), ({ user }) => user) })

const always = () => true
const byHeader = (withoutHeader: (request: Request) => Effect.Effect<Caller, HttpRefusal>) => (request: Request) => {
  const given = request.headers["x-user-id"]
  if (given === undefined || given === "") return withoutHeader(request)
  return userId.test(given)
    ? Effect.succeed({ user: given, isLetIn: always })
    : Effect.fail(refusal(401, "UNAUTHORIZED", "X-User-ID is not a user id"))
}
const header = of(byHeader(() => Effect.fail(refusal(401, "UNAUTHORIZED", "X-User-ID is missing"))))

/** A name anybody may point at this machine; addresses and `localhost` nobody can. */
const isForeignName = (host: string): boolean => {
  const name = URL.parse(`http://${host}`)?.hostname ?? ""
  return !/^(?:localhost|[\d.]+|\[[\d:a-f.]+\])$/.test(name) && !name.endsWith(".localhost")
}

/** `anyHost`: it is served to other machines on purpose (INSECURE_NONE), under whatever name. */
const none = (options: { readonly corsOrigins: ReadonlyArray<string>; readonly anyHost: boolean }) => {
  const caller = byHeader(() => Effect.succeed({ user: demoUser, isLetIn: always }))
  return of((request) => {
    const { host = "", origin } = request.headers
    if (!options.anyHost && isForeignName(host)) {
      return Effect.fail(refusal(403, "HOST_NOT_ALLOWED", `this server does not serve the host ${host}`))
    }
    return isOwnOrigin(request, options.corsOrigins)
      ? caller(request)
      : Effect.fail(refusal(403, "ORIGIN_NOT_ALLOWED", `requests from ${origin} are not allowed`))
  })
}

/** From no page at all, a page of ours, or of an allowed origin. */
export const isOwnOrigin = ({ headers }: Request, allowed: ReadonlyArray<string>): boolean => {
  const { host, origin } = headers
  return origin === undefined || allowed.includes(origin) || URL.parse(origin)?.host === host
}

const byToken = Effect.gen(function* () {
  const { authenticate } = yield* Authentication.make(yield* TokenConfig)
  return of(({ headers }) =>
    Effect.map(authenticate(headers), ({ isRevoked, user }) => ({ user, isLetIn: () => !isRevoked() }))
  )
})

export const layer = (
  mode: AuthMode,
  options: { readonly corsOrigins: ReadonlyArray<string>; readonly anyHost: boolean }
) =>
  mode === "jwt"
    ? Layer.effect(Authorization, byToken)
    : Layer.succeed(Authorization, mode === "header" ? header : none(options))
