/** PolicyOpsApi: the operators' calls that change a mailbox's settings at run time. Beside OpsApi, with the same secret. */
import { Policy } from "@eco2/core/protocol"
import { Refusal } from "@eco2/core/refusal"
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, missing, refused } from "./OpsApi.ts"

/** The values set; null: the value of the environment or the code applies. */
export const PolicyState = Schema.Struct({
  mailbox: Schema.String,
  capacity: Schema.NullOr(Schema.Int),
  timeout_ms: Schema.NullOr(Schema.Int),
  attempts: Schema.NullOr(Schema.Int),
  redrives: Schema.NullOr(Schema.Int),
  redrive_ms: Schema.NullOr(Schema.Int)
})

export class PolicyOpsGroup extends HttpApiGroup.make("policies")
  .add(
    HttpApiEndpoint.get("list", `${base}/policies`, {
      success: Schema.Array(PolicyState),
      error: refused
    }).annotate(OpenApi.Summary, "The policies of all mailboxes"),
    HttpApiEndpoint.patch("change", `${base}/policies/:mailbox`, {
      params: { mailbox: Schema.String },
      payload: Policy.Change,
      success: PolicyState,
      error: [...missing, Refusal.declared(400, "INVALID_JSON"), Refusal.invalidField]
    }).annotate(OpenApi.Summary, "Changes a mailbox's policy; every process follows within a second")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Policies", description: "For operators: needs X-Internal-Secret." })) {}
