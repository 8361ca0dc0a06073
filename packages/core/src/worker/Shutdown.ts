/**
 * Shutdown: how a process stops (A5). Read top to bottom:
 *   1  stop reading: no new entry is taken once the read under way has ended, timers are left to others
 *   2  let what is in work go on, for SHUTDOWN_GRACE at most
 *   3  interrupt the rest; each hands its stage back to its mailbox at once, its attempt not counted
 *   4  let go of what Redis would not take, and give the lease back: whatever could not be handed back is free for others without waiting
 * Connections are closed after it, by the scope that opened them. Run by ActorSystem, once, before anything it serves goes.
 */
import { Duration, Effect } from "effect"
import type { Heartbeat } from "./Heartbeat.ts"
import type { Workload } from "./Workload.ts"

/** How long the read under way may take to end. */
const lastRead = Duration.seconds(2)
/** How long handing back may take; what has not been handed back by then is reaped by others. */
const handBack = Duration.seconds(3)

export const run = Effect.fnUntraced(function* (
  workload: Workload,
  heartbeat: Heartbeat,
  grace: Duration.Duration,
  readersEnded: Effect.Effect<unknown>
) {
  workload.stopping = true
  workload.changed()
  yield* Effect.timeoutOption(readersEnded, lastRead)
  const idle = workload.until(() => workload.deliveries.size === 0)
  if (workload.deliveries.size > 0) {
    yield* Effect.logInfo("stopping: finishing running work").pipe(
      Effect.annotateLogs({ entries: workload.deliveries.size, grace: Duration.format(grace) })
    )
  }
  yield* Effect.timeoutOption(idle, grace)
  const rest = [...workload.deliveries.values()]
  if (rest.length > 0) {
    yield* Effect.forEach(rest, (delivery) => workload.end(delivery, "release"), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.andThen(idle), Effect.timeoutOption(handBack))
    yield* Effect.logInfo("handed back unfinished work").pipe(Effect.annotateLogs({ entries: rest.length }))
  }
  workload.abandoned = true
  yield* heartbeat.leave
})
