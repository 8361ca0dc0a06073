/** Page: the web page at / and its files under /assets/. Its content security policy allows nothing from other origins. */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse, HttpStaticServer } from "effect/http"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../web/", import.meta.url))

const contentSecurityPolicy = [
  "default-src 'self'",
  "img-src 'self' data: blob: https: http:",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
].join("; ")

const index = HttpRouter.use((router) =>
  router.add(
    "GET",
    "/",
    Effect.succeed(
      HttpServerResponse.text(readFileSync(`${folder}index.html`, "utf8"), {
        contentType: "text/html; charset=utf-8",
        headers: {
          "content-security-policy": contentSecurityPolicy,
          "cache-control": "no-cache",
          "x-content-type-options": "nosniff",
          "referrer-policy": "same-origin"
        }
      })
    )
  )
)

const assets = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const files = yield* HttpStaticServer.make({ root: folder, cacheControl: "no-cache" })
    const serve = Effect.catch(files, () => Effect.succeed(HttpServerResponse.empty({ status: 404 })))
    yield* router.prefixed("/assets").add("GET", "/*", serve)
  })
)

export const layer = Layer.merge(index, assets)
