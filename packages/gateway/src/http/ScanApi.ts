/**
 * ScanApi: the scan calls as their clients see them; OpenAPI and /docs are made of this. The handlers answer by hand
 * (ScanHandlers), because the contract gives each wrong field its own status.
 */
import { ScanCategory, ScanResult } from "@eco2/actors/protocol"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { BlacklistGroup } from "./BlacklistApi.ts"
import { CharacterGroup } from "./CharacterApi.ts"
import { OpsGroup } from "./OpsApi.ts"
import { LimitOpsGroup } from "./LimitOpsApi.ts"
import { PolicyOpsGroup } from "./PolicyOpsApi.ts"
import { ScheduleOpsGroup } from "./ScheduleOpsApi.ts"

const status =
  (code: number, description: string) =>
  <S extends Schema.Top>(schema: S) =>
    schema.pipe(HttpApiSchema.status(code)).annotate({ description })

const ErrorBody = Schema.Struct({ detail: Schema.Unknown, code: Schema.String })
const failure = (code: number, description: string) => status(code, description)(Schema.Struct({ ...ErrorBody.fields }))

const unknownCaller = [
  failure(400, "MALFORMED_TOKEN"),
  failure(401, "UNAUTHORIZED"),
  failure(403, "TOKEN_REVOKED, HOST_NOT_ALLOWED, ORIGIN_NOT_ALLOWED")
] as const

const ScanBody = Schema.Struct({
  image_url: Schema.String.annotate({
    description: "http(s) URL of at most 2083 characters, or data:image/(jpeg|png|webp|gif);base64,… of at most 10 MiB"
  }),
  user_input: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({
    description: "The question, at most 2000 characters; a default one if null or empty"
  }),
  model: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({
    description: "One of GET /api/v1/scan/models; the default if null"
  })
})
const Accepted = Schema.Struct({
  job_id: Schema.String,
  stream_url: Schema.String,
  result_url: Schema.String,
  status: Schema.Literal("queued")
})
const Processing = Schema.Struct({
  status: Schema.Literal("processing"),
  message: Schema.String,
  current_stage: Schema.String,
  progress: Schema.Int
})
const Cancelled = Schema.Struct({ job_id: Schema.String, status: Schema.Literal("cancelled") })
const Models = Schema.Struct({ models: Schema.Array(Schema.String), default: Schema.String })

const User = {
  "x-user-id": Schema.optionalKey(Schema.String).annotate({
    description:
      "The user; set by the mesh (AUTH_MODE=header). Ignored with AUTH_MODE=jwt, which takes Authorization: Bearer, or cookie s_access"
  })
}
const Submit = {
  ...User,
  "x-idempotency-key": Schema.optionalKey(Schema.String).annotate({
    description: "The same user and key give the same job. At most 255 printable ASCII characters"
  })
}
const Resume = {
  ...User,
  "last-event-id": Schema.optionalKey(Schema.String).annotate({
    description: "Last seq seen; the stream continues after it"
  })
}
const JobPath = { job_id: Schema.String }

const stream = Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" }))
const streamErrors = [
  failure(400, "INVALID_JOB_ID"),
  ...unknownCaller,
  failure(404, "RESULT_NOT_FOUND"),
  failure(429, "TOO_MANY_STREAMS"),
  failure(503, "TOO_MANY_VIEWERS, UNAVAILABLE")
] as const
const resultSuccess = [ScanResult.ScanResult, status(202, "Still open; see Retry-After")(Processing)] as const
const resultErrors = [...unknownCaller, failure(404, "RESULT_NOT_FOUND"), failure(503, "UNAVAILABLE")] as const

export class ScanGroup extends HttpApiGroup.make("scan").add(
  HttpApiEndpoint.post("submit", "/api/v1/scan", {
    headers: Submit,
    payload: ScanBody,
    success: status(202, "Accepted; Location names the result")(Accepted),
    error: [
      failure(
        400,
        "IMAGE_URL_REQUIRED, IMAGE_HOST_NOT_ALLOWED, UNSUPPORTED_MODEL, INVALID_IDEMPOTENCY_KEY, INVALID_JSON, INVALID_REQUEST"
      ),
      ...unknownCaller,
      failure(408, "REQUEST_TIMEOUT"),
      failure(409, "IDEMPOTENCY_KEY_REUSED"),
      failure(413, "IMAGE_TOO_LARGE, INPUT_TOO_LARGE"),
      failure(422, "VALIDATION_ERROR"),
      failure(429, "LANE_FULL, RATE_LIMITED"),
      failure(503, "MAILBOX_FULL, STORAGE_FULL, TOO_MANY_UPLOADS, UNAVAILABLE")
    ]
  }).annotate(OpenApi.Summary, "Submit a photo"),
  HttpApiEndpoint.get("result", "/api/v1/scan/:job_id/result", {
    params: JobPath,
    headers: User,
    success: resultSuccess,
    error: resultErrors
  }).annotate(OpenApi.Summary, "Result, or progress of the job"),
  HttpApiEndpoint.get("resultOld", "/api/v1/scan/result/:job_id", {
    params: JobPath,
    headers: User,
    success: resultSuccess,
    error: resultErrors
  }).annotate(OpenApi.Summary, "The same, at its older address"),
  HttpApiEndpoint.get("events", "/api/v1/scan/:job_id/events", {
    params: JobPath,
    query: { last_event_id: Schema.optionalKey(Schema.String) },
    headers: Resume,
    success: [stream, HttpApiSchema.NoContent],
    error: streamErrors
  }).annotate(OpenApi.Summary, "Live progress (server-sent events)"),
  HttpApiEndpoint.get("eventsOld", "/api/v1/stream", {
    query: { job_id: Schema.optionalKey(Schema.String), last_event_id: Schema.optionalKey(Schema.String) },
    headers: Resume,
    success: [stream, HttpApiSchema.NoContent],
    error: streamErrors
  }).annotate(OpenApi.Summary, "The same, at its older address"),
  HttpApiEndpoint.delete("cancel", "/api/v1/scan/:job_id", {
    params: JobPath,
    headers: User,
    success: status(202, "Cancelled, now or before")(Cancelled),
    error: [
      ...unknownCaller,
      failure(404, "RESULT_NOT_FOUND"),
      failure(409, "ALREADY_FINISHED"),
      failure(503, "UNAVAILABLE")
    ]
  }).annotate(OpenApi.Summary, "Cancel a job"),
  HttpApiEndpoint.get("categories", "/api/v1/scan/categories", { success: Schema.Array(ScanCategory) }).annotate(
    OpenApi.Summary,
    "The kinds of waste, and how to dispose of each"
  ),
  HttpApiEndpoint.get("models", "/api/v1/scan/models", {
    headers: User,
    success: Models,
    error: unknownCaller
  }).annotate(OpenApi.Summary, "Models a scan may name")
) {}

export class Api extends HttpApi.make("eco2")
  .add(ScanGroup)
  .add(CharacterGroup)
  .add(OpsGroup)
  .add(ScheduleOpsGroup)
  .add(PolicyOpsGroup)
  .add(LimitOpsGroup)
  .add(BlacklistGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Eco²",
      version: "0.1.0",
      description: "Submit a photo of waste, watch it being classified, fetch how to dispose of it."
    })
  ) {}
