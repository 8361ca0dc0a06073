/**
 * HttpFailure: the table from a provider's HTTP status, or a failed connection, to a ModelError. Adapters look at the
 * provider's own error codes first and use this table for the rest.
 */
import { getSystemErrorName } from "node:util"
import {
  ImageUnusable,
  ModelRateLimited,
  ModelRefused,
  ModelTimeout,
  ModelUnauthorized,
  ModelUnavailable
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

/** The error for a request that got no complete response; `cause` is what fetch or the client threw. */
export const fromConnection = (
  call: { readonly provider: string; readonly model: string },
  cause: unknown
): ModelError => {
  const code = networkCode(cause)
  return code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT"
    ? new ModelTimeout({ ...call, message: `no response from ${call.provider} for ${call.model} in time` })
    : new ModelUnavailable({
        ...call,
        message: `no complete response from ${call.provider} for ${call.model}${code === null ? "" : ` (${code})`}`
      })
}

/** The system's code (`ECONNREFUSED`) is nested some causes deep; Deno's fetch only has its number at the end of a message. */
const networkCode = (thrown: unknown): string | null => {
  let error = thrown
  for (let depth = 0; depth < 6 && error instanceof Error; depth++) {
    if ("code" in error && typeof error.code === "string" && /^[A-Z][A-Z_]{3,40}$/.test(error.code)) return error.code
    const [, number] = /\(os error (\d+)\)$/.exec(error.message) ?? []
    if (number !== undefined) return getSystemErrorName(-Number(number))
    error = error.cause
  }
  return null
}
