/**
 * OpsApi: what operators can see and do, under /api/v1/internal/ops, with X-Internal-Secret. The command line and the console
 * use it. Answers are facts; times are epoch milliseconds unless named otherwise.
 */
import { Job } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { NoSuchJob } from "./WrongField.ts"

export const refused = [Refusal.declared(503, "UNAVAILABLE")] as const
export const missing = [...refused, Refusal.declared(404, "NOT_FOUND")] as const

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
/** A row of a job's ledger. Times in epoch milliseconds; `cost` in the currency of the prices, null where no price is known. */
export const CallState = Schema.Struct({
  stage: Schema.String,
  attempt: Schema.Int,
  run: Schema.Int,
  service: Schema.String,
  outcome: Schema.String,
  opened: Schema.Number,
  closed: Schema.NullOr(Schema.Number),
  cost: Schema.NullOr(Schema.Number),
  input: Schema.NullOr(Schema.Int),
  cached: Schema.NullOr(Schema.Int),
  output: Schema.NullOr(Schema.Int),
  reasoning: Schema.NullOr(Schema.Int),
  request: Schema.String,
  request_id: Schema.NullOr(Schema.String),
  note: Schema.NullOr(Schema.String)
})
/** Sums over a job's paid calls. */
export const SpentState = Schema.Struct({
  ok: Schema.Int,
  billed_bad: Schema.Int,
  uncertain: Schema.Int,
  open: Schema.Int,
  free: Schema.Int,
  unpriced: Schema.Int,
  cost: Schema.Number,
  tokens: Schema.Int
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
  committed: Schema.Array(Schema.String),
  /** What a done job without an owner came to, if it is short; else null: a user's result is the user's. */
  result: Schema.Unknown,
  spent: Schema.NullOr(SpentState),
  calls: Schema.Array(CallState)
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
const JobPath = { job_id: Job.JobId }
/** Items in an answer when the query names no number. */
export const usualLimit = 100
export const mostLimit = 1_000
const limitWords = `a whole number from 1 to ${mostLimit}`
export const Limit = Schema.optionalKey(
  Schema.String.check(Schema.isPattern(/^(?:[1-9]\d{0,2}|1000)$/, { expected: limitWords })).pipe(
    Schema.decodeTo(Schema.Int, SchemaTransformation.numberFromString)
  )
).annotate({ description: `The maximum number of items, ${limitWords}: ${usualLimit} by default` })
const Choice = { cause: Schema.optionalKey(Schema.String), limit: Limit }

export class OpsGroup extends HttpApiGroup.make("ops")
  .add(
    HttpApiEndpoint.get("mailboxes", `${base}/mailboxes`, {
      success: Schema.Array(MailboxState),
      error: refused
    }),
    HttpApiEndpoint.get("processes", `${base}/processes`, {
      success: Schema.Array(ProcessState),
      error: refused
    }),
    HttpApiEndpoint.get("jobs", `${base}/jobs`, {
      query: {
        state: Schema.optionalKey(Schema.Literals(jobStates)).annotate({ description: "By default open" }),
        pipeline: Schema.optionalKey(Schema.String),
        owner: Schema.optionalKey(Schema.String),
        limit: Limit
      },
      success: Jobs,
      error: refused
    }),
    HttpApiEndpoint.get("job", `${base}/jobs/:job_id`, {
      params: JobPath,
      success: JobState,
      error: [...missing, Refusal.declared(409, "JOB_UNREADABLE")]
    }).middleware(NoSuchJob),
    HttpApiEndpoint.delete("cancelJob", `${base}/jobs/:job_id`, {
      params: JobPath,
      success: Schema.Struct({ outcome: Schema.String }),
      error: missing
    }).middleware(NoSuchJob),
    HttpApiEndpoint.get("letters", letters, {
      params: Mailbox,
      query: Choice,
      success: Schema.Array(LetterState),
      error: missing
    }),
    HttpApiEndpoint.get("letter", `${letters}/:partition/:entry`, {
      params: LetterPath,
      success: LetterState,
      error: missing
    }),
    HttpApiEndpoint.post("redriveMany", `${letters}/redrive`, {
      params: Mailbox,
      query: Choice,
      success: Redriven,
      error: missing
    }),
    HttpApiEndpoint.post("redrive", `${letters}/:partition/:entry/redrive`, {
      params: LetterPath,
      success: Redriven,
      error: missing
    }),
    HttpApiEndpoint.delete("discard", `${letters}/:partition/:entry`, {
      params: LetterPath,
      success: HttpApiSchema.NoContent,
      error: missing
    })
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(
    OpenApi.annotations({ title: "Operations", description: "For operators: needs X-Internal-Secret." })
  ) {}
