/**
 * SameOrigin: requests with cookies may change data only if they come from our own pages or an allowed origin. The Origin tells;
 * where a browser or a proxy leaves it out, Sec-Fetch-Site does. Clients that are no browsers send neither.
 */
import { Refusal } from "@eco2/core/refusal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers">

/** `none`: a user typed the address. */
const ownSites: ReadonlyArray<string | undefined> = [undefined, "same-origin", "none"]

/** Whether the request comes from no page, one of our pages, or an allowed origin. */
export const isOwnOrigin = ({ headers }: Request, allowed: ReadonlyArray<string>): boolean => {
  const { host, origin } = headers
  if (origin === undefined) return ownSites.includes(headers["sec-fetch-site"])
  return allowed.includes(origin) || URL.parse(origin)?.host === host
}

export const notAllowed = ({ headers }: Request) =>
  Refusal.make(403, "ORIGIN_NOT_ALLOWED", `requests from ${headers.origin ?? "pages of other sites"} are not allowed`)

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
