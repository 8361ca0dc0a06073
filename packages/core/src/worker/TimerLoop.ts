/**
 * TimerLoop: serves the timers of each partition in a fiber of its own, so that on a Cluster a partition whose master is down
 * delays no other. It checks a partition at its start and once a minute, when its next known timer is due, and when this process
 * has set one or holds a job whose deadline comes; with a JOB_DEADLINE below a minute that often, because a submit in another
 * process sets timers too. When another process stops or dies, it takes over what that one knew (TimerHandover, `lookSoon`). The
 * checks of an idle process are spread over the minute. Other timed work of a partition (PartitionTask) runs in the same fiber.
 * Waits use the monotonic clock (Elapsed), so a wall clock that is set back stops no timer.
 */
import { Duration, Effect, Metric, Queue } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import type { Supervisor } from "../supervision/Supervisor.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { deadLetters, jobs } from "../telemetry/Metrics.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import * as CallLedger from "../job/CallLedger.ts"
import { deadlineCause, Timers } from "./Timers.ts"

/** Timed work in each partition, such as schedules. */
export interface PartitionTask {
  /** When it runs next in a partition, by Elapsed; Infinity: not until `wake`. */
  readonly dueAt: (partition: Partition) => number
  readonly run: (partition: Partition) => Effect.Effect<void>
}

export interface TimerLoop {
  /** A timer of this partition is due in `millis`; the partition is checked then at the latest. */
  readonly wakeIn: (partition: Partition, millis: number) => void
  /** Checks every partition within a second: a process that knew of timers is gone. */
  readonly lookSoon: () => void
  /** The next timer that this process knows of, in milliseconds from now, of each partition that has one within the minute. */
  readonly known: () => ReadonlyMap<Partition, number>
  /** Runs a task in the timers' fibers until the scope closes. */
  readonly add: (task: PartitionTask) => Effect.Effect<void, never, Scope.Scope>
  /** A task is due earlier than before. */
  readonly wake: () => void
}

const mostLookMillis = 60_000
const leastLookMillis = 1_000
/** Within this time every partition is looked at, at the start and after another process has gone. */
const soonMillis = 1_000
const troubleMillis = 1_000

export const make = Effect.fnUntraced(function* (options: {
  readonly mailboxes: () => ReadonlyArray<string>
  readonly stopping: () => boolean
  readonly supervisor: Supervisor
}): Effect.fn.Return<TimerLoop, never, Timers | Keyspace | CoreConfig | Scope.Scope> {
  const timers = yield* Timers
  const { partitions } = yield* Keyspace
  const { jobDeadline } = yield* CoreConfig
  const lookMillis = Math.min(mostLookMillis, Math.max(leastLookMillis, Duration.toMillis(jobDeadline)))
  const millis = yield* Elapsed.clock
  const start = millis()
  const tasks = new Set<PartitionTask>()
  const wakes = new Map<Partition, Queue.Queue<void>>()
  const lookAt = new Map(partitions.map((partition, i) => [partition, start + (i * soonMillis) / partitions.length]))
  /** After the look at the start, the looks of an idle process are spread over the minute. */
  const secondAt = new Map(
    partitions.map((partition, i) => [partition, start + ((i + 1) * lookMillis) / partitions.length])
  )
  /** Partitions whose next look is due because of a timer. */
  const timed = new Set<Partition>()
  /** Whether the next check is earlier now. */
  const sooner = (partition: Partition, at: number): boolean => {
    if (at >= (lookAt.get(partition) ?? Infinity)) return false
    lookAt.set(partition, at)
    return true
  }

  const look = Effect.fnUntraced(
    function* (partition: Partition) {
      timed.delete(partition)
      lookAt.set(partition, Math.min(millis() + lookMillis, Math.max(millis(), secondAt.get(partition) ?? Infinity)))
      secondAt.delete(partition)
      const { doubted, expired, nextMillis } = yield* timers.promote(partition, options.mailboxes())
      if (nextMillis !== null && nextMillis < lookMillis && sooner(partition, millis() + nextMillis))
        timed.add(partition)
      for (const { call, jobId } of doubted) yield* CallLedger.reportUncertain(jobId, [call])
      for (const one of expired) {
        const { mailbox, pipeline } = one
        yield* Metric.update(Metric.withAttributes(jobs, { pipeline, outcome: "failed" }), one.jobs)
        yield* Metric.update(Metric.withAttributes(deadLetters, { mailbox, reason: deadlineCause }), one.letters)
        yield* Effect.logError("jobs failed at their deadline").pipe(Effect.annotateLogs({ ...one }))
      }
    },
    (effect, partition) =>
      effect.pipe(
        // also after a defect: the timers must not wait for a minute
        Effect.tapCause(() => Effect.sync(() => void sooner(partition, millis() + troubleMillis))),
        Effect.catch((error) =>
          Effect.logDebug("timers could not be checked").pipe(Effect.annotateLogs({ error: error.message }))
        )
      )
  )

  const loop = Effect.fnUntraced(function* (partition: Partition, wake: Queue.Dequeue<void>) {
    while (!options.stopping()) {
      if ((lookAt.get(partition) ?? 0) <= millis()) yield* look(partition)
      for (const task of tasks) if (task.dueAt(partition) <= millis()) yield* task.run(partition)
      const next = Math.min(lookAt.get(partition) ?? 0, ...Array.from(tasks, (task) => task.dueAt(partition)))
      yield* Effect.timeoutOption(Queue.take(wake), Duration.millis(Math.max(1, Math.ceil(next - millis()))))
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
      if (!sooner(partition, millis() + delayMillis)) return
      timed.add(partition)
      hurry(partition)
    },
    lookSoon: () => {
      for (const [i, partition] of partitions.entries()) {
        if (sooner(partition, millis() + ((i + Math.random()) * soonMillis) / partitions.length)) hurry(partition)
      }
    },
    known: () =>
      new Map(partitions.flatMap((one) => (timed.has(one) ? [[one, (lookAt.get(one) ?? 0) - millis()] as const] : []))),
    add: (task) =>
      Effect.acquireRelease(
        Effect.sync(() => void tasks.add(task)),
        () => Effect.sync(() => void tasks.delete(task))
      ),
    wake: () => partitions.forEach(hurry)
  }
})
