/**
 * Elapsed: a monotonic clock in milliseconds, for ages and waits. The wall clock jumps (time synchronisation, an operator, a
 * restored machine), so an interval measured with it may be an hour short, or negative. The time of day comes from Redis.
 */
import { Clock, Effect } from "effect"

/** Counts from an arbitrary moment: only differences have a meaning, and only within this process. */
export const clock: Effect.Effect<() => number> = Effect.map(
  Clock.Clock,
  (running) => () => Number(running.monotonicTimeNanosUnsafe()) / 1_000_000
)
