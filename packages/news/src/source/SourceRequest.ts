/**
 * SourceRequest: one GET to a source, with its failures as the port's errors. The operator sets the sources' addresses, so they
 * may be private; addresses they redirect to may not.
 */
import { RetryAfter } from "@eco2/core/net"
import type { GuardedFetch } from "@eco2/core/net"
import { Clock, Effect } from "effect"
import type { Source } from "../domain/Article.ts"
import * as Slices from "../Slices.ts"
import { SourceGone, SourceRateLimited, SourceRefused, SourceReplyInvalid, SourceUnavailable } from "./NewsSource.ts"
import type { SourceError } from "./NewsSource.ts"

const maxBytes = 4 * 1024 * 1024

/** A response with status 2xx or 304. Follows at most `maxRedirects` redirects. */
export const get = Effect.fnUntraced(function* (
  guarded: GuardedFetch.GuardedFetch["Service"],
  source: Source,
  request: {
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly maxRedirects: number
    /** Whether the operator wrote this address; by default he did. */
    readonly trusted?: boolean
  }
): Effect.fn.Return<GuardedFetch.Response, SourceError> {
  const response = yield* guarded.get({ trusted: true, ...request, timeout: "10 seconds", maxBytes }).pipe(
    Effect.catchTags({
      FetchRefused: ({ message }) => Effect.fail(new SourceRefused({ source, message })),
      FetchTooLarge: ({ message }) => Effect.fail(new SourceReplyInvalid({ source, message })),
      FetchTimeout: ({ message }) => Effect.fail(new SourceUnavailable({ source, message, retryAfterMillis: null })),
      FetchFailed: ({ message }) => Effect.fail(new SourceUnavailable({ source, message, retryAfterMillis: null }))
    })
  )
  const { headers, status } = response
  if ((status >= 200 && status < 300) || status === 304) return response
  const message = `${source} answers with HTTP ${status}`
  const retryAfterMillis = RetryAfter.fromHeaders(headers, yield* Clock.currentTimeMillis)
  if (status === 410) return yield* new SourceGone({ source, message })
  if (status === 429) return yield* new SourceRateLimited({ source, message, retryAfterMillis })
  return yield* status >= 500 || status === 408 || status === 425
    ? new SourceUnavailable({ source, message, retryAfterMillis })
    : new SourceRefused({ source, message })
})

/** The longest that one reply may hold this process, in all its slices. */
const mostMillis = 5_000

/** Reads a reply in slices. */
export const inSlices = <A>(source: Source, work: () => Slices.Work<A>): Effect.Effect<A, SourceReplyInvalid> =>
  Effect.catchTag(Slices.run(work, { mostMillis }), "TookTooLong", ({ message }) =>
    Effect.fail(new SourceReplyInvalid({ source, message }))
  )
