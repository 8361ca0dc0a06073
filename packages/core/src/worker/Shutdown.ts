/**
 * Shutdown: how a process stops (A5), from top to bottom:
 *   1  stop reading: take no new entry after the running read, and leave timers to other processes
 *   2  wait for running work, for SHUTDOWN_GRACE at most
 *   3  interrupt the rest; each returns its stage to its mailbox at once, and the attempt is not counted. A handler that goes on
 *      nevertheless holds nothing up (Ending)
 *   4  drop results that Redis does not accept, hand over what is known of timers, and give the lease up, so that others take over
 *      the remaining entries at once
 * The scope that opened the connections closes them afterwards. ActorSystem runs it once, before any of its services closes.
 */
import { Duration, Effect } from "effect"
import * as Ending from "./Ending.ts"
import type { Heartbeat } from "./Heartbeat.ts"
import type { Workload } from "./Workload.ts"

/** How long the running read may take to end. */
const lastRead = Duration.seconds(2)
/** How long handing back may take; other processes take over the rest. */
const handBack = Duration.seconds(3)
/** How long the last sends of dropped results may take: as long as a command that Redis does not answer. */
const lastSends = Duration.seconds(12)

export const run = Effect.fnUntraced(function* (
  workload: Workload,
  heartbeat: Heartbeat,
  grace: Duration.Duration,
  readersEnded: Effect.Effect<unknown>,
  handOverTimers: Effect.Effect<void>
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
    yield* Effect.forEach(rest, (delivery) => Ending.end(workload, delivery, "release"), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.andThen(idle), Effect.timeoutOption(handBack))
    const handedBack = rest.filter((delivery) => workload.deliveries.get(delivery.key) !== delivery).length
    yield* Effect.logInfo("handed back unfinished work").pipe(
      Effect.annotateLogs({
        entries: handedBack,
        left: rest.length - handedBack,
        still_running: workload.outlived.size
      })
    )
  }
  workload.abandoned = true
  yield* handOverTimers
  yield* heartbeat.leave
  yield* Effect.timeoutOption(idle, lastSends)
})
