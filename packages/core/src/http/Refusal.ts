/**
 * Refusal: the error response of a request: status, code and detail, with status and code in its type. An endpoint declares its
 * refusals (`declared`), so a handler that fails with another does not compile, and OpenAPI lists them all. On the wire
 * `{detail, code}`; detail is a text, or for validation `[{loc, msg, type}]`. Never a stack trace, never a payload.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"

/** One invalid field: its location, a message, and the kind of mistake. */
export const Issue = Schema.Struct({ loc: Schema.Array(Schema.String), msg: Schema.String, type: Schema.String })

export class Refusal<
  out Status extends number = number,
  out Code extends string = string,
  out Detail = unknown
> extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly code: string
  readonly detail: unknown
  readonly retryAfter?: Duration.Input
}> {
  declare readonly status: Status
  declare readonly code: Code
  declare readonly detail: Detail
}

export const make = <const Status extends number, const Code extends string, Detail = string>(
  status: Status,
  code: Code,
  detail: Detail,
  retryAfter?: Duration.Input
): Refusal<Status, Code, Detail> =>
  new Refusal<Status, Code, Detail>({ status, code, detail, ...(retryAfter === undefined ? {} : { retryAfter }) })

/** 422 for one invalid field; `loc`: `["body", "jti"]`. */
export const invalid = (loc: ReadonlyArray<string>, msg: string, type: string) =>
  make(422, "VALIDATION_ERROR", [{ loc, msg, type }])

/** A dependency does not answer; the same request may succeed later. */
export const unavailable = (detail: string, after: Duration.Input = "2 seconds") =>
  make(503, "UNAVAILABLE", detail, after)

/** Whole seconds, rounded up: an earlier retry would be refused again. */
const retryAfterOf = (after: Duration.Input): string =>
  String(Math.max(1, Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(after)))))

const headersOf = ({ retryAfter, status }: Refusal): Record<string, string> => ({
  ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  ...(retryAfter === undefined ? {} : { "retry-after": retryAfterOf(retryAfter) })
})

const later = { "retry-after": Schema.optionalKey(Schema.String) }
/** The headers of a refusal, by status. */
const headerSchemas: Readonly<Record<number, Record<string, Schema.optionalKey<Schema.String>>>> = {
  401: { "www-authenticate": Schema.optionalKey(Schema.String) },
  429: later,
  503: later
}

/**
 * Declares that an endpoint may refuse with `status` and one of `codes`; `detail`: the detail's schema. HttpApi takes one schema
 * with headers for each status, so an endpoint declares all its codes of 401, 429 or 503 at once.
 */
export const declaredWith = <const Status extends number, const Codes extends ReadonlyArray<string>, Detail>(
  status: Status,
  codes: Codes,
  detail: Schema.Codec<Detail, unknown>
): Schema.Codec<Refusal<Status, Codes[number], Detail>, unknown> => {
  const isDetail = Schema.is(detail)
  const refusal = Schema.declare(
    (value): value is Refusal<Status, Codes[number], Detail> =>
      value instanceof Refusal && value.status === status && codes.includes(value.code) && isDetail(value.detail)
  )
  const body = Schema.Struct({ detail, code: Schema.Literals(codes) })
    .pipe(HttpApiSchema.status(status))
    .annotate({ description: codes.join(", ") })
  const byStatus: number = status
  const headers = headerSchemas[byStatus]
  return headers !== undefined
    ? refusal.pipe(
        HttpApiSchema.encodeToWithHeaders(
          { body, headers },
          {
            decode: (answer) => make(status, answer.body.code, answer.body.detail),
            encode: (value) => ({ body: { detail: value.detail, code: value.code }, headers: headersOf(value) })
          }
        )
      )
    : body
        .pipe(
          Schema.decodeTo(
            refusal,
            SchemaTransformation.transform({
              decode: (answer) => make(status, answer.code, answer.detail),
              encode: (value) => ({ detail: value.detail, code: value.code })
            })
          ),
          HttpApiSchema.status(status)
        )
        .annotate({ description: codes.join(", ") })
}

/** The same with a text as detail. */
export const declared = <const Status extends number, const Codes extends ReadonlyArray<string>>(
  status: Status,
  ...codes: Codes
) => declaredWith(status, codes, Schema.String)

/** 422: an invalid field. */
export const invalidField = declaredWith(422, ["VALIDATION_ERROR"], Schema.Array(Issue))

export const toResponse = (refusal: Refusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(
    { detail: refusal.detail, code: refusal.code },
    { status: refusal.status, headers: headersOf(refusal) }
  )

/** For routes outside an HttpApi: turns refusals into responses. */
export const respond = <R>(
  effect: Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(effect, (refusal) => Effect.succeed(toResponse(refusal)))
