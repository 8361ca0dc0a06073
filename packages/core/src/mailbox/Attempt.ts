/**
 * Attempt: what the code a handler calls may know of the attempt it runs in, however deep, without being handed it: under
 * which name it may keep a place in a line, and how to wait without the stage's timeout running.
 * Provided by StageBehavior; outside of a stage it has no name, and waiting is only waiting.
 */
import { Context, Effect } from "effect"
import type { Delivery } from "./Delivery.ts"

export interface Attempt {
  /** The same for every attempt of a job at a stage; null outside of one. */
  readonly place: string | null
  /** Time spent in `wait` does not count against the stage's timeout. `wait` must have an end of its own. */
  readonly untimed: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const Attempt: Context.Reference<Attempt> = Context.Reference<Attempt>("@eco2/core/mailbox/Attempt", {
  defaultValue: () => ({ place: null, untimed: (wait) => wait })
})

/** Stops a delivery's time-out clock for a wait, and has `watch` start it again with what was left; several waits at once stop it once. */
export const untimed = (
  delivery: Delivery,
  watch: (delivery: Delivery, millis: number) => void
): Attempt["untimed"] => {
  let waits = 0
  let leftMillis = 0
  return (wait) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        if (waits++ > 0) return
        leftMillis = delivery.stopClock()
      }),
      () => wait,
      () =>
        Effect.sync(() => {
          if (--waits === 0) watch(delivery, leftMillis)
        })
    )
}
