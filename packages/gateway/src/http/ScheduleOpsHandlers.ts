/** ScheduleOpsHandlers: the operator's calls on schedules. What an operator changed is said in the log. */
import { Schedules } from "@eco2/core/client"
import { Effect } from "effect"
import type { Option, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { refusal, unavailable } from "./HttpErrors.ts"
import { fromRedis, guard, json, notFound } from "./OpsCall.ts"
import { Api } from "./ScanApi.ts"

const state = (schedule: Schedules.ScheduleState) => ({
  name: schedule.name,
  timing: schedule.timing,
  overlap: schedule.overlap,
  work: schedule.work,
  paused: schedule.paused,
  declared: schedule.declared,
  next: schedule.next,
  last_slot: schedule.lastSlot,
  last_outcome: schedule.lastOutcome,
  last_run: schedule.lastRun,
  last_job_id: schedule.lastJob,
  fires: schedule.fires,
  skips: schedule.skips
})

type Failure = Effect.Error<ReturnType<Schedules.Schedules["Service"]["runNow"]>>
const refuse = (error: Failure) => {
  if (error._tag === "ScheduleUnknown") return notFound
  if (error._tag === "ScheduleRunning") return refusal(409, "SCHEDULE_RUNNING", error.message)
  return error._tag === "ScheduleRefused" ? unavailable(error.message) : fromRedis(error)
}

/** `secret`: INTERNAL_SECRET, none where it is not set. */
export const layer = (secret: Option.Option<Redacted.Redacted>) =>
  HttpApiBuilder.group(
    Api,
    "schedules",
    Effect.fnUntraced(function* (handlers) {
      const schedules = yield* Schedules.Schedules
      const guarded = guard(secret)
      const say = (done: string, schedule: string, facts: Readonly<Record<string, unknown>> = {}) =>
        Effect.logInfo(`schedule ${done} by an operator`).pipe(Effect.annotateLogs({ schedule, ...facts }))
      return handlers
        .handleRaw("list", ({ request }) =>
          guarded(
            request,
            Effect.map(Effect.mapError(schedules.list, fromRedis), (all) => json(all.map(state)))
          )
        )
        .handleRaw("pause", ({ params, request }) =>
          guarded(
            request,
            schedules.pause(params.schedule).pipe(
              Effect.mapError(refuse),
              Effect.tap(() => say("paused", params.schedule)),
              Effect.as(json({ outcome: "paused" }))
            )
          )
        )
        .handleRaw("resume", ({ params, request }) =>
          guarded(
            request,
            schedules.resume(params.schedule).pipe(
              Effect.mapError(refuse),
              Effect.tap(() => say("resumed", params.schedule)),
              Effect.as(json({ outcome: "resumed" }))
            )
          )
        )
        .handleRaw("run", ({ params, request }) =>
          guarded(
            request,
            schedules.runNow(params.schedule).pipe(
              Effect.mapError(refuse),
              Effect.tap((job_id) => say("run", params.schedule, { job_id })),
              Effect.map((job_id) => json({ job_id }))
            )
          )
        )
    })
  )
