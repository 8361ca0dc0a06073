/** LimitOpsHandlers: the operator's calls on limits. What an operator changed is said in the log. */
import { LimitList } from "@eco2/core/operations"
import { Effect } from "effect"
import type { Option, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { fromRedis, guard, json, notFound } from "./OpsCall.ts"
import { Api } from "./ScanApi.ts"

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

/** `secret`: INTERNAL_SECRET, none where it is not set. */
export const layer = (secret: Option.Option<Redacted.Redacted>) =>
  HttpApiBuilder.group(
    Api,
    "limits",
    Effect.fnUntraced(function* (handlers) {
      const limits = yield* LimitList.LimitList
      const guarded = guard(secret)
      return handlers
        .handleRaw("list", ({ request }) =>
          guarded(
            request,
            Effect.map(Effect.mapError(limits.list, fromRedis), ({ complete, limits: all }) =>
              json({ limits: all.map(state), complete })
            )
          )
        )
        .handleRaw("resume", ({ params, request }) =>
          guarded(
            request,
            limits.resume(params.limit).pipe(
              Effect.mapError((error) => (error._tag === "LimitUnknown" ? notFound : fromRedis(error))),
              Effect.tap(() =>
                Effect.logInfo("limit resumed by an operator").pipe(Effect.annotateLogs({ limit: params.limit }))
              ),
              Effect.as(json({ outcome: "resumed" }))
            )
          )
        )
    })
  )
