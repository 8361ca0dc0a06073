/** ScheduleOpsHandlers: the operators' calls on schedules. An operator's changes are logged. */
import { Refusal } from "@eco2/core/http"
import { Schedules } from "@eco2/core/client"
import type { RedisError } from "@eco2/core/client"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"
import { nothing } from "./WrongField.ts"

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

type Failure = Schedules.ScheduleUnknown | Schedules.ScheduleRefused | RedisError.RedisError
const refuse = (error: Failure) => {
  if (error._tag === "ScheduleUnknown") return nothing
  return error._tag === "ScheduleRefused" ? Refusal.unavailable(error.message) : fromRedis(error)
}

export const layer = HttpApiBuilder.group(
  Api,
  "schedules",
  Effect.fnUntraced(function* (handlers) {
    const schedules = yield* Schedules.Schedules
    const say = (event: string, schedule: string, facts: Readonly<Record<string, unknown>> = {}) =>
      Effect.logInfo(event).pipe(Effect.annotateLogs({ schedule, ...facts }))
    return handlers
      .handle("list", () => Effect.map(Effect.mapError(schedules.list, fromRedis), (all) => all.map(state)))
      .handle("pause", ({ params: { schedule } }) =>
        schedules.pause(schedule).pipe(
          Effect.mapError(refuse),
          Effect.tap(() => say("schedule paused by an operator", schedule)),
          Effect.as({ outcome: "paused" })
        )
      )
      .handle("resume", ({ params: { schedule } }) =>
        schedules.resume(schedule).pipe(
          Effect.mapError(refuse),
          Effect.tap(() => say("schedule resumed by an operator", schedule)),
          Effect.as({ outcome: "resumed" })
        )
      )
      .handle("run", ({ params: { schedule } }) =>
        schedules.runNow(schedule).pipe(
          Effect.mapError((error) =>
            error._tag === "ScheduleRunning" ? Refusal.make(409, "SCHEDULE_RUNNING", error.message) : refuse(error)
          ),
          Effect.tap((job_id) => say("schedule run by an operator", schedule, { job_id })),
          Effect.map((job_id) => ({ job_id }))
        )
      )
  })
)
