/**
 * OutageGate: skips a store that does not answer, so that readers do not wait for it: for a second after a failure, then one
 * reader probes whether it is back.
 */
import { Effect } from "effect"

/** Access to the store. */
export interface OutageGate {
  /** Null if the store is skipped, or does not answer. */
  readonly pass: <A, E>(work: Effect.Effect<A, E>, isAway: (error: E) => boolean) => Effect.Effect<A | null, E>
}

const pauseMillis = 1_000

export const make = (now: () => number = () => performance.now()): OutageGate => {
  let closedUntil = 0
  let closed = false
  return {
    pass: (work, isAway) =>
      Effect.suspend(() => {
        if (closed) {
          if (now() < closedUntil) return Effect.succeed(null)
          // this reader probes; the others continue to skip
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
