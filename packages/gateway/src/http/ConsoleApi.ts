/**
 * ConsoleApi: what the console at /console needs beyond the operators' other calls: its session, the audit log, dead letters by
 * cause, and what a job was given. The command line may use it as well.
 */
import { Job } from "@eco2/core/protocol"
import { Refusal } from "@eco2/core/refusal"
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import * as OperatorSession from "../auth/OperatorSession.ts"
import { SameOrigin } from "../auth/SameOrigin.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, Limit, missing, refused } from "./OpsApi.ts"
import { NoSuchJob } from "./WrongField.ts"

const session = "/api/v1/internal/session"

export const SignIn = Schema.Struct({
  secret: Schema.String.check(Schema.isMaxLength(1_000)),
  who: OperatorSession.Who
})
const Signed = Schema.Struct({ who: Schema.String, role: OperatorSession.Role })

export const AuditEntry = Schema.Struct({
  id: Schema.String,
  at: Schema.Number,
  who: Schema.String,
  role: Schema.String,
  what: Schema.String,
  target: Schema.String,
  outcome: Schema.String,
  before: Schema.String.annotate({ description: "JSON; empty where nothing was changed, or it is not known" }),
  after: Schema.String
})

export const LetterGroup = Schema.Struct({
  mailbox: Schema.String,
  cause: Schema.String,
  letters: Schema.Int,
  first: Schema.Number,
  last: Schema.Number,
  sample: Schema.Struct({ id: Schema.String, job_id: Schema.NullOr(Schema.String), message: Schema.String })
})

/** Signing in needs the secret in its body, nothing before; so it is no call under /api/v1/internal. */
export class SessionGroup extends HttpApiGroup.make("session")
  .add(
    HttpApiEndpoint.post("signIn", "/console/session", {
      payload: SignIn,
      success: Signed,
      error: [Refusal.declared(403, "FORBIDDEN"), Refusal.declared(400, "INVALID_JSON"), Refusal.invalidField]
    })
      .middleware(SameOrigin)
      .annotate(OpenApi.Summary, "Exchanges INTERNAL_SECRET or VIEWER_SECRET for a session, which is a cookie")
  )
  .annotateMerge(OpenApi.annotations({ title: "Session", description: "For the console." })) {}

export class ConsoleGroup extends HttpApiGroup.make("console")
  .add(
    HttpApiEndpoint.get("me", session, { success: Signed }).annotate(OpenApi.Summary, "Who is signed in"),
    HttpApiEndpoint.get("audit", `${base}/audit`, {
      query: {
        before: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^\d{1,15}-\d{1,15}$/))).annotate({
          description: "The id of an entry: older ones than this"
        }),
        limit: Limit
      },
      success: Schema.Struct({ entries: Schema.Array(AuditEntry) }),
      error: refused
    }).annotate(OpenApi.Summary, "What operators did, the newest first"),
    HttpApiEndpoint.get("groups", `${base}/dead`, {
      success: Schema.Struct({
        groups: Schema.Array(LetterGroup),
        complete: Schema.Boolean.annotate({ description: "False: of a mailbox only the newest letters were counted" })
      }),
      error: refused
    }).annotate(OpenApi.Summary, "Dead letters of the fleet by mailbox and cause"),
    HttpApiEndpoint.post("reveal", `${base}/jobs/:job_id/reveal`, {
      params: { job_id: Job.JobId },
      success: Schema.Struct({ input: Schema.Unknown, outputs: Schema.Record(Schema.String, Schema.Unknown) }),
      error: [...missing, Refusal.declared(409, "JOB_UNREADABLE")]
    })
      .middleware(NoSuchJob)
      .annotate(OpenApi.Summary, "Input and outputs of a job, which may tell of its user; goes to the audit log"),
    HttpApiEndpoint.post("signOut", `${session}/end`, { success: HttpApiSchema.NoContent }).annotate(
      OpenApi.Summary,
      "Ends the browser's session"
    )
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Console", description: "For operators: needs X-Internal-Secret." })) {}
