/**
 * UserDataHandlers: erases what the service has of a user. Open scans are cancelled first, so that nothing is written of them any
 * more; then the jobs are erased in Redis, and the rows in Postgres. Every step may be repeated: after a failure the user asks
 * again. What is not erased is named in the answer.
 */
import { UserData } from "@eco2/actors/protocol"
import { CoreConfig, JobStore } from "@eco2/core/client"
import { OutageLog } from "@eco2/core/telemetry"
import { Refusal } from "@eco2/core/http"
import { Duration, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Caller } from "../auth/Authentication.ts"
import { Api } from "./ScanApi.ts"
import { fromRedis } from "./SubmitRefusal.ts"
import type { Answer } from "./UserDataApi.ts"

const patience = "8 seconds"

export const layer = HttpApiBuilder.group(
  Api,
  "userData",
  Effect.fnUntraced(function* (handlers) {
    const store = yield* JobStore.JobStore
    const userData = yield* UserData.UserData
    const { jobDeadline, jobTtl, letterTtl } = yield* CoreConfig
    const outage = OutageLog.make("user data cannot be erased", "user data is erased again")
    const longest = Duration.toSeconds(Duration.max(jobTtl, letterTtl))
    const seconds = (duration: number) => Math.ceil(duration)

    const remaining: Answer["remaining"] = [
      {
        what: "usage_counters",
        why: "times and sizes of the latest submits, which bound how much one user may use; no content",
        gone_within_seconds: seconds(Duration.toSeconds(jobDeadline) + longest)
      },
      {
        what: "model_replies",
        why: "a model's replies, stored under a hash without user, photo or question, for the same request again (MODEL_REUSE)",
        gone_within_seconds: null
      },
      {
        what: "older_jobs",
        why: "results of scans before the latest hundred, which are found by their ids alone and expire by themselves",
        gone_within_seconds: seconds(Duration.toSeconds(jobDeadline) + longest)
      },
      {
        what: "operators_lists",
        why: "that a scan of the user ended: its id, when and how, in the lists of operators",
        gone_within_seconds: seconds(longest)
      },
      {
        what: "stored_pictures",
        why: "pictures that the operator has in an object storage: nobody finds them any more, and the storage removes them by its own rule",
        gone_within_seconds: null
      },
      {
        what: "erasure",
        why: "the user's id with the time of this request, so that what was on its way is removed too",
        gone_within_seconds: UserData.rememberedDays * 86_400
      },
      {
        what: "revoked_tokens",
        why: "tokens that were revoked, with their user, until they would have expired",
        gone_within_seconds: null
      },
      {
        what: "operators_records",
        why: "logs, backups and the operators' audit log, as long as the operator of this service keeps them",
        gone_within_seconds: null
      }
    ]

    const erase = Effect.fnUntraced(function* () {
      const { user } = yield* Caller
      const before = yield* Effect.mapError(store.erase(user), fromRedis)
      yield* Effect.forEach(before.open, (id) => Effect.mapError(store.cancel(id), fromRedis), {
        concurrency: 8,
        discard: true
      })
      // the cancelled ones; by its time the rows are chosen
      const after = yield* Effect.mapError(store.erase(user), fromRedis)
      const rows = yield* userData.erase(user, after.at).pipe(
        Effect.timeoutOrElse({
          duration: patience,
          orElse: () => Effect.fail(new UserData.UserDataUnavailable({ reason: "no answer in time" }))
        }),
        Effect.tap(() => outage.over),
        Effect.tapError(outage.failed),
        Effect.mapError(() => Refusal.unavailable("the database does not answer; ask again, to erase the rest"))
      )
      yield* Effect.logInfo("user data erased")
      return { erased: { ...rows, jobs: before.erased + after.erased }, remaining }
    })

    return handlers.handle("erase", erase)
  })
)
