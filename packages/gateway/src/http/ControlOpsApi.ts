/**
 * ControlOpsApi: the operators' calls that stop work and let it go on: pausing a mailbox, draining a process. Beside OpsApi, with
 * the same secret.
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, missing } from "./OpsApi.ts"

const Pause = Schema.Struct({
  mailbox: Schema.String,
  paused_since: Schema.NullOr(Schema.Number).annotate({ description: "Epoch milliseconds; null: it is not paused" })
})
const Drain = Schema.Struct({
  token: Schema.String,
  draining_since: Schema.NullOr(Schema.Number),
  in_flight: Schema.Int.annotate({ description: "Entries that it still holds; 0: it is empty" })
})
const mailbox = `${base}/mailboxes/:mailbox` as const
const process = `${base}/processes/:token` as const
const OfMailbox = { params: { mailbox: Schema.String }, success: Pause, error: missing }
const OfProcess = { params: { token: Schema.String }, success: Drain, error: missing }

export class ControlOpsGroup extends HttpApiGroup.make("controls")
  .add(
    HttpApiEndpoint.post("pauseMailbox", `${mailbox}/pause`, OfMailbox).annotate(
      OpenApi.Summary,
      "Nothing is taken from the mailbox until it is resumed; running attempts end"
    ),
    HttpApiEndpoint.post("resumeMailbox", `${mailbox}/resume`, OfMailbox).annotate(
      OpenApi.Summary,
      "The mailbox is served again"
    ),
    HttpApiEndpoint.post("drainProcess", `${process}/drain`, OfProcess).annotate(
      OpenApi.Summary,
      "The process takes no more work, and hands back what does not end within SHUTDOWN_GRACE"
    ),
    HttpApiEndpoint.post("resumeProcess", `${process}/resume`, OfProcess).annotate(
      OpenApi.Summary,
      "The process takes work again"
    )
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Controls", description: "For operators: needs X-Internal-Secret." })) {}
