/**
 * OpsApi: what operators may see and do, under /api/v1/internal/ops, with X-Internal-Secret. The command line and the
 * console speak it. Answers are facts; times are epoch milliseconds unless named otherwise.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"

export const failure = (code: number, description: string) =>
  Schema.Struct({ detail: Schema.Unknown, code: Schema.String })
    .pipe(HttpApiSchema.status(code))
    .annotate({ description })

export const Secret = { "x-internal-secret": Schema.optionalKey(Schema.String) }
export const refused = [failure(403, "FORBIDDEN"), failure(503, "UNAVAILABLE")] as const
export const missing = [...refused, failure(404, "NOT_FOUND")] as const

export const MailboxState = Schema.Struct({
  mailbox: Schema.String,
  entries: Schema.Int,
  leased: Schema.Int,
  oldest_ms: Schema.Number
})
export const ProcessState = Schema.Struct({
  token: Schema.String,
  role: Schema.String,
  state: Schema.String,
  lease_ms: Schema.Number,
  heard_ms: Schema.NullOr(Schema.Number),
  in_flight: Schema.Int
})
export const LetterState = Schema.Struct({
  id: Schema.String,
  mailbox: Schema.String,
  job_id: Schema.NullOr(Schema.String),
  cause: Schema.String,
  message: Schema.String,
  attempts: Schema.Int,
  first: Schema.Number,
  last: Schema.Number
})
export const JobState = Schema.Struct({
  job_id: Schema.String,
  pipeline: Schema.String,
  owner: Schema.String,
  state: Schema.String,
  stage: Schema.String,
  progress: Schema.Int,
  run: Schema.Int,
  attempts: Schema.Int,
  tries: Schema.Int,
  created: Schema.Number,
  deadline: Schema.Number,
  ended: Schema.NullOr(Schema.Number),
  error: Schema.Unknown,
  committed: Schema.Array(Schema.String)
})
export const JobSummary = Schema.Struct({
  job_id: Schema.String,
  pipeline: Schema.String,
  owner: Schema.String,
  state: Schema.String,
  stage: Schema.String,
  progress: Schema.Int,
  run: Schema.Int,
  attempts: Schema.Int,
  created: Schema.Number,
  since: Schema.Number,
  deadline: Schema.Number
})
export const jobStates = [
  "open",
  "ended",
  "lane",
  "waiting",
  "running",
  "delayed",
  "parked",
  "done",
  "failed",
  "cancelled"
] as const
const Jobs = Schema.Struct({
  jobs: Schema.Array(JobSummary),
  complete: Schema.Boolean.annotate({ description: "False: not all jobs were scanned; there may be more" })
})
const Redriven = Schema.Struct({ redriven: Schema.Int, skipped: Schema.Int })

export const base = "/api/v1/internal/ops"
const letters = `${base}/mailboxes/:mailbox/dead` as const
const Mailbox = { mailbox: Schema.String }
const LetterPath = { mailbox: Schema.String, partition: Schema.String, entry: Schema.String }
const Choice = { cause: Schema.optionalKey(Schema.String), limit: Schema.optionalKey(Schema.NumberFromString) }

export class OpsGroup extends HttpApiGroup.make("ops")
  .add(
    HttpApiEndpoint.get("mailboxes", `${base}/mailboxes`, {
      headers: Secret,
      success: Schema.Array(MailboxState),
      error: refused
    }),
    HttpApiEndpoint.get("processes", `${base}/processes`, {
      headers: Secret,
      success: Schema.Array(ProcessState),
      error: refused
    }),
    HttpApiEndpoint.get("jobs", `${base}/jobs`, {
      query: {
        state: Schema.optionalKey(Schema.Literals(jobStates)).annotate({ description: "By default open" }),
        pipeline: Schema.optionalKey(Schema.String),
        owner: Schema.optionalKey(Schema.String),
        limit: Schema.optionalKey(Schema.NumberFromString)
      },
      headers: Secret,
      success: Jobs,
      error: refused
    }),
    HttpApiEndpoint.get("job", `${base}/jobs/:job_id`, {
      params: { job_id: Schema.String },
      headers: Secret,
      success: JobState,
      error: missing
    }),
    HttpApiEndpoint.delete("cancelJob", `${base}/jobs/:job_id`, {
      params: { job_id: Schema.String },
      headers: Secret,
      success: Schema.Struct({ outcome: Schema.String }),
      error: missing
    }),
    HttpApiEndpoint.get("letters", letters, {
      params: Mailbox,
      query: Choice,
      headers: Secret,
      success: Schema.Array(LetterState),
      error: missing
    }),
    HttpApiEndpoint.get("letter", `${letters}/:partition/:entry`, {
      params: LetterPath,
      headers: Secret,
      success: LetterState,
      error: missing
    }),
    HttpApiEndpoint.post("redriveMany", `${letters}/redrive`, {
      params: Mailbox,
      query: Choice,
      headers: Secret,
      success: Redriven,
      error: missing
    }),
    HttpApiEndpoint.post("redrive", `${letters}/:partition/:entry/redrive`, {
      params: LetterPath,
      headers: Secret,
      success: Redriven,
      error: missing
    }),
    HttpApiEndpoint.delete("discard", `${letters}/:partition/:entry`, {
      params: LetterPath,
      headers: Secret,
      success: HttpApiSchema.NoContent,
      error: missing
    })
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Operations", description: "For operators: needs X-Internal-Secret." })
  ) {}
