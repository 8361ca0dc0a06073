/** SteppedClock: the machine's clock, which a test sets back; the monotonic clock continues. */
import { Clock, Effect } from "effect"

export const make = Effect.map(Clock.Clock, (real) => {
  let steppedMillis = 0
  const millis = () => real.currentTimeMillisUnsafe() + steppedMillis
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis)
  })
  return {
    /** Runs with this clock. */
    on: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Clock.Clock, clock),
    back: (by: number) => {
      steppedMillis -= by
    }
  }
})
