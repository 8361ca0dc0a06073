/**
 * Timeouts: one timer for all attempts of this process (A3). It stands at the earliest time-out known; when it goes off, who
 * is over time is interrupted, and the next earliest is looked up. A delivery that finished in time costs nothing.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import type { Delivery } from "../mailbox/Delivery.ts"
import * as DueTimer from "../clock/DueTimer.ts"
import type { Workload } from "./Workload.ts"

export interface Timeouts {
  /** The attempt now beginning is ended for the reason `timeout` after `millis`, unless it is settling by then. */
  readonly watch: (delivery: Delivery, millis: number) => void
}

export const make = Effect.fnUntraced(function* (workload: Workload): Effect.fn.Return<Timeouts, never, Scope.Scope> {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const timer = DueTimer.make((now) => {
    let next = Infinity
    for (const delivery of workload.deliveries.values()) {
      const at = delivery.timeoutAt
      if (at === null) continue
      if (at <= now) fork(workload.end(delivery, "timeout"))
      else next = Math.min(next, at)
    }
    return next
  })
  yield* Effect.addFinalizer(() => Effect.sync(timer.stop))

  return {
    watch: (delivery, millis) => {
      const at = performance.now() + millis
      delivery.timesOutAt(at)
      timer.at(at)
    }
  }
})
