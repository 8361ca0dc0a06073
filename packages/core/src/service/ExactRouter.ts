/**
 * ExactRouter: the HTTP router of every process. What a filter in front (nginx, an Ingress, Envoy) and this router read must be
 * the same path; so a route has one spelling, and every other one leads nowhere.
 *   H1  a request reaches a route only if its path is spelt as the route is: case, slashes, no `;…`, no letter as %41
 *   H2  HEAD is answered as GET would be, without the body
 *   H3  a known path with another method is 405, OPTIONS 204, both with Allow
 * Answers have no body here; ErrorBody adds it. For Role, which builds one for each port.
 */
import { Effect } from "effect"
import { FindMyWay, HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"

const exact: FindMyWay.RouterConfig = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  // what is too long is for a route's own schema to say: a request line has at most 16 KiB
  maxParamLength: 16_384
}

/** A prefix alone, or before a path. */
const under = (prefix: string, path: string): HttpRouter.PathInput => `/${`${prefix}${path}`.replace(/^\//, "")}`

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"] as const

const authority = /^https?:\/\/[^/?#\\]*/i
const notPlain = /[^\x21-\x7e]/
/**
 * Some end a path at a `;` or `#`, drop a slash that is doubled or last, resolve `.` and `..`, or decode letters, digits, `-`,
 * `.`, `_` and `~` (RFC 3986, 6.2.2.2).
 */
const otherSpelling = /[;#]|\/\/|.\/$|\/\.{1,2}(?:\/|$)|%(?:2[de]|3\d|[46][1-9a-f]|5[\daf]|7[\dae])/i

const isExact = ({ method, originalUrl, url }: HttpServerRequest.HttpServerRequest): boolean => {
  // `*` is the server itself, for OPTIONS alone
  if (!url.startsWith("/") && method !== "OPTIONS") return false
  // an absolute-form target arrives normalised; if that changed it, it is not what was sent
  if (originalUrl.replace(authority, "") !== url) return false
  const mark = url.indexOf("?")
  const path = mark < 0 ? url : url.slice(0, mark)
  return !notPlain.test(path) && !otherSpelling.test(path)
}

const nowhere = HttpServerResponse.empty({ status: 404 })

const isUnrouted = (error: unknown): boolean =>
  HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"

export interface ExactRouter {
  /** For layers that add routes and middlewares. */
  readonly router: HttpRouter.HttpRouter
  /** The method and pattern of every route, in the order in which they were added. */
  readonly routes: ReadonlyArray<{ readonly method: string; readonly path: string }>
  /** The router as an app. To be called once, when all routes and middlewares are there. */
  readonly app: Effect.Effect<ReturnType<HttpRouter.HttpRouter["asHttpEffect"]>>
}

export const make: Effect.Effect<ExactRouter> = Effect.gen(function* () {
  const inner = yield* Effect.provideService(HttpRouter.make, HttpRouter.RouterConfig, exact)
  const known = FindMyWay.make<true>(exact)
  const routes: Array<{ readonly method: string; readonly path: string }> = []

  const note = (method: string, path: HttpRouter.PathInput) => {
    routes.push({ method, path })
    for (const one of method === "*" ? methods : [method]) known.on(one, path, true)
  }
  /** The same router; notes what is added under `prefix`. */
  const noting = (router: HttpRouter.HttpRouter, prefix: string): HttpRouter.HttpRouter =>
    HttpRouter.HttpRouter.of({
      ...router,
      add: (method, path, ...rest) => {
        note(method, under(prefix, path))
        return router.add(method, path, ...rest)
      },
      addAll: (added) => {
        for (const { method, path } of added) note(method, under(prefix, path))
        return router.addAll(added)
      },
      prefixed: (more) => noting(router.prefixed(more), `${prefix}${more}`)
    })

  const allowOf = (url: string): string | null => {
    const found = methods.filter((method) => known.find(method, url) !== undefined)
    if (found.length === 0) return null
    return [...found.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])), "OPTIONS"].join(", ")
  }
  const unrouted = ({ method, url }: HttpServerRequest.HttpServerRequest) => {
    const allow = allowOf(url)
    if (allow === null) return nowhere
    return HttpServerResponse.empty({ status: method === "OPTIONS" ? 204 : 405, headers: { allow } })
  }

  return {
    router: noting(inner, ""),
    routes,
    app: Effect.gen(function* () {
      // added last, so it is the innermost: what other middlewares answer themselves is not judged
      yield* inner.addGlobalMiddleware((route) =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
          if (!isExact(request)) return Effect.succeed(nowhere)
          return Effect.catch(route, (error) =>
            isUnrouted(error) ? Effect.succeed(unrouted(request)) : Effect.fail(error)
          )
        })
      )
      return inner.asHttpEffect()
    })
  }
})
