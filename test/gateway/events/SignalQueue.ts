/** SignalQueue: what the router tells a viewer, as a queue that a test can wait for. It ends as the signals do. */
import { Effect, Queue } from "effect"
import type { Cause } from "effect"
import type { EventRouter } from "../../../packages/gateway/src/events/EventRouter.ts"
import type { Signal, Signals } from "../../../packages/gateway/src/events/Signals.ts"

export const of = Effect.fnUntraced(function* (signals: Signals) {
  const queue = yield* Queue.unbounded<Signal, Cause.Done>()
  const pass = () => {
    for (const signal of signals.take()) Queue.offerUnsafe(queue, signal)
    if (signals.isOver) Queue.endUnsafe(queue)
  }
  signals.onArrival(pass)
  pass()
  return queue
})

/** Subscribes where there is room. */
export const subscribed = Effect.fnUntraced(function* (
  router: EventRouter["Service"],
  ...job: Parameters<EventRouter["Service"]["subscribe"]>
) {
  const place = router.subscribe(...job)
  if (typeof place === "string") return yield* Effect.die(new Error("there was room"))
  return { ...place, signals: yield* of(place.subscription.signals) }
})
