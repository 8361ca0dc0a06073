/**
 * CheckedPath: decides what a request needs by its path, as the proxy in front received it. Only the paths listed here, letter
 * by letter, are open. The service behind may normalise a path (decode it, fold slashes, drop `;…`, resolve `..`), so a path
 * that could be read in two ways is refused; then it does not matter who normalises how.
 */

/** open: everybody · closed: needs a token · internal: never from outside · malformed: could be read in two ways. */
export type Need = "open" | "closed" | "internal" | "malformed"

const openPaths: ReadonlySet<string> = new Set([
  "/",
  "/healthz",
  "/readyz",
  "/metrics",
  "/docs",
  "/openapi.json",
  "/favicon.ico",
  "/manifest.webmanifest",
  "/news",
  "/api/v1/character/catalog",
  "/api/v1/scan/categories"
])
/** The address of an upload is signed: it is its bearer's permission, and browsers send no token with it. */
const openUnder = ["/assets/", "/docs/", "/news/", "/api/v1/info/", "/api/v1/images/upload/"]
const internalUnder = "/api/v1/internal"

/** Encoded: control characters, `#` `%` `.` `/` `;` `?` `\`. Plain: characters that no proxy should pass on. */
const ambiguous = /%(?:[01][0-9a-f]|7f|23|25|2e|2f|3b|3f|5c)|[;\\#]|\/\/|[^\x21-\x7e]/i

const decoded = (path: string): string | null => {
  try {
    // some services map look-alikes to a slash or a dot
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
