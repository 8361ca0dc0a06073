/**
 * Attempt: the attempt that code runs in, available at any depth without passing it on: the name of its place in a limit's
 * line, and a way to wait that does not count against the stage's time-out.
 * Provided by StageRun; outside a stage it has no name, and `untimed` changes nothing.
 */
import { Context, Effect } from "effect"
import type { Delivery } from "./Delivery.ts"

export interface Attempt {
  /** The same for every attempt of a job at one stage; null outside a stage. */
  readonly place: string | null
  /** Time spent in `wait` does not count against the stage's time-out. `wait` must end by itself. */
  readonly untimed: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const Attempt: Context.Reference<Attempt> = Context.Reference<Attempt>("@eco2/core/mailbox/Attempt", {
  defaultValue: () => ({ place: null, untimed: (wait) => wait })
})

/** Stops a delivery's time-out clock during a wait; `watch` restarts it with the time left. Concurrent waits stop it once. */
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
