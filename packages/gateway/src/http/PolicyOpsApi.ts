/** PolicyOpsApi: what operators change of mailboxes while the fleet runs, beside OpsApi and under the same secret. */
import { Policies } from "@eco2/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { base, failure, missing, refused, Secret } from "./OpsApi.ts"

const { attempts, capacity, redrive_ms, redrives, timeout_ms } = Policies.Policy.fields

/** What is set; null: as the environment or the code has it. */
export const PolicyState = Schema.Struct({
  mailbox: Schema.String,
  capacity: Schema.NullOr(Schema.Int),
  timeout_ms: Schema.NullOr(Schema.Int),
  attempts: Schema.NullOr(Schema.Int),
  redrives: Schema.NullOr(Schema.Int),
  redrive_ms: Schema.NullOr(Schema.Int)
})

/** What is to be set; null takes it back, what is left out stays. */
export const PolicyChange = Schema.Struct({
  capacity: Schema.optionalKey(Schema.NullOr(capacity.schema)),
  timeout_ms: Schema.optionalKey(Schema.NullOr(timeout_ms.schema)),
  attempts: Schema.optionalKey(Schema.NullOr(attempts.schema)),
  redrives: Schema.optionalKey(Schema.NullOr(redrives.schema)),
  redrive_ms: Schema.optionalKey(Schema.NullOr(redrive_ms.schema))
})
export type PolicyChange = typeof PolicyChange.Type

export class PolicyOpsGroup extends HttpApiGroup.make("policies")
  .add(
    HttpApiEndpoint.get("list", `${base}/policies`, {
      headers: Secret,
      success: Schema.Array(PolicyState),
      error: refused
    }).annotate(OpenApi.Summary, "What is set, mailbox by mailbox"),
    HttpApiEndpoint.patch("change", `${base}/policies/:mailbox`, {
      params: { mailbox: Schema.String },
      headers: Secret,
      payload: PolicyChange,
      success: PolicyState,
      error: [...missing, failure(400, "INVALID_JSON"), failure(422, "VALIDATION_ERROR")]
    }).annotate(OpenApi.Summary, "Changes a mailbox's policy; every process works by it within a second")
  )
  .annotateMerge(OpenApi.annotations({ title: "Policies", description: "For operators: needs X-Internal-Secret." })) {}
