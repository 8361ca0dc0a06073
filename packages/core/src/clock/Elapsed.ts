/**
 * Elapsed: milliseconds that only ever go forward, for how long ago something was and how long to wait. The wall clock is set:
 * by the first synchronisation, by an operator, by a machine that was restored; an interval measured by it may then be an hour
 * short, or negative. What time it is, is Redis's to say.
 */
import { Clock, Effect } from "effect"

/** From no particular moment: only differences mean anything, and only within this process. */
export const clock: Effect.Effect<() => number> = Effect.map(
  Clock.Clock,
  (running) => () => Number(running.monotonicTimeNanosUnsafe()) / 1_000_000
)
