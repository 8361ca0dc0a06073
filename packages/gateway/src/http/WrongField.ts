/**
 * WrongField: middlewares for the fields of paths, queries and headers that have their own refusal in the contract. Each runs
 * if the request's schema could not decode that field; ErrorBody.Failures answers for all other fields.
 */
import { Refusal } from "@eco2/core/refusal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SchemaIssue from "effect/SchemaIssue"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()
const isOf = (issue: SchemaIssue.Issue, field: string): boolean =>
  issuesOf(issue).issues.some(({ path: [first] = [] }) => (typeof first === "object" ? first.key : first) === field)

const invalidJobId = Refusal.make(400, "INVALID_JOB_ID", "the job id is not a UUID")
const invalidKey = Refusal.make(
  400,
  "INVALID_IDEMPOTENCY_KEY",
  "X-Idempotency-Key must be 1 to 255 printable ASCII characters"
)
export const noResult = Refusal.make(404, "RESULT_NOT_FOUND", "no such job, or it has expired")
export const nothing = Refusal.make(404, "NOT_FOUND", "not found")

/** A stream is requested by a job id. */
export class InvalidJobId extends HttpApiMiddleware.Service<InvalidJobId>()("@eco2/gateway/http/InvalidJobId", {
  error: Refusal.declared(400, "INVALID_JOB_ID")
}) {}

/** Text that is not a job id is answered like the id of a missing job. */
export class UnknownJob extends HttpApiMiddleware.Service<UnknownJob>()("@eco2/gateway/http/UnknownJob", {
  error: Refusal.declared(404, "RESULT_NOT_FOUND")
}) {}

/** The same for operators. */
export class NoSuchJob extends HttpApiMiddleware.Service<NoSuchJob>()("@eco2/gateway/http/NoSuchJob", {
  error: Refusal.declared(404, "NOT_FOUND")
}) {}

export class InvalidKey extends HttpApiMiddleware.Service<InvalidKey>()("@eco2/gateway/http/InvalidKey", {
  error: Refusal.declared(400, "INVALID_IDEMPOTENCY_KEY")
}) {}

export const layer = Layer.mergeAll(
  // a query with the field twice counts as no query
  HttpApiMiddleware.layerSchemaErrorTransform(InvalidJobId, (error) =>
    Effect.flatMap(HttpServerRequest.ParsedSearchParams, (query) =>
      Effect.fail(isOf(error.cause.issue, "job_id") && !Array.isArray(query.job_id) ? invalidJobId : error)
    )
  ),
  HttpApiMiddleware.layerSchemaErrorTransform(UnknownJob, (error) =>
    Effect.fail(isOf(error.cause.issue, "job_id") ? noResult : error)
  ),
  HttpApiMiddleware.layerSchemaErrorTransform(NoSuchJob, (error) =>
    Effect.fail(isOf(error.cause.issue, "job_id") ? nothing : error)
  ),
  HttpApiMiddleware.layerSchemaErrorTransform(InvalidKey, (error) =>
    Effect.fail(isOf(error.cause.issue, "x-idempotency-key") ? invalidKey : error)
  )
)
