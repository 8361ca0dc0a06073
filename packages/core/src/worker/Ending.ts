/**
 * Ending: ends deliveries from outside their fibers: at a time-out (A3), when the entry is no longer ours (A1, J7), when the
 * process stops (A5). A handler that cannot be interrupted may go on. Its end is then recorded without it, so that the job moves
 * on and a stop is not held up; its slot stays taken until its fiber has ended. Used by Timeouts, Heartbeat and Shutdown.
 */
import { Effect, Fiber, Metric, Option } from "effect"
import type { Delivery, EndReason } from "../mailbox/Delivery.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { Workload } from "./Workload.ts"

/** How long a fiber may take to end once it is interrupted. */
const patience = "1 second"

/** Returns when the delivery's fiber has ended, or its end has been recorded without it. */
export const end = Effect.fnUntraced(function* (workload: Workload, delivery: Delivery, reason: EndReason) {
  const fiber = delivery.end(reason)
  if (fiber === null) return
  const ended = yield* Effect.timeoutOption(Fiber.interrupt(fiber), patience)
  // it may have ended by itself, and its result may be on its way
  if (Option.isSome(ended) || delivery.isSettling || !workload.outlive(delivery)) return
  const labels = { mailbox: delivery.slot, reason }
  yield* Metric.update(Metric.withAttributes(Metrics.outlivedAttempts, labels), 1)
  yield* Effect.logWarning("a handler goes on after its attempt was ended").pipe(
    Effect.annotateLogs({ ...labels, entry: delivery.entry, job_id: delivery.fields.get("job") })
  )
  yield* Effect.forkDetach(
    Effect.andThen(Fiber.await(fiber), Effect.logInfo("a handler that went on has ended")).pipe(
      Effect.annotateLogs({ ...labels, entry: delivery.entry })
    )
  )
  const record = delivery.outlive()
  if (record !== null) yield* record
})
