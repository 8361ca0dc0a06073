/**
 * Console: the operators' page at /console and its files, on ADMIN_PORT where that is set. The page itself tells nothing; what it
 * shows comes from the operators' calls, which need a session. The policy of its content is the main page's without pictures
 * from elsewhere.
 */
import { ModuleBundle, Prepared, Stylesheet } from "@eco2/core/http"
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../console/", import.meta.url))
const icon = fileURLToPath(new URL("../web/icon.svg", import.meta.url))

const headers = {
  "content-security-policy": [
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'"
  ].join("; "),
  "referrer-policy": "no-referrer"
}

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const add = (path: `/${string}`, bytes: Uint8Array, contentType: string) =>
      router.add("GET", path, Prepared.respond({ bytes, contentType, headers }))
    yield* add("/console", readFileSync(`${folder}index.html`), "text/html; charset=utf-8")
    yield* add("/console/style.css", Stylesheet.read(`${folder}style.css`), "text/css; charset=utf-8")
    yield* add(
      "/console/app.js",
      new TextEncoder().encode(ModuleBundle.make(folder, "app.js")),
      "text/javascript; charset=utf-8"
    )
    yield* add("/console/icon.svg", readFileSync(icon), "image/svg+xml")
  })
)
