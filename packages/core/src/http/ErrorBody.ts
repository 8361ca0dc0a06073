/**
 * ErrorBody: what every service here answers when something goes wrong, `{detail, code}`, also where the router or a defect
 * decides: never an empty body, never a stack trace. A service's own refusals are its own (Refusal).
 */
import { Effect, Layer } from "effect"
import { HttpEffect, HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiError, HttpApiMiddleware } from "effect/http-api"
import * as PagePolicy from "./PagePolicy.ts"
import * as Refusal from "./Refusal.ts"

const internal = Refusal.make(500, "INTERNAL", "internal error")
const malformed = Refusal.make(400, "INVALID_REQUEST", "the request is malformed")

/** Whatever path nobody serves. */
export const noSuchPage = Refusal.toResponse(Refusal.make(404, "NOT_FOUND", "no such page"))

/** A refusal of the router itself (a path that does not decode) comes without a body: it gets ours. */
const withErrorBody = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body, status } = response
  if (status < 400 || body._tag !== "Empty") return response
  if (status === 404) return noSuchPage
  return status >= 500
    ? Refusal.toResponse(internal)
    : HttpServerResponse.setStatus(Refusal.toResponse(malformed), status)
}

const logged = (defect: unknown) =>
  Effect.logError("request failed").pipe(
    Effect.annotateLogs({ error: defect instanceof Error ? (defect.stack ?? defect.message) : String(defect) })
  )

/** A defect is said in the log and answered 500 without details. */
export const orInternal = <E, R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.catchDefect(effect, (defect) => Effect.as(logged(defect), Refusal.toResponse(internal)))

/** For a whole HttpApi: a request that its schemas do not read is 400, a defect or an answer they do not write is 500. */
export class Failures extends HttpApiMiddleware.Service<Failures>()("@eco2/core/http/ErrorBody/Failures", {
  error: [Refusal.declared(400, "INVALID_REQUEST"), Refusal.declared(500, "INTERNAL")]
}) {}

const isOfTheRequest = ({ kind }: HttpApiError.HttpApiSchemaError) => kind !== "Body" && kind !== "ResponseHeaders"
const failed = (defect: unknown) => Effect.andThen(logged(defect), Effect.fail(internal))

type Failure = typeof malformed | typeof internal
const asFailure = <E>(error: E): Effect.Effect<never, E | Failure> => {
  if (!HttpApiError.HttpApiSchemaError.is(error)) return Effect.fail(error)
  return isOfTheRequest(error) ? Effect.fail(malformed) : failed(error.cause)
}

export const failures = Layer.succeed(Failures, (call) =>
  Effect.catch(Effect.catchDefect(call, failed), (error) => asFailure(error))
)

/** The route for paths nobody serves. */
export const notFound = HttpRouter.add("*", "/*", Effect.succeed(noSuchPage))

/** Every response with a body where it is a refusal, and with a policy where it is a page (PagePolicy). */
export const layer = HttpRouter.middleware(
  (app) =>
    HttpEffect.withPreResponseHandler(app, (_, response) =>
      Effect.succeed(PagePolicy.withPolicy(withErrorBody(response)))
    ),
  { global: true }
)
