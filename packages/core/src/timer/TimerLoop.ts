/**
 * TimerLoop: serves every partition's timers, from one fiber a process. A partition is looked at once a minute, when its
 * next known timer is due, and when somebody here has just set one; the looks of an idle process are spread out.
 * Schedules are looked at from the same fiber (ScheduleLoop).
 */
import { Clock, Duration, Effect, Metric, Queue } from "effect"
import type { Scope } from "effect"
import type { Supervisor } from "../actor/Supervisor.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { deadLetters, jobs } from "../telemetry/Metrics.ts"
import type { ScheduleLoop } from "./ScheduleLoop.ts"
import { deadlineCause, Timers } from "./Timers.ts"

export interface TimerLoop {
  /** A timer of this partition is due in `millis`: look then, not later. */
  readonly wakeIn: (partition: Partition, millis: number) => void
  /** A schedule has been declared. */
  readonly wake: () => void
}

const lookMillis = 60_000
const troubleMillis = 1_000

export const make = Effect.fnUntraced(function* (options: {
  readonly mailboxes: () => ReadonlyArray<string>
  readonly schedules: ScheduleLoop
  readonly stopping: () => boolean
  readonly supervisor: Supervisor
}): Effect.fn.Return<TimerLoop, never, Timers | Keyspace | Scope.Scope> {
  const timers = yield* Timers
  const { partitions } = yield* Keyspace
  const clock = yield* Clock.Clock
  const wake = yield* Queue.sliding<void>(1)
  const start = clock.currentTimeMillisUnsafe()
  const lookAt = new Map(partitions.map((partition, i) => [partition, start + (i * lookMillis) / partitions.length]))
  const sooner = (partition: Partition, at: number) => {
    if (at < (lookAt.get(partition) ?? Infinity)) lookAt.set(partition, at)
  }

  const look = Effect.fnUntraced(
    function* (partition: Partition) {
      lookAt.set(partition, clock.currentTimeMillisUnsafe() + lookMillis)
      const { expired, nextMillis } = yield* timers.promote(partition, options.mailboxes())
      if (nextMillis !== null && nextMillis < lookMillis)
        sooner(partition, clock.currentTimeMillisUnsafe() + nextMillis)
      for (const one of expired) {
        const { mailbox, pipeline } = one
        yield* Metric.update(Metric.withAttributes(jobs, { pipeline, outcome: "failed" }), one.jobs)
        yield* Metric.update(Metric.withAttributes(deadLetters, { mailbox, reason: deadlineCause }), one.letters)
        yield* Effect.logError("jobs failed at their deadline").pipe(Effect.annotateLogs({ ...one }))
      }
    },
    (effect, partition) =>
      effect.pipe(
        // after a defect too: what the loop died of is not left for a minute
        Effect.tapCause(() => Effect.sync(() => sooner(partition, clock.currentTimeMillisUnsafe() + troubleMillis))),
        Effect.catch((error) =>
          Effect.logDebug("timers could not be looked at").pipe(Effect.annotateLogs({ error: error.message }))
        )
      )
  )

  const loop = Effect.gen(function* () {
    while (!options.stopping()) {
      const now = clock.currentTimeMillisUnsafe()
      for (const partition of partitions) {
        if ((lookAt.get(partition) ?? 0) <= now) yield* look(partition)
      }
      if (options.schedules.dueAt() <= clock.currentTimeMillisUnsafe()) yield* options.schedules.look
      const next = Math.min(options.schedules.dueAt(), ...lookAt.values())
      yield* Effect.timeoutOption(
        Queue.take(wake),
        Duration.millis(Math.max(1, next - clock.currentTimeMillisUnsafe()))
      )
    }
  })
  yield* options.supervisor.supervise("timers", loop)

  return {
    wakeIn: (partition, millis) => {
      sooner(partition, clock.currentTimeMillisUnsafe() + millis)
      Queue.offerUnsafe(wake, undefined)
    },
    wake: () => void Queue.offerUnsafe(wake, undefined)
  }
})
