/**
 * TimerLoop: serves every partition's timers, from a fiber each: on a Cluster one whose master is away holds no other up. A
 * partition is looked at once a minute, when its next known timer is due, and when somebody here has just set one; the looks
 * of an idle process are spread out. Its schedules are looked at from the same fiber (ScheduleLoop).
 * Waits are by the clock that only goes forward (Elapsed): one that is set back stops no timer.
 */
import { Duration, Effect, Metric, Queue } from "effect"
import type { Scope } from "effect"
import type { Supervisor } from "../actor/Supervisor.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { deadLetters, jobs } from "../telemetry/Metrics.ts"
import * as Elapsed from "./Elapsed.ts"
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
  const millis = yield* Elapsed.clock
  const start = millis()
  const wakes = new Map<Partition, Queue.Queue<void>>()
  const lookAt = new Map(partitions.map((partition, i) => [partition, start + (i * lookMillis) / partitions.length]))
  const sooner = (partition: Partition, at: number) => {
    if (at < (lookAt.get(partition) ?? Infinity)) lookAt.set(partition, at)
  }

  const look = Effect.fnUntraced(
    function* (partition: Partition) {
      lookAt.set(partition, millis() + lookMillis)
      const { expired, nextMillis } = yield* timers.promote(partition, options.mailboxes())
      if (nextMillis !== null && nextMillis < lookMillis) sooner(partition, millis() + nextMillis)
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
        Effect.tapCause(() => Effect.sync(() => sooner(partition, millis() + troubleMillis))),
        Effect.catch((error) =>
          Effect.logDebug("timers could not be looked at").pipe(Effect.annotateLogs({ error: error.message }))
        )
      )
  )

  const loop = Effect.fnUntraced(function* (partition: Partition, wake: Queue.Dequeue<void>) {
    while (!options.stopping()) {
      if ((lookAt.get(partition) ?? 0) <= millis()) yield* look(partition)
      if (options.schedules.dueAt(partition) <= millis()) yield* options.schedules.look(partition)
      const next = Math.min(options.schedules.dueAt(partition), lookAt.get(partition) ?? 0)
      yield* Effect.timeoutOption(Queue.take(wake), Duration.millis(Math.max(1, next - millis())))
    }
  })
  for (const partition of partitions) {
    const wake = yield* Queue.sliding<void>(1)
    wakes.set(partition, wake)
    yield* options.supervisor.supervise("timers", loop(partition, wake))
  }
  const hurry = (partition: Partition) => {
    const wake = wakes.get(partition)
    if (wake !== undefined) Queue.offerUnsafe(wake, undefined)
  }

  return {
    wakeIn: (partition, delayMillis) => {
      sooner(partition, millis() + delayMillis)
      hurry(partition)
    },
    wake: () => partitions.forEach(hurry)
  }
})
