/** HttpErrors: why the news service refuses a request, as responses. What every service answers alike: ErrorBody in core. */
import { HttpServerResponse } from "effect/http"

/** Why a request is refused; nothing happened. */
export interface Refusal {
  readonly status: 400 | 422 | 503
  readonly code: string
  readonly detail: unknown
}

/** 422 for one field of the query. */
export const invalid = (field: string, msg: string, type: string): Refusal => ({
  status: 422,
  code: "VALIDATION_ERROR",
  detail: [{ loc: ["query", field], msg, type }]
})

/** Neither store answers: the same request may succeed later. */
export const unavailable: Refusal = { status: 503, code: "UNAVAILABLE", detail: "the news cannot be read; try again" }

export const refused = ({ code, detail, status }: Refusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(
    { detail, code },
    { status, headers: { "cache-control": "no-store", ...(status === 503 ? { "retry-after": "2" } : {}) } }
  )
