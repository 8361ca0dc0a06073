/** TopicOpsApi: the operators' list of topics. Beside OpsApi, with the same secret. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, refused } from "./OpsApi.ts"

export const TopicState = Schema.Struct({
  name: Schema.String,
  events: Schema.Int.annotate({ description: "Since Redis has had this data" }),
  kept: Schema.Int.annotate({ description: "Events in the log; a follower that is further behind loads the state" }),
  fields: Schema.Int.annotate({ description: "Of the state; 0 where it is kept elsewhere" }),
  last: Schema.NullOr(Schema.Number).annotate({ description: "The last event; null: there was none" }),
  oldest: Schema.NullOr(Schema.Number).annotate({ description: "The oldest event in the log" })
})

export class TopicOpsGroup extends HttpApiGroup.make("topics")
  .add(
    HttpApiEndpoint.get("list", `${base}/topics`, { success: Schema.Array(TopicState), error: refused }).annotate(
      OpenApi.Summary,
      "Topics, with their events and their age. Who follows is not in Redis"
    )
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Topics", description: "For operators: needs X-Internal-Secret." })) {}
