/** FeedbackOpsHandlers: lists what users called wrong, page by page. */
import { Feedback } from "@eco2/actors/protocol"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { usualLimit } from "./OpsWords.ts"
import { Api } from "./ScanApi.ts"

const patience = "5 seconds"

export const layer = HttpApiBuilder.group(
  Api,
  "feedbackOps",
  Effect.fnUntraced(function* (handlers) {
    const feedback = yield* Feedback.Feedback
    const unavailable = () => Refusal.unavailable("the database does not answer; try again")
    return handlers.handle(
      "list",
      Effect.fnUntraced(function* ({ query: { cursor, limit = usualLimit } }) {
        const [millis, jobId = ""] = cursor?.split("_") ?? []
        const before = millis === undefined ? null : { givenAt: new Date(Number(millis)).toISOString(), jobId }
        const rows = yield* feedback.list({ before, limit: limit + 1 }).pipe(
          Effect.timeoutOrElse({
            duration: patience,
            orElse: () => Effect.fail(new Feedback.FeedbackUnavailable({ reason: "no answer in time" }))
          }),
          Effect.mapError(unavailable)
        )
        const page = rows.slice(0, limit)
        const last = page.at(-1)
        return {
          feedback: page,
          next_cursor: rows.length > limit && last !== undefined ? `${Date.parse(last.given_at)}_${last.job_id}` : null
        }
      })
    )
  })
)
