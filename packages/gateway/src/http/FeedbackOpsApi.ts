/** FeedbackOpsApi: what users called wrong, for the owner of the service. Beside OpsApi, with the same secret. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, Limit, refused } from "./OpsApi.ts"

/** As Feedback's Entry; written out here, because the command line loads this file and not the actors. */
const Entry = Schema.Struct({
  job_id: Schema.String,
  given_at: Schema.String,
  language: Schema.String,
  major_category: Schema.String,
  middle_category: Schema.String,
  minor_category: Schema.NullOr(Schema.String),
  model: Schema.NullOr(Schema.String),
  category: Schema.NullOr(Schema.String),
  comment: Schema.NullOr(Schema.String)
})
const List = Schema.Struct({
  feedback: Schema.Array(Entry).annotate({
    description:
      "The newest first, without the users: major, middle and minor category are what the answer took it for, `category` what the user says it is (null: not known)"
  }),
  next_cursor: Schema.NullOr(Schema.String)
})

export class FeedbackOpsGroup extends HttpApiGroup.make("feedbackOps")
  .add(
    HttpApiEndpoint.get("list", `${base}/feedback`, {
      query: {
        limit: Limit,
        cursor: Schema.optionalKey(
          Schema.String.check(
            Schema.isPattern(/^\d{1,15}_[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/, { expected: "a next_cursor" })
          )
        ).annotate({ description: "next_cursor of the page before" })
      },
      success: List,
      error: refused
    }).annotate(OpenApi.Summary, "Answers that users called wrong")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Feedback", description: "For operators: needs X-Internal-Secret." })) {}
