/** LimitOpsHandlers: the operators' calls on limits. An operator's changes are logged. */
import { LimitList } from "@eco2/core/operations"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"
import { nothing } from "./WrongField.ts"

const state = (limit: LimitList.LimitState) => ({
  name: limit.name,
  paused_ms: limit.pausedMillis,
  waiting: limit.waiting,
  away: limit.away,
  window_ms: limit.windowMillis,
  requests: limit.requests,
  units: limit.units,
  permits: limit.permits
})

export const layer = HttpApiBuilder.group(
  Api,
  "limits",
  Effect.fnUntraced(function* (handlers) {
    const limits = yield* LimitList.LimitList
    return handlers
      .handle("list", () =>
        Effect.map(Effect.mapError(limits.list, fromRedis), ({ complete, limits: all }) => ({
          limits: all.map(state),
          complete
        }))
      )
      .handle("waiters", ({ params: { limit } }) =>
        Effect.map(Effect.mapError(limits.waiters(limit), fromRedis), (all) =>
          all.map(({ due, jobId, since, stage }) => ({ job_id: jobId, stage, since, due }))
        )
      )
      .handle("resume", ({ params: { limit } }) =>
        limits.resume(limit).pipe(
          Effect.mapError((error) => (error._tag === "LimitUnknown" ? nothing : fromRedis(error))),
          Effect.tap(() => Effect.logInfo("limit resumed by an operator").pipe(Effect.annotateLogs({ limit }))),
          Effect.as({ outcome: "resumed" })
        )
      )
  })
)
