/** TopicOpsApi: the operators' list of topics. Beside OpsApi, with the same secret. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, refused } from "./OpsApi.ts"

export const TopicState = Schema.Struct({
  name: Schema.String,
  /** Since Redis has had this data. */
  events: Schema.Int,
  /** Events in the log; a follower that is further behind loads the state. */
  kept: Schema.Int,
  /** Of the state; 0 where it is kept elsewhere. */
  fields: Schema.Int,
  /** The last event; null: there was none. */
  last: Schema.NullOr(Schema.Finite),
  /** The oldest event in the log. */
  oldest: Schema.NullOr(Schema.Finite)
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
