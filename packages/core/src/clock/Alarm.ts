/**
 * Alarm: wakes fibers that sleep in queues ("lines"), with one timer for all. The first of a line can be woken early, because
 * what another fiber gave back may be free for it at once.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as DueTimer from "./DueTimer.ts"

interface Sleeper {
  readonly line: string
  /** Place in the line; the smallest is first. */
  readonly order: number
  readonly at: number
  readonly resume: () => void
}

export interface Alarm {
  readonly sleep: (line: string, order: number, millis: number) => Effect.Effect<void>
  /** Wakes the first sleeper of this line. */
  readonly wakeFirst: (line: string) => void
}

export const make = Effect.gen(function* (): Effect.fn.Return<Alarm, never, Scope.Scope> {
  const sleepers = new Set<Sleeper>()
  const timer = DueTimer.make((now) => {
    let next = Infinity
    for (const sleeper of sleepers) {
      if (sleeper.at <= now) sleeper.resume()
      else next = Math.min(next, sleeper.at)
    }
    return next
  })
  yield* Effect.addFinalizer(() => Effect.sync(timer.stop))

  return {
    sleep: (line, order, millis) =>
      Effect.callback<void>((resume) => {
        const sleeper: Sleeper = {
          line,
          order,
          at: performance.now() + millis,
          resume: () => {
            sleepers.delete(sleeper)
            resume(Effect.void)
          }
        }
        sleepers.add(sleeper)
        timer.at(sleeper.at)
        return Effect.sync(() => void sleepers.delete(sleeper))
      }),
    wakeFirst: (line) => {
      let first: Sleeper | undefined
      for (const sleeper of sleepers) {
        if (sleeper.line === line && (first === undefined || sleeper.order < first.order)) first = sleeper
      }
      first?.resume()
    }
  }
})
