/**
 * PagePolicy: a content security policy for pages without one, such as pages of libraries. It allows no other origin, no frame,
 * and only the inline scripts of the page itself, by their hashes.
 * For pages that do not change; each is hashed once.
 */
import { HttpServerResponse } from "effect/http"
import { hash } from "node:crypto"

const header = "content-security-policy"
const known = new WeakMap<Uint8Array, string>()

const policyOf = (body: Uint8Array): string => {
  const page = new TextDecoder().decode(body)
  const scripts = [...page.matchAll(/<script\b[^>]*>([\s\S]*?)<\/script>/gi)].flatMap(([, code = ""]) =>
    code === "" ? [] : [`'sha256-${hash("sha256", code, "base64")}'`]
  )
  return [
    "default-src 'self'",
    `script-src 'self' ${scripts.join(" ")}`.trim(),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'"
  ].join("; ")
}

/** Adds the policy to an HTML page; a page with its own policy keeps it. */
export const withPolicy = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body, headers } = response
  const contentType = headers["content-type"] ?? (body._tag === "Uint8Array" ? body.contentType : "")
  if (headers[header] !== undefined || body._tag !== "Uint8Array" || !contentType.startsWith("text/html"))
    return response
  const policy = known.get(body.body) ?? policyOf(body.body)
  known.set(body.body, policy)
  return HttpServerResponse.setHeader(response, header, policy)
}
