/**
 * JumpingClock: a clock that a test moves forward at once. Redis's clock, as a process's scripts see it, jumps along
 * (`redisAhead`, for CoreFixture's `clockOffset`). Between jumps time passes normally, and waits by this clock are real; `onForward` informs
 * listeners of a jump. So the load of the machine decides nothing.
 */
import { Clock, Effect } from "effect"

export const make = Effect.map(Clock.Clock, (real) => {
  let ahead = 0
  const listeners: Array<() => void> = []
  const millis = () => real.currentTimeMillisUnsafe() + ahead
  const nanos = () => real.monotonicTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos)
  })
  return {
    clock,
    /** Moves the clock forward by this many milliseconds. */
    forward: (by: number) => {
      ahead += by
      for (const listener of listeners) listener()
    },
    onForward: (listener: () => void) => void listeners.push(listener),
    /** The sum of its jumps, milliseconds. */
    redisAhead: () => ahead
  }
})
