/**
 * AwayGate: keeps readers from waiting for a store that does not answer: after a failure it is passed by for a second, then
 * one of them tries whether it is back.
 */
import { Effect } from "effect"

/** The store was passed by, or did not answer. */
export interface AwayGate {
  /** Null where the store is passed by, or turns out to be away. */
  readonly pass: <A, E>(work: Effect.Effect<A, E>, isAway: (error: E) => boolean) => Effect.Effect<A | null, E>
}

const pauseMillis = 1_000

export const make = (now: () => number = () => performance.now()): AwayGate => {
  let closedUntil = 0
  let closed = false
  return {
    pass: (work, isAway) =>
      Effect.suspend(() => {
        if (closed) {
          if (now() < closedUntil) return Effect.succeed(null)
          // this one tries; the others go on passing by
          closedUntil = now() + pauseMillis
        }
        return work.pipe(
          Effect.tap(() => {
            closed = false
            return Effect.void
          }),
          Effect.catchIf(isAway, () => {
            closed = true
            closedUntil = now() + pauseMillis
            return Effect.succeed(null)
          })
        )
      })
  }
}
