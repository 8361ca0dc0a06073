/** UserDataApi: the call that erases a user's data, as clients see it; the source of OpenAPI and /docs. */
import { UserData } from "@eco2/actors/protocol"
import { Refusal } from "@eco2/core/http"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authentication } from "../auth/Authentication.ts"
import { SameOrigin } from "../auth/SameOrigin.ts"

const Remaining = Schema.Struct({
  what: Schema.Literals([
    "usage_counters",
    "model_replies",
    "older_jobs",
    "operators_lists",
    "stored_pictures",
    "erasure",
    "revoked_tokens",
    "operators_records"
  ]),
  why: Schema.String,
  gone_within_seconds: Schema.NullOr(Schema.Int).annotate({ description: "Null: it depends on the operator" })
})
const Answer = Schema.Struct({
  erased: Schema.Struct({
    ...UserData.Erased.fields,
    jobs: Schema.Int.annotate({ description: "Scans whose results were still there; open ones were cancelled first" })
  }),
  remaining: Schema.Array(Remaining).annotate({ description: "What is not erased, why, and how long it stays at most" })
})
export type Answer = typeof Answer.Type

export class UserDataGroup extends HttpApiGroup.make("userData").add(
  HttpApiEndpoint.delete("erase", "/api/v1/users/me/data", {
    headers: {
      "x-user-id": Schema.optionalKey(Schema.String).annotate({
        description: "The user; set by the mesh (AUTH_MODE=header)"
      })
    },
    success: Answer,
    error: Refusal.declared(503, "STORAGE_FULL", "STORAGE_REFUSED", "UNAVAILABLE")
  })
    .middleware(SameOrigin)
    .middleware(Authentication)
    .annotate(
      OpenApi.Summary,
      "Erase the user's data: scans, results, pictures and characters, for good. After a 503 ask again: it may be erased in part"
    )
) {}
