/** FeedbackApi: "this is wrong", as clients see it; the source of OpenAPI and /docs. FeedbackOpsApi has what its reader sees. */
import { Feedback } from "@eco2/actors/protocol"
import { Refusal } from "@eco2/core/http"
import { Job } from "@eco2/core/client"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authentication } from "../auth/Authentication.ts"
import { SameOrigin } from "../auth/SameOrigin.ts"
import * as RequestBody from "./RequestBody.ts"
import { UnknownJob } from "./WrongField.ts"

export const FeedbackBody = Schema.Struct({
  category: Schema.optionalKey(Schema.NullOr(Feedback.Category)).annotate({
    description: "What it is: a middle category of the recyclables, or another major; null: not known"
  }),
  comment: Schema.optionalKey(
    Schema.NullOr(
      Schema.String.check(Schema.isPattern(new RegExp(`^[^\\0\\ud800-\\udfff]{0,${Feedback.mostComment}}$`, "u")))
    )
  ).annotate({ description: `Free text of at most ${Feedback.mostComment} characters` })
})
export const words = {
  category: { msg: `null, or one of ${Feedback.Category.literals.join(", ")}`, type: "value_error.const" },
  comment: { msg: `null, or text of at most ${Feedback.mostComment} characters`, type: "value_error.str" }
}

export class FeedbackGroup extends HttpApiGroup.make("feedback").add(
  HttpApiEndpoint.post("give", "/api/v1/scan/:job_id/feedback", {
    params: { job_id: Job.JobId },
    headers: {
      "x-user-id": Schema.optionalKey(Schema.String).annotate({
        description: "The user; set by the mesh (AUTH_MODE=header)"
      })
    },
    payload: FeedbackBody,
    success: Schema.Struct({ job_id: Schema.String, status: Schema.Literal("stored") }),
    error: [
      ...RequestBody.refusals,
      Refusal.declared(400, "INVALID_JSON"),
      Refusal.declared(404, "RESULT_NOT_FOUND", "NOT_FOUND"),
      Refusal.declared(409, "NOT_FINISHED"),
      Refusal.invalidField,
      Refusal.declared(429, "TOO_MUCH_FEEDBACK"),
      Refusal.declared(503, "STORAGE_FULL", "STORAGE_REFUSED", "TOO_MANY_UPLOADS", "UNAVAILABLE")
    ]
  })
    .middleware(UnknownJob)
    .middleware(SameOrigin)
    .middleware(Authentication)
    .annotate(
      OpenApi.Summary,
      "Say that the answer of a done scan is wrong, while its result is kept; again replaces it"
    )
) {}
