/** SameOrigin: requests with cookies may change data only if they come from our own pages or an allowed origin. */
import { Refusal } from "@eco2/core/http"
import { Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers">

/** Whether the request comes from no page, one of our pages, or an allowed origin. */
export const isOwnOrigin = ({ headers }: Request, allowed: ReadonlyArray<string>): boolean => {
  const { host, origin } = headers
  return origin === undefined || allowed.includes(origin) || URL.parse(origin)?.host === host
}

export const notAllowed = ({ headers }: Request) =>
  Refusal.make(403, "ORIGIN_NOT_ALLOWED", `requests from ${headers.origin} are not allowed`)

export class SameOrigin extends HttpApiMiddleware.Service<SameOrigin>()("@eco2/gateway/auth/SameOrigin", {
  error: Refusal.declared(403, "ORIGIN_NOT_ALLOWED")
}) {}

/** `allowed`: CORS_ORIGINS. */
export const layer = (allowed: ReadonlyArray<string>): Layer.Layer<SameOrigin> =>
  Layer.succeed(SameOrigin, (call) =>
    HttpServerRequest.HttpServerRequest.pipe(
      Effect.filterOrFail(
        (request) => request.headers.cookie === undefined || isOwnOrigin(request, allowed),
        notAllowed
      ),
      Effect.andThen(call)
    )
  )
