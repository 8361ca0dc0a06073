/**
 * Timeouts: one timer for the time-outs of all attempts of this process (A3). It is set to the earliest time-out; when it fires,
 * overdue attempts are interrupted, and it is set to the next. A delivery that ends in time costs nothing.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import type { Delivery } from "../mailbox/Delivery.ts"
import * as DueTimer from "../clock/DueTimer.ts"
import * as Ending from "./Ending.ts"
import type { Workload } from "./Workload.ts"

export interface Timeouts {
  /** Times out the attempt that begins now: ends it after `millis`, unless its result is being recorded. */
  readonly watch: (delivery: Delivery, millis: number) => void
}

export const make = Effect.fnUntraced(function* (workload: Workload): Effect.fn.Return<Timeouts, never, Scope.Scope> {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const timer = DueTimer.make((now) => {
    let next = Infinity
    for (const delivery of workload.deliveries.values()) {
      const at = delivery.timeoutAt
      if (at === null) continue
      if (at <= now) fork(Ending.end(workload, delivery, "timeout"))
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
