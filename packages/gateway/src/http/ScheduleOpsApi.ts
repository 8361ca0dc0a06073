/** ScheduleOpsApi: the operators' calls on schedules. Beside OpsApi, with the same secret. */
import { Refusal } from "@eco2/core/refusal"
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, missing, refused } from "./OpsApi.ts"

export const ScheduleState = Schema.Struct({
  name: Schema.String,
  timing: Schema.String,
  overlap: Schema.String,
  work: Schema.String,
  paused: Schema.Boolean,
  declared: Schema.Boolean.annotate({ description: "Whether a live process declares it; otherwise it does not fire" }),
  next: Schema.NullOr(Schema.Number),
  last_slot: Schema.NullOr(Schema.Number),
  last_outcome: Schema.NullOr(Schema.String),
  last_run: Schema.NullOr(Schema.Number),
  last_job_id: Schema.NullOr(Schema.String),
  fires: Schema.Int,
  skips: Schema.Int
})
const Outcome = Schema.Struct({ outcome: Schema.String })
const Ran = Schema.Struct({ job_id: Schema.NullOr(Schema.String) })

const one = `${base}/schedules/:schedule` as const
const Name = { schedule: Schema.String }

export class ScheduleOpsGroup extends HttpApiGroup.make("schedules")
  .add(
    HttpApiEndpoint.get("list", `${base}/schedules`, {
      success: Schema.Array(ScheduleState),
      error: refused
    }).annotate(OpenApi.Summary, "Schedules, with last and next fire"),
    HttpApiEndpoint.post("pause", `${one}/pause`, {
      params: Name,
      success: Outcome,
      error: missing
    }).annotate(OpenApi.Summary, "Pause: no slot fires from now on"),
    HttpApiEndpoint.post("resume", `${one}/resume`, {
      params: Name,
      success: Outcome,
      error: missing
    }).annotate(OpenApi.Summary, "Resume: slots fire again, except those that passed meanwhile"),
    HttpApiEndpoint.post("run", `${one}/run`, {
      params: Name,
      success: Ran,
      error: [...missing, Refusal.declared(409, "SCHEDULE_RUNNING")]
    }).annotate(OpenApi.Summary, "Runs it once now; 409 while its last run is open")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Schedules", description: "For operators: needs X-Internal-Secret." })) {}
