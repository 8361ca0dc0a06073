/** ScanApi: the scan calls as clients see them, and all calls of a gateway; the source of OpenAPI and /docs. */
import { Language, ScanCategory, ScanResult, ScanSummary } from "@eco2/actors/protocol"
import { ErrorBody, Refusal } from "@eco2/core/http"
import { Job } from "@eco2/core/client"
import { Schema, SchemaTransformation } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authentication } from "../auth/Authentication.ts"
import { SameOrigin } from "../auth/SameOrigin.ts"
import { BlacklistGroup } from "./BlacklistApi.ts"
import { CharacterGroup } from "./CharacterApi.ts"
import { FeedbackGroup } from "./FeedbackApi.ts"
import { FeedbackOpsGroup } from "./FeedbackOpsApi.ts"
import { ConsoleGroup, SessionGroup } from "./ConsoleApi.ts"
import { ImageGroup } from "./ImageApi.ts"
import { OpsGroup } from "./OpsApi.ts"
import { LimitOpsGroup } from "./LimitOpsApi.ts"
import { BreakerOpsGroup } from "./BreakerOpsApi.ts"
import { ControlOpsGroup } from "./ControlOpsApi.ts"
import { PolicyOpsGroup } from "./PolicyOpsApi.ts"
import { TailOpsGroup } from "./TailOpsApi.ts"
import { NewsOpsGroup } from "./NewsOpsApi.ts"
import { RateOpsGroup } from "./RateOpsApi.ts"
import { TopicOpsGroup } from "./TopicOpsApi.ts"
import * as RequestBody from "./RequestBody.ts"
import * as RequestLanguage from "./RequestLanguage.ts"
import * as ScanSubmission from "./ScanSubmission.ts"
import { ScheduleOpsGroup } from "./ScheduleOpsApi.ts"
import { UserDataGroup } from "./UserDataApi.ts"
import { InvalidJobId, InvalidKey, UnknownJob } from "./WrongField.ts"

const ScanBody = Schema.Struct({
  image_url: Schema.String.annotate({
    description:
      "cdn_url of a photo that was put (POST /api/v1/images/scan), another http(s) URL of at most 2083 characters, or data:image/(jpeg|png|webp|gif);base64,… of at most 10 MiB. The bytes are stored and passed on without metadata (position, camera, comments, thumbnails); colours and orientation are kept. Bytes of any other format: 422"
  }),
  user_input: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({
    description: "The question, at most 2000 characters; a default one if null or empty"
  }),
  model: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({
    description: "One of GET /api/v1/scan/models; the default if null"
  }),
  language: Schema.optionalKey(Schema.NullOr(Language)).annotate({
    description: "The language of answer, rule and character; that of Accept-Language if null, else ko"
  }),
  region: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({
    description: "Where the user lives, for rules that differ: free text of at most 100 characters"
  })
})
const Accepted = Schema.Struct({
  job_id: Schema.String,
  stream_url: Schema.String,
  result_url: Schema.String,
  status: Schema.Literal("queued")
})
  .pipe(HttpApiSchema.status(202))
  .annotate({ description: "Accepted; Location names the result" })
const Processing = Schema.Struct({
  status: Schema.Literal("processing"),
  message: Schema.String,
  current_stage: Schema.String,
  progress: Schema.Int
})
  .pipe(HttpApiSchema.status(202))
  .annotate({ description: "Still open; see Retry-After" })
const Cancelled = Schema.Struct({ job_id: Schema.String, status: Schema.Literal("cancelled") })
  .pipe(HttpApiSchema.status(202))
  .annotate({ description: "Cancelled, now or before" })
/** Scans in an answer when the query names no number, and at most. */
export const usualScans = 20
const mostScans = 50
const Scans = Schema.Struct({
  scans: Schema.Array(ScanSummary.ScanSummary),
  next_cursor: Schema.NullOr(Schema.String).annotate({ description: "For the next page; null: there is none" }),
  has_more: Schema.Boolean,
  complete: Schema.Boolean.annotate({
    description: "False: the database does not answer, so scans that it alone keeps are missing"
  })
})
/** `<created, epoch milliseconds>_<job id>`; a job id alone, as earlier versions gave. */
const ListCursor = Schema.String.check(
  Schema.isPattern(/^(?:\d{1,15}_)?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/, { expected: "a next_cursor" })
)
const listCall = {
  query: {
    cursor: Schema.optionalKey(ListCursor).annotate({ description: "next_cursor of the page before" }),
    limit: Schema.optionalKey(
      Schema.String.check(
        Schema.isPattern(/^(?:[1-9]|[1-4]\d|50)$/, { expected: `a whole number from 1 to ${mostScans}` })
      ).pipe(Schema.decodeTo(Schema.Int, SchemaTransformation.numberFromString))
    ).annotate({ description: `Scans in the answer, at most ${mostScans}: ${usualScans} by default` })
  }
} as const
const Models = Schema.Struct({ models: Schema.Array(Schema.String), default: Schema.String })

const User = {
  "x-user-id": Schema.optionalKey(Schema.String).annotate({
    description:
      "The user; set by the mesh (AUTH_MODE=header). Ignored with AUTH_MODE=jwt, which takes Authorization: Bearer, or cookie s_access"
  })
}
const Submit = {
  ...User,
  "x-idempotency-key": Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[\x20-\x7e]{1,255}$/))).annotate({
    description: "The same user and key give the same job. At most 255 printable ASCII characters"
  }),
  "accept-language": RequestLanguage.header
}
const Resume = {
  ...User,
  "last-event-id": Schema.optionalKey(Schema.String).annotate({
    description: "Last seq seen; the stream continues after it"
  })
}
const JobPath = { job_id: Job.JobId }
const LastEventId = Schema.optionalKey(Schema.String).annotate({
  description: "Like Last-Event-ID, for clients that cannot set headers; ignored if it is not a number"
})

const stream = Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })).annotate({
  description: [
    "Progress, event by event. `event` is a stage (`queued`, `vision`, `rule`, `answer`, `reward`) or the job's end (`done`, `failed`, `cancelled`), after which the stream ends; `data` is one line of JSON: `{job_id, stage, status, seq, ts, progress, result}`; `id` is the `seq`, with which a reconnect resumes.",
    "`status` `started`; `completed`, where `result` is what the stage has found: of `vision` the `classification_result`, of `rule` the `disposal_rules` or null, of others null; `retrying` with `{code, attempt, next_at}`; at the end `completed`, `failed` or `cancelled` with the body of the result.",
    "Text while it is written: `event: answer` with status `delta` and `result` `{attempt, offset, text}`: `text` belongs at `offset` (in UTF-16 units) of what the attempt has written. `restarted`: a later attempt begins, drop the text. Both have no `id` and no `seq`, are not repeated after the stage's `completed`, and the result replaces them. Who joins late, or reconnects, gets the text so far in one piece, at offset 0.",
    "`event: keepalive` at least every 15 seconds. `event: error` with `error: timeout` when the stream was open for as long as it may be: reconnect. Pass over events, statuses and fields that you do not know."
  ].join("\n\n")
})
const over = HttpApiSchema.NoContent.annotate({ description: "The job has ended, and no event is left to send" })
/** NOT_FOUND: a path that is misspelt around its values (ExactRouter). */
const noJob = Refusal.declared(404, "RESULT_NOT_FOUND", "NOT_FOUND")
const streamErrors = [
  noJob,
  Refusal.declared(429, "TOO_MANY_STREAMS"),
  Refusal.declared(503, "TOO_MANY_VIEWERS", "STORAGE_FULL", "STORAGE_REFUSED", "UNAVAILABLE")
] as const
const redisErrors = [Refusal.declared(503, "STORAGE_FULL", "STORAGE_REFUSED", "UNAVAILABLE")] as const

const noStore = { "cache-control": Schema.Literal("no-store") }
const resultCall = {
  params: JobPath,
  headers: User,
  success: [
    HttpApiSchema.WithHeaders(ScanResult.ScanResult, noStore),
    HttpApiSchema.WithHeaders(Processing, { ...noStore, "retry-after": Schema.String })
  ],
  error: [...redisErrors, noJob]
} as const

export class ScanGroup extends HttpApiGroup.make("scan").add(
  HttpApiEndpoint.post("submit", "/api/v1/scan", {
    headers: Submit,
    payload: ScanBody,
    success: HttpApiSchema.WithHeaders(Accepted, { location: Schema.String }),
    error: [
      ...RequestBody.refusals,
      ...ScanSubmission.refusals,
      Refusal.declared(409, "IDEMPOTENCY_KEY_REUSED"),
      Refusal.declared(413, "INPUT_TOO_LARGE"),
      Refusal.declared(429, "LANE_FULL", "RATE_LIMITED", "TOO_MANY_PHOTOS"),
      Refusal.declared(
        503,
        "MAILBOX_FULL",
        "NOT_REPLICATED",
        "STORAGE_FULL",
        "STORAGE_REFUSED",
        "TOO_MANY_UPLOADS",
        "UNAVAILABLE"
      )
    ]
  })
    .middleware(InvalidKey)
    .middleware(SameOrigin)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "Submit a photo"),
  HttpApiEndpoint.get("list", "/api/v1/scan", {
    ...listCall,
    headers: User,
    success: HttpApiSchema.WithHeaders(Scans, noStore),
    error: redisErrors
  })
    .middleware(Authentication)
    .annotate(
      OpenApi.Summary,
      "The user's own scans, the newest first: the latest hundred in any state, as long as their results are kept (JOB_TTL), and done ones for SCAN_RETENTION (what, when, answer, character; result_url is null)"
    ),
  HttpApiEndpoint.get("result", "/api/v1/scan/:job_id/result", resultCall)
    .middleware(UnknownJob)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "Result, or progress of the job"),
  HttpApiEndpoint.get("resultOld", "/api/v1/scan/result/:job_id", resultCall)
    .middleware(UnknownJob)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "The same, at its older address"),
  HttpApiEndpoint.get("events", "/api/v1/scan/:job_id/events", {
    params: JobPath,
    query: { last_event_id: LastEventId },
    headers: Resume,
    success: [stream, over],
    error: streamErrors
  })
    .middleware(InvalidJobId)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "Live progress (server-sent events)"),
  HttpApiEndpoint.get("eventsOld", "/api/v1/stream", {
    query: { ...JobPath, last_event_id: LastEventId },
    headers: Resume,
    success: [stream, over],
    error: streamErrors
  })
    .middleware(InvalidJobId)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "The same, at its older address"),
  HttpApiEndpoint.delete("cancel", "/api/v1/scan/:job_id", {
    params: JobPath,
    headers: User,
    success: Cancelled,
    error: [...redisErrors, noJob, Refusal.declared(409, "ALREADY_FINISHED")]
  })
    .middleware(UnknownJob)
    .middleware(SameOrigin)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "Cancel a job"),
  HttpApiEndpoint.get("categories", "/api/v1/scan/categories", {
    ...RequestLanguage.asked,
    success: HttpApiSchema.WithHeaders(Schema.Array(ScanCategory), { vary: RequestLanguage.varies })
  }).annotate(OpenApi.Summary, "The kinds of waste, and how to dispose of each"),
  HttpApiEndpoint.get("models", "/api/v1/scan/models", { headers: User, success: Models })
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "Models a scan may name")
) {}

const described = OpenApi.annotations({
  title: "Eco²",
  version: "0.1.0",
  description: "Submit a photo of waste, follow its classification live, fetch the disposal answer."
})

const publicGroups = [ScanGroup, ImageGroup, CharacterGroup, UserDataGroup, FeedbackGroup] as const
const internalGroups = [
  OpsGroup,
  ScheduleOpsGroup,
  PolicyOpsGroup,
  LimitOpsGroup,
  ControlOpsGroup,
  FeedbackOpsGroup,
  BreakerOpsGroup,
  TailOpsGroup,
  TopicOpsGroup,
  NewsOpsGroup,
  RateOpsGroup,
  ConsoleGroup,
  SessionGroup,
  BlacklistGroup
] as const

/** All calls of a gateway; without ADMIN_PORT all of them are on PORT. */
export class Api extends HttpApi.make("eco2")
  .add(...publicGroups, ...internalGroups)
  .middleware(ErrorBody.Failures)
  .annotateMerge(described) {}

/** The calls of PORT, where ADMIN_PORT has the others. */
export class PublicApi extends HttpApi.make("eco2")
  .add(...publicGroups)
  .middleware(ErrorBody.Failures)
  .annotateMerge(described) {}

/** The calls of ADMIN_PORT. */
export class InternalApi extends HttpApi.make("eco2")
  .add(...internalGroups)
  .middleware(ErrorBody.Failures)
  .annotateMerge(
    OpenApi.annotations({
      title: "Eco² for operators",
      version: "0.1.0",
      description: "What operators see and change, and which tokens are revoked."
    })
  ) {}
