/**
 * FeedbackHandlers: stores what users say is wrong with the answer of their own scan, with what the answer took the item for, so
 * that the owner of the service can learn from it without the photo and without the user.
 */
import { Feedback, ScanPipeline, ScanResult } from "@eco2/actors/protocol"
import { JobStore } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { OutageLog } from "@eco2/core/telemetry"
import { Refusal } from "@eco2/core/http"
import { Clock, Effect, Metric } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Caller } from "../auth/Authentication.ts"
import { FeedbackBody, words } from "./FeedbackApi.ts"
import * as JsonBody from "./JsonBody.ts"
import type * as RequestBody from "./RequestBody.ts"
import { Api } from "./ScanApi.ts"
import { fromRedis } from "./SubmitRefusal.ts"
import { noResult } from "./WrongField.ts"

/** Answers that users called wrong, by the category they were given. */
const feedbackGiven = Metric.counter("eco2_feedback_total", {
  incremental: true,
  description: "answers that users called wrong"
})

const patience = "5 seconds"
const decode = JsonBody.decoder(FeedbackBody, { words })

/** `bodies`: the process's only one, because all share UPLOAD_MEMORY. */
export const layer = (bodies: RequestBody.RequestBody) =>
  HttpApiBuilder.group(
    Api,
    "feedback",
    Effect.fnUntraced(function* (handlers) {
      const store = yield* JobStore.JobStore
      const feedback = yield* Feedback.Feedback
      const outage = OutageLog.make("feedback cannot be stored", "feedback is stored again")

      const give = Effect.fnUntraced(function* (id: Job.JobId, request: HttpServerRequest.HttpServerRequest) {
        const { user } = yield* Caller
        const { category = null, comment = null } = yield* bodies
          .text(request)
          .pipe(Effect.flatMap(JsonBody.parseObject), Effect.flatMap(decode), Effect.scoped)
        const job = yield* store.get(id).pipe(
          Effect.catchTag("JobUnreadable", () => Effect.succeed(null)),
          Effect.mapError(fromRedis)
        )
        if (job === null || job.owner !== user || job.pipeline !== ScanPipeline.name) return yield* noResult
        const { found, language, model } = yield* ScanResult.factsOf(job)
        if (found === null) {
          return yield* Refusal.make(409, "NOT_FINISHED", "the scan has no answer that could be wrong")
        }
        const outcome = yield* feedback
          .give({
            jobId: id,
            userId: user,
            at: yield* Clock.currentTimeMillis,
            language,
            found,
            model,
            category,
            comment: comment === null || comment.trim() === "" ? null : comment.trim()
          })
          .pipe(
            Effect.timeoutOrElse({
              duration: patience,
              orElse: () => Effect.fail(new Feedback.FeedbackUnavailable({ reason: "no answer in time" }))
            }),
            Effect.tap(() => outage.over),
            Effect.tapError(outage.failed),
            Effect.mapError(() => Refusal.unavailable("the database does not answer; try again"))
          )
        if (outcome === "full") {
          return yield* Refusal.make(429, "TOO_MUCH_FEEDBACK", "that is enough feedback for a day; thank you", "1 hour")
        }
        yield* Metric.update(
          Metric.withAttributes(feedbackGiven, { category: found.middle_category || found.major_category }),
          1
        )
        return { job_id: id, status: "stored" as const }
      })

      // by hand: RequestBody bounds the body while it is read
      return handlers.handleRaw("give", ({ params, request }) => give(params.job_id, request))
    })
  )
