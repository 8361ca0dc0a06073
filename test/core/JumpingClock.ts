/**
 * JumpingClock: time that a test lets pass at once. Redis's clock, as a process's scripts see it, jumps along (`redisAhead`,
 * for CoreFixture's `clockOffset`). Between jumps time passes as it does, and waits by this clock are real ones: whoever shall
 * see the jump is told of it (`onForward`). So how busy the machine is decides nothing.
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
    /** This many milliseconds have passed. */
    forward: (by: number) => {
      ahead += by
      for (const listener of listeners) listener()
    },
    onForward: (listener: () => void) => void listeners.push(listener),
    /** How far it has jumped, milliseconds. */
    redisAhead: () => ahead
  }
})
