/** Complaint: a trouble of a loop, said once when it begins and once when it is over, however often the loop meets it. */
import { Effect } from "effect"

export interface Complaint {
  readonly failed: (error: { readonly message: string }) => Effect.Effect<void>
  readonly well: Effect.Effect<void>
}

export const make = (begins: string, ends: string): Complaint => {
  let open = false
  return {
    failed: (error) =>
      Effect.suspend(() => {
        if (open) return Effect.void
        open = true
        return Effect.logWarning(begins).pipe(Effect.annotateLogs({ error: error.message }))
      }),
    well: Effect.suspend(() => {
      if (!open) return Effect.void
      open = false
      return Effect.logInfo(ends)
    })
  }
}
