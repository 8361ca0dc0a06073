/**
 * ErrorBody: what every service here answers when something goes wrong, `{detail, code}`, also where the router or a defect
 * decides: never an empty body, never a stack trace. A service's own refusals are its own.
 */
import { Effect } from "effect"
import { HttpEffect, HttpRouter, HttpServerResponse } from "effect/http"
import * as PagePolicy from "./PagePolicy.ts"

const internalError = HttpServerResponse.jsonUnsafe({ detail: "internal error", code: "INTERNAL" }, { status: 500 })
const malformed = { detail: "the request is malformed", code: "INVALID_REQUEST" }

/** Whatever path nobody serves. */
export const noSuchPage = HttpServerResponse.jsonUnsafe({ detail: "no such page", code: "NOT_FOUND" }, { status: 404 })

/** A refusal of the router itself (a path that does not decode, a query given twice) comes without a body: it gets ours. */
const withErrorBody = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
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
