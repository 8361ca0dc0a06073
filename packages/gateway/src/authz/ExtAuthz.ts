/**
 * ExtAuthz: the HTTP server of Envoy's ext_authz filter. Envoy sends each request's method, path and headers; 200 lets the
 * request through with the headers answered here. Every path is judged before any router sees it.
 *   200  x-user-id, x-auth-provider: the caller; both empty if the path is open, so that what a client sent is removed
 *   401 403 503  as in TokenAuthentication; 403 also for /api/v1/internal
 *   400  a path that could be read in two ways
 * A refusal to an origin of CORS_ORIGINS has the CORS headers; without them its page would not see the status, and would not
 * renew its token.
 * The process answers its own probes itself (/healthz, /readyz and, without ADMIN_PORT, /metrics, spelt exactly so). For Envoy
 * these are open paths, so only the status counts: a process that is not ready refuses them, and nobody reads another service's
 * /readyz.
 */
import { CorsOrigins, ErrorBody, Refusal } from "@eco2/core/http"
import { Role } from "@eco2/core/service"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as TokenAuthentication from "../auth/TokenAuthentication.ts"
import { TokenConfig } from "../auth/TokenConfig.ts"
import { needOf } from "./CheckedPath.ts"

const nobody = { "x-user-id": "", "x-auth-provider": "" }
const open = HttpServerResponse.empty({ status: 200, headers: nobody })

const malformed = Refusal.make(400, "MALFORMED_PATH", "the path is ambiguous")
const internal = Refusal.make(403, "FORBIDDEN", "not available from outside")

const hostOfTarget = /^[a-z]+:\/\/[^/?#\\]*/i

const refuse = (error: Refusal.Refusal) => Effect.andThen(TokenAuthentication.count(error.code), Effect.fail(error))

const decide = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  { authenticate }: TokenAuthentication.TokenAuthentication
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal.Refusal> {
  // an absolute-form target arrives normalised; if that changed the path, it is not what was sent
  const sent = request.originalUrl.replace(hostOfTarget, "")
  const need = sent === request.url ? needOf(sent) : "malformed"
  if (need === "malformed") return yield* refuse(malformed)
  if (need === "internal") return yield* refuse(internal)
  // a preflight carries no token and reaches no handler that needs one
  if (need === "open" || request.method === "OPTIONS") return yield* Effect.as(TokenAuthentication.count("open"), open)
  const { provider, user } = yield* authenticate(request)
  return HttpServerResponse.empty({ status: 200, headers: { "x-user-id": user, "x-auth-provider": provider } })
})

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const origins = yield* CorsOrigins.corsOrigins
    const authentication = yield* TokenAuthentication.make(yield* TokenConfig)
    const { isApart } = yield* Role.AdminPort
    const probes: ReadonlySet<string> = new Set(["/healthz", "/readyz", ...(isApart ? [] : ["/metrics"])])
    return HttpRouter.middleware(
      (app) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const isProbe = probes.has(request.url) && (request.method === "GET" || request.method === "HEAD")
          if (isProbe) return HttpServerResponse.setHeaders(yield* app, nobody)
          const answer = yield* ErrorBody.orInternal(Refusal.respond(decide(request, authentication)))
          if (answer.status === 200) return answer
          const cors = CorsOrigins.headersFor(origins, request.headers.origin, ["retry-after"])
          return HttpServerResponse.setHeaders(answer, { ...nobody, ...cors })
        }),
      { global: true }
    )
  })
)
