/** OutageLog: logs an outage once when it begins and once when it is over, however many rounds of a loop fail in between. */
import { Effect } from "effect"

export interface OutageLog {
  readonly failed: (error: { readonly message: string }) => Effect.Effect<void>
  readonly over: Effect.Effect<void>
}

/** `begins`, `ends`: the texts of the two log lines. */
export const make = (begins: string, ends: string): OutageLog => {
  let open = false
  return {
    failed: (error) =>
      Effect.suspend(() => {
        if (open) return Effect.void
        open = true
        return Effect.logWarning(begins).pipe(Effect.annotateLogs({ error: error.message }))
      }),
    over: Effect.suspend(() => {
      if (!open) return Effect.void
      open = false
      return Effect.logInfo(ends)
    })
  }
}
