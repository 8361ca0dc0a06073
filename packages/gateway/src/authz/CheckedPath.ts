/**
 * CheckedPath: what a path needs, as the proxy in front received it. Open are only the paths listed here, letter by letter.
 * The service behind may read a path otherwise than it is written (decode it, fold slashes, drop `;…`, resolve `..`), so one
 * that could be read in two ways is refused, whatever it seems to name: then it does not matter who normalises how.
 */

/** open: whoever asks · closed: needs a token · internal: never from outside · malformed: could be read in two ways. */
export type Need = "open" | "closed" | "internal" | "malformed"

const openPaths: ReadonlySet<string> = new Set([
  "/",
  "/healthz",
  "/readyz",
  "/metrics",
  "/docs",
  "/openapi.json",
  "/favicon.ico",
  "/news",
  "/api/v1/character/catalog",
  "/api/v1/scan/categories"
])
const openUnder = ["/assets/", "/docs/", "/news/", "/api/v1/info/"]
const internalUnder = "/api/v1/internal"

/** Encoded: control characters, `#` `%` `.` `/` `;` `?` `\`. Plain: what no proxy should let through. */
const ambiguous = /%(?:[01][0-9a-f]|7f|23|25|2e|2f|3b|3f|5c)|[;\\#]|\/\/|[^\x21-\x7e]/i

const decoded = (path: string): string | null => {
  try {
    // some services fold look-alikes of a slash or a dot
    return decodeURIComponent(path).normalize("NFKC")
  } catch {
    return null
  }
}

/** `target`: the request's path and query, as sent. */
export const needOf = (target: string): Need => {
  const [path = ""] = target.split("?", 1)
  if (!path.startsWith("/") || ambiguous.test(path)) return "malformed"
  const plain = decoded(path)
  if (plain === null || plain.includes("\\") || plain.split("/").length !== path.split("/").length) return "malformed"
  if (plain.split("/").some((part) => part === "." || part === "..")) return "malformed"
  const folded = plain.toLowerCase()
  if (folded === internalUnder || folded.startsWith(`${internalUnder}/`)) return "internal"
  return openPaths.has(path) || openUnder.some((prefix) => path.startsWith(prefix)) ? "open" : "closed"
}
