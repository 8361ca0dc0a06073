/**
 * FetchError: why GuardedFetch has no response. `url` is the URL that failed (after redirects the last one), without its query,
 * which may contain a secret.
 */
import { Schema } from "effect"

/**
 * The URL, or one it redirects to, is not fetched: `url` (malformed), `scheme` (only http and https), `credentials`,
 * `host` (the caller may not ask it), `address` (not public), `redirects` (too many). Nothing was sent there. Do not retry. `room`: the caller has no room for the
 * body, which was left unread; later it may.
 */
export class FetchRefused extends Schema.TaggedError<FetchRefused>()("FetchRefused", {
  url: Schema.String,
  reason: Schema.Literals(["url", "scheme", "credentials", "host", "address", "redirects", "room"])
}) {
  override get message() {
    return `${this.url} is not fetched: ${this.reason}${this.reason === "address" ? "; see FETCH_ALLOW_PRIVATE" : ""}`
  }
}

/** The response was not complete in time. The server may have received the request. */
export class FetchTimeout extends Schema.TaggedError<FetchTimeout>()("FetchTimeout", {
  url: Schema.String,
  timeoutMillis: Schema.Finite
}) {
  override get message() {
    return `${this.url} took longer than ${this.timeoutMillis} ms`
  }
}

/** The decompressed body has more than `maxBytes`; reading stopped there. */
export class FetchTooLarge extends Schema.TaggedError<FetchTooLarge>()("FetchTooLarge", {
  url: Schema.String,
  maxBytes: Schema.Int
}) {
  override get message() {
    return `${this.url} has more than ${this.maxBytes} bytes`
  }
}

/** No complete response: name not found, connection refused or broken, not HTTP, headers too large, a damaged body. */
export class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", {
  url: Schema.String,
  /** The system's code (`ECONNREFUSED`) or a few words. */
  code: Schema.String
}) {
  override get message() {
    return `no response from ${this.url}: ${this.code}`
  }
}

export type FetchError = FetchRefused | FetchTimeout | FetchTooLarge | FetchFailed
