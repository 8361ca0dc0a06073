/**
 * OpsApi: what operators can see and do, under /api/v1/internal/ops, with X-Internal-Secret. The command line and the console
 * use it. Answers are facts; times are epoch milliseconds unless named otherwise.
 */
import { cursorPattern, Job } from "@eco2/core/protocol"
import { Refusal } from "@eco2/core/refusal"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { jobStates, mostLimit, openStates, usualLimit } from "./OpsWords.ts"
import { NoSuchJob } from "./WrongField.ts"

export const refused = [Refusal.declared(503, "UNAVAILABLE")] as const
export const missing = [...refused, Refusal.declared(404, "NOT_FOUND")] as const

export const MailboxState = Schema.Struct({
  mailbox: Schema.String,
  entries: Schema.Int,
  leased: Schema.Int,
  oldest_ms: Schema.Number,
  letters: Schema.Int,
  paused_since: Schema.NullOr(Schema.Number).annotate({ description: "Epoch milliseconds; null: it is not paused" })
})
export const ProcessState = Schema.Struct({
  token: Schema.String,
  role: Schema.String,
  state: Schema.String,
  lease_ms: Schema.Number,
  heard_ms: Schema.NullOr(Schema.Number),
  in_flight: Schema.Int,
  draining_since: Schema.NullOr(Schema.Number).annotate({ description: "Epoch milliseconds; null: it takes work" })
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
/** A stage of the plan, with its attempts in all runs. */
export const StageState = Schema.Struct({
  stage: Schema.String,
  /** Attempts that viewers were told of; a repeat for the same reason is told once. */
  attempts: Schema.Int,
  first: Schema.NullOr(Schema.Number),
  committed: Schema.NullOr(Schema.Number),
  /** Milliseconds of the attempt that was committed. */
  work_ms: Schema.NullOr(Schema.Number)
})
export const EventState = Schema.Struct({
  seq: Schema.Int,
  ts: Schema.Number,
  stage: Schema.String,
  status: Schema.String,
  result: Schema.Unknown
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
  trace: Schema.String.annotate({ description: "The trace id, by which its spans and log lines are found" }),
  holder: Schema.NullOr(Schema.String).annotate({ description: "The process that it runs in" }),
  due: Schema.NullOr(Schema.Number).annotate({ description: "When it comes back from a timer" }),
  cause: Schema.NullOr(Schema.String).annotate({ description: "Why it was last put off or parked" }),
  stages: Schema.Array(StageState),
  events: Schema.Array(EventState),
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
  deadline: Schema.Number,
  cause: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String)
})
const Jobs = Schema.Struct({
  jobs: Schema.Array(JobSummary),
  complete: Schema.Boolean.annotate({ description: "False: not all jobs were looked at; there may be more" }),
  next: Schema.NullOr(Schema.String).annotate({ description: "The `cursor` of the rest; null: there is none" })
})
const Counts = Schema.Record(Schema.String, Schema.Int)
const JobCounts = Schema.Struct({
  jobs: Schema.Int,
  states: Counts,
  causes: Counts,
  complete: Schema.Boolean.annotate({ description: "False: not all jobs were counted; there are more" })
})
const Redriven = Schema.Struct({ redriven: Schema.Int, skipped: Schema.Int })
/** A step of a walk over letters. `next`: the `cursor` of the next step; null: the walk is over. */
const Walked = { matched: Schema.Int, next: Schema.NullOr(Schema.String) }
const RedrivenMany = Schema.Struct({ ...Redriven.fields, ...Walked })
const DiscardedMany = Schema.Struct({ discarded: Schema.Int, ...Walked })
const CancelledMany = Schema.Struct({
  matched: Schema.Int,
  cancelled: Schema.Int,
  skipped: Schema.Int,
  complete: Schema.Boolean.annotate({ description: "False: not all open jobs were looked at; there may be more" }),
  next: Schema.NullOr(Schema.String).annotate({ description: "The `cursor` of the rest; null: there is none" })
})

/** What chooses jobs to cancel, as a client gives it. */
export interface CancelQuery {
  readonly state?: (typeof openStates)[number]
  readonly pipeline?: string
  readonly stage?: string
  readonly owner?: string
  readonly cause?: string
  readonly since?: number
  readonly until?: number
  readonly tag?: string
  readonly model?: string
}

export const base = "/api/v1/internal/ops"
const letters = `${base}/mailboxes/:mailbox/dead` as const
const Mailbox = { mailbox: Schema.String }
const LetterPath = { mailbox: Schema.String, partition: Schema.String, entry: Schema.String }
const JobPath = { job_id: Job.JobId }
const limitWords = `a whole number from 1 to ${mostLimit}`
export const Limit = Schema.optionalKey(
  Schema.String.check(Schema.isPattern(/^(?:[1-9]\d{0,2}|1000)$/, { expected: limitWords })).pipe(
    Schema.decodeTo(Schema.Int, SchemaTransformation.numberFromString)
  )
).annotate({ description: `The maximum number of items, ${limitWords}: ${usualLimit} by default` })
const Moment = Schema.optionalKey(
  Schema.String.check(Schema.isPattern(/^\d{1,15}$/, { expected: "epoch milliseconds" })).pipe(
    Schema.decodeTo(Schema.Int, SchemaTransformation.numberFromString)
  )
)
const Choice = {
  cause: Schema.optionalKey(Schema.String),
  owner: Schema.optionalKey(Schema.String),
  since: Moment,
  until: Moment,
  limit: Limit
}
const DryRun = Schema.optionalKey(Schema.Literals(["true", "false"])).annotate({
  description: "true: counts what matches, and changes nothing"
})
const Walk = {
  ...Choice,
  cursor: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^(\d+\/\d+-\d+)?$/, { expected: "the `next` of the step before, or empty" }))
  ).annotate({ description: "Walks over all letters, a step a call; without it the newest letters are taken" }),
  dry_run: DryRun
}
const JobCursor = {
  cursor: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(cursorPattern, { expected: "the `next` of the answer before" }))
  ).annotate({ description: "Goes on where an earlier answer to the same question ended" })
}
const JobChoice = {
  id: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-9a-f-]{1,36}$/, { expected: "the beginning of a job's id" }))
  ).annotate({ description: "What the id begins with" }),
  tag: Schema.optionalKey(Schema.String).annotate({ description: "As the pipeline declares them: `model:gpt-5`" }),
  model: Schema.optionalKey(Schema.String).annotate({ description: "Short for the tag `model:<name>`" }),
  pipeline: Schema.optionalKey(Schema.String),
  stage: Schema.optionalKey(Schema.String),
  owner: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.String),
  since: Moment,
  until: Moment
}

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
        ...JobChoice,
        ...JobCursor,
        limit: Limit
      },
      success: Jobs,
      error: refused
    }),
    HttpApiEndpoint.get("countJobs", `${base}/job-counts`, {
      query: {
        state: Schema.optionalKey(Schema.Literals(jobStates)).annotate({ description: "By default open" }),
        ...JobChoice
      },
      success: JobCounts,
      error: refused
    }).annotate(OpenApi.Summary, "How many jobs there are, by state and cause"),
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
    HttpApiEndpoint.post("cancelMany", `${base}/jobs/cancel`, {
      query: {
        state: Schema.optionalKey(Schema.Literals(openStates)).annotate({ description: "By default every open job" }),
        ...JobChoice,
        ...JobCursor,
        limit: Limit,
        dry_run: DryRun
      },
      success: CancelledMany,
      error: refused
    }),
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
      query: Walk,
      success: RedrivenMany,
      error: missing
    }),
    HttpApiEndpoint.post("discardMany", `${letters}/discard`, {
      params: Mailbox,
      query: Walk,
      success: DiscardedMany,
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
