/** Page: the web page at / and its files under /assets/. Its content security policy allows nothing from other origins. */
import { Pages, Prepared } from "@eco2/core/http"
import { Layer } from "effect"
import { HttpRouter } from "effect/http"
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
    Prepared.respond({
      bytes: readFileSync(`${folder}index.html`),
      contentType: "text/html; charset=utf-8",
      headers: { "content-security-policy": contentSecurityPolicy, "referrer-policy": "same-origin" }
    })
  )
)

export const layer = Layer.merge(index, Pages.files({ folder, prefix: "/assets" }))
