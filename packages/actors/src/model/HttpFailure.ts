/**
 * HttpFailure: the table from a provider's HTTP status, or a failed connection, to a ModelError. Adapters look at the
 * provider's own error codes first and use this table for the rest.
 */
import { Jitter } from "@eco2/core"
import type { NameLookup } from "@eco2/core/net"
import { Duration, Effect } from "effect"
import { isIP } from "node:net"
import { getSystemErrorName } from "node:util"
import {
  ImageUnusable,
  ModelRateLimited,
  ModelRefused,
  ModelTimeout,
  ModelUnauthorized,
  ModelUnavailable,
  ModelUnreachable
} from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"

export interface HttpFailure {
  readonly provider: string
  readonly model: string
  readonly status: number
  /** Already parsed by RetryAfter; used for 429 only. */
  readonly retryAfterMillis: number | null
  /** Whether the request carried an image. */
  readonly hasImage: boolean
  /** The provider's text, cleaned by Excerpt. */
  readonly excerpt: string
}

/** The error for a response outside 2xx. */
export const fromStatus = ({
  provider,
  model,
  status,
  retryAfterMillis,
  hasImage,
  excerpt
}: HttpFailure): ModelError => {
  const call = { provider, model }
  const http = `(HTTP ${status})`
  switch (status) {
    case 401:
    case 403:
      return new ModelUnauthorized({ ...call, message: `${provider} does not accept the key for ${model} ${http}` })
    case 402:
      return new ModelUnauthorized({ ...call, message: `the account at ${provider} has no credit left ${http}` })
    case 404:
      return new ModelUnauthorized({ ...call, message: `${provider} serves no model ${model} to this key ${http}` })
    case 408:
      return new ModelTimeout({ ...call, message: `${provider} gave up waiting for ${model} ${http}` })
    case 429:
      return new ModelRateLimited({
        ...call,
        message: `${provider} limits calls to ${model} ${http}`,
        retryAfterMillis
      })
    // conflict and "too early" depend on the moment, not on the request
    case 409:
    case 425:
      return new ModelUnavailable({ ...call, message: `${provider} cannot serve ${model} now ${http}` })
    case 413:
    case 415:
      if (hasImage)
        return new ImageUnusable({
          ...call,
          message: `${provider} does not take a picture of this size or type ${http}`
        })
  }
  return status >= 400 && status < 500
    ? new ModelRefused({ ...call, message: `${provider} refuses the request to ${model} ${http}`, excerpt })
    : new ModelUnavailable({ ...call, message: `${provider} cannot serve ${model} now ${http}` })
}

/** How long a call waits that did not leave this process's network. */
const awayMillis = 10_000
/** Name servers that answer at all have answered by then, the second one too. */
const nameKnownWithin = Duration.seconds(2)

/**
 * Codes of a failure on our side of the network: no name server answers or knows the provider, no route, no free port or file, a
 * firewall here. EHOSTUNREACH and ECONNREFUSED may be the provider's.
 */
const isOurs = (code: string): boolean =>
  /^(?:EAI_[A-Z]+|ENOTFOUND|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EMFILE|ENFILE|ENOBUFS|ENOMEM|EACCES|EPERM)$/.test(code)

/**
 * The error for a request that got no complete response; `cause` is what fetch or the client threw.
 * - ModelUnreachable: the failure is ours, and nothing was sent. The time for a connection includes that for the name, so after
 *   a connection time-out the name servers are asked for the name of `url`: if they do not answer, it was ours too
 */
export const fromConnection = Effect.fnUntraced(function* (
  call: { readonly provider: string; readonly model: string },
  options: { readonly url: string; readonly lookup: NameLookup.NameLookup },
  cause: unknown
): Effect.fn.Return<ModelError> {
  const codes = networkCodes(cause)
  const [code = null] = codes
  const isUnknown = code === "UND_ERR_CONNECT_TIMEOUT" && !(yield* isNameKnown(options))
  if (isUnknown || (codes.length > 0 && codes.every(isOurs))) {
    return new ModelUnreachable({
      ...call,
      message: `no connection from here to ${call.provider} (${isUnknown ? "no name server answers" : code})`,
      retryAfterMillis: Jitter.millis(awayMillis)
    })
  }
  return code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT"
    ? new ModelTimeout({ ...call, message: `no response from ${call.provider} for ${call.model} in time` })
    : new ModelUnavailable({
        ...call,
        message: `no complete response from ${call.provider} for ${call.model}${code === null ? "" : ` (${code})`}`
      })
})

/** Whether the name servers have an address for the provider now. */
const isNameKnown = ({ lookup, url }: { readonly url: string; readonly lookup: NameLookup.NameLookup }) => {
  const host = URL.parse(url)?.hostname.replace(/^\[|\]$/g, "") ?? ""
  if (isIP(host) !== 0) return Effect.succeed(true)
  return lookup(host, { search: true }).pipe(
    Effect.timeout(nameKnownWithin),
    Effect.match({ onSuccess: () => true, onFailure: () => false })
  )
}

/**
 * The system's code (`ECONNREFUSED`) is nested some causes deep; one for each address that was tried. Deno's fetch only has its
 * number at the end of a message, and none for a name.
 */
const networkCodes = (thrown: unknown): ReadonlyArray<string> => {
  let error = thrown
  for (let depth = 0; depth < 6 && error instanceof Error; depth++) {
    if (error instanceof AggregateError && error.errors.length > 0) return error.errors.flatMap(networkCodes)
    if ("code" in error && typeof error.code === "string" && /^[A-Z][A-Z_]{3,40}$/.test(error.code)) return [error.code]
    const [, number] = /\(os error (\d+)\)$/.exec(error.message) ?? []
    if (number !== undefined) return [getSystemErrorName(-Number(number))]
    if (/\bdns error\b/.test(error.message)) return ["EAI_FAIL"]
    error = error.cause
  }
  return []
}
