/**
 * HttpErrors: every refusal a client may see, as one value: status, code, text. The body is `{detail, code}`, or for
 * validation 422 `{detail: [{loc, msg, type}]}`. Never a stack trace, never a payload.
 */
import { ErrorBody } from "@eco2/core/service"
import { Data, Duration, Effect } from "effect"
import { HttpServerResponse } from "effect/http"

export interface ValidationIssue {
  readonly loc: ReadonlyArray<string>
  readonly msg: string
  readonly type: string
}

export class HttpRefusal extends Data.TaggedError("HttpRefusal")<{
  readonly status: number
  readonly code: string
  readonly detail: string | ReadonlyArray<ValidationIssue> | { readonly [field: string]: unknown }
  readonly retryAfter?: Duration.Input
}> {}

export const refusal = (
  status: number,
  code: string,
  detail: HttpRefusal["detail"],
  retryAfter?: Duration.Input
): HttpRefusal => new HttpRefusal({ status, code, detail, ...(retryAfter === undefined ? {} : { retryAfter }) })

/** 422 for one field of the body. */
export const invalid = (field: string, msg: string, type: string): HttpRefusal =>
  refusal(422, "VALIDATION_ERROR", [{ loc: ["body", field], msg, type }])

/** The store does not answer, or is full: the same request may succeed later. */
export const unavailable = (detail: string, after: Duration.Input = "2 seconds"): HttpRefusal =>
  refusal(503, "UNAVAILABLE", detail, after)

const toResponse = (error: HttpRefusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(
    { detail: error.detail, code: error.code },
    {
      status: error.status,
      headers: {
        ...(error.status === 401 ? { "www-authenticate": "Bearer" } : {}),
        ...(error.retryAfter === undefined
          ? {}
          : {
              "retry-after": String(
                Math.max(1, Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(error.retryAfter))))
              )
            })
      }
    }
  )

/** Refusals become their responses; anything else that goes wrong is said in the log and answered 500 without details. */
export const respond = <R>(
  effect: Effect.Effect<HttpServerResponse.HttpServerResponse, HttpRefusal, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  ErrorBody.orInternal(Effect.catchTag(effect, "HttpRefusal", (error) => Effect.succeed(toResponse(error))))
