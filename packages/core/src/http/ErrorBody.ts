/**
 * ErrorBody: the error responses `{detail, code}` of every service, also for errors of the router and for defects: never an
 * empty body, never a stack trace. For a service's declared errors see Refusal.
 */
import { Effect, Layer, SchemaIssue } from "effect"
import { HttpEffect, HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiError, HttpApiMiddleware } from "effect/http-api"
import * as Compression from "./Compression.ts"
import * as PagePolicy from "./PagePolicy.ts"
import * as Refusal from "./Refusal.ts"

const internal = Refusal.make(500, "INTERNAL", "internal error")
const stopping = Refusal.unavailable("the service is stopping; try again")
const malformed = Refusal.make(400, "INVALID_REQUEST", "the request is malformed")

const noSuchPage = Refusal.make(404, "NOT_FOUND", "no such page")
const notAllowed = Refusal.make(405, "METHOD_NOT_ALLOWED", "the path has other methods; see Allow")

const refusalOf = (status: number): Refusal.Refusal => {
  if (status === 404) return noSuchPage
  if (status === 405) return notAllowed
  // the server answers 503 for a request that its own end interrupted: another process may serve it
  if (status === 503) return stopping
  return status >= 500 ? internal : malformed
}

/** Adds a body to an error response of the router or server, which has none. */
const withErrorBody = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body, headers, status } = response
  if (status < 400 || body._tag !== "Empty") return response
  return Refusal.toResponse(refusalOf(status)).pipe(
    HttpServerResponse.setHeaders(headers),
    HttpServerResponse.setStatus(status)
  )
}

const logged = (defect: unknown) =>
  Effect.logError("request failed").pipe(
    Effect.annotateLogs({ error: defect instanceof Error ? (defect.stack ?? defect.message) : String(defect) })
  )

/** Logs a defect and answers 500 without details. */
export const orInternal = <E, R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.catchDefect(effect, (defect) => Effect.as(logged(defect), Refusal.toResponse(internal)))

/** For a whole HttpApi: a request that does not match its schemas is 400 and names the fields; a defect, or a response that does not match, is 500. */
export class Failures extends HttpApiMiddleware.Service<Failures>()("@eco2/core/http/ErrorBody/Failures", {
  error: [Refusal.declared(400, "INVALID_REQUEST"), Refusal.declared(500, "INTERNAL")]
}) {}

const isOfTheRequest = ({ kind }: HttpApiError.HttpApiSchemaError) => kind !== "Body" && kind !== "ResponseHeaders"
const places = { Params: "path", Query: "query", Headers: "header", Payload: "body" } as const
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()
const mostNamed = 5
const stepOf = (step: PropertyKey | { readonly key: PropertyKey }) => String(typeof step === "object" ? step.key : step)

/** `query limit: expected a whole number from 1 to 1000`: where, which field, and what was expected; never what was sent. */
const wrongFields = ({ cause, kind }: HttpApiError.HttpApiSchemaError): string =>
  issuesOf(cause.issue)
    .issues.slice(0, mostNamed)
    .map(({ message, path = [] }) => {
      const place = kind === "Body" || kind === "ResponseHeaders" ? "answer" : places[kind]
      return `${[place, ...path.map(stepOf)].join(" ")}: ${message.replace(/^Expected/, "expected")}`
    })
    .join("; ")
const failed = (defect: unknown) => Effect.andThen(logged(defect), Effect.fail(internal))

type Failure = typeof malformed | typeof internal
const asFailure = <E>(error: E): Effect.Effect<never, E | Failure> => {
  if (!HttpApiError.HttpApiSchemaError.is(error)) return Effect.fail(error)
  return isOfTheRequest(error)
    ? Effect.fail(Refusal.make(400, "INVALID_REQUEST", wrongFields(error)))
    : failed(error.cause)
}

export const failures = Layer.succeed(Failures, (call) =>
  Effect.catch(Effect.catchDefect(call, failed), (error) => asFailure(error))
)

/** Gives every error response a body, every page a content security policy (PagePolicy), and compresses them (Compression). */
export const layer = HttpRouter.middleware(
  // the handler that is added first sees the answer first, as it is
  Effect.map(
    Compression.make,
    (compressed) => (app) =>
      HttpEffect.withPreResponseHandler(compressed(app), (_, response) =>
        Effect.succeed(PagePolicy.withPolicy(withErrorBody(response)))
      )
  ),
  { global: true }
)
