/** HttpErrors: what goes wrong, as responses: `{detail, code}` and never a stack trace. */
import { Effect } from "effect"
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

const internalError = HttpServerResponse.jsonUnsafe({ detail: "internal error", code: "INTERNAL" }, { status: 500 })
const malformed = { detail: "the request is malformed", code: "INVALID_REQUEST" }

/** Whatever path nobody serves. */
export const noSuchPage = HttpServerResponse.jsonUnsafe({ detail: "no such page", code: "NOT_FOUND" }, { status: 404 })

/** A refusal of the router itself comes without a body: it gets ours. */
export const withErrorBody = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
  response.status < 400 || response.body._tag !== "Empty"
    ? response
    : response.status === 404
      ? noSuchPage
      : HttpServerResponse.jsonUnsafe(malformed, { status: response.status })

/** A defect is said in the log and answered 500 without details. */
export const orInternal = <E, R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.catchDefect(effect, (defect) =>
    Effect.as(
      Effect.logError("request failed").pipe(
        Effect.annotateLogs({ error: defect instanceof Error ? (defect.stack ?? defect.message) : String(defect) })
      ),
      internalError
    )
  )
