/**
 * OutageLog: logs an outage once when it begins and once when it is over, however many rounds of a loop fail in between.
 * An error that another part of the process has logged already, as RedisHealth does for all that Redis refuses, is not logged
 * again by every loop that it stops: the loop's own line is then at level debug.
 */
import { Effect } from "effect"

export interface OutageLog {
  readonly failed: (error: { readonly message: string }) => Effect.Effect<void>
  readonly over: Effect.Effect<void>
}

const known = new WeakSet<object>()

/** The outage that this error belongs to has been logged, and its end will be. */
export const alreadyLogged = (error: object): void => void known.add(error)

/** `begins`, `ends`: the texts of the two log lines. */
export const make = (begins: string, ends: string): OutageLog => {
  let open = false
  return {
    failed: (error) =>
      Effect.suspend(() => {
        if (open) return Effect.void
        const facts = Effect.annotateLogs({ error: error.message })
        if (known.has(error)) return Effect.logDebug(begins).pipe(facts)
        open = true
        return Effect.logWarning(begins).pipe(facts)
      }),
    over: Effect.suspend(() => {
      if (!open) return Effect.void
      open = false
      return Effect.logInfo(ends)
    })
  }
}
