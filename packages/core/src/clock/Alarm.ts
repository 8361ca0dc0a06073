/**
 * Alarm: one timer for all that wait for a limit in this process. It stands at the earliest time known. Whoever waits can be
 * woken early: something was given back here, and the first of a line may be served at once.
 */
import { Effect } from "effect"
import type { Scope } from "effect"

interface Sleeper {
  readonly line: string
  /** Who came first: smaller. */
  readonly order: number
  readonly at: number
  readonly resume: () => void
}

export interface Alarm {
  readonly sleep: (line: string, order: number, millis: number) => Effect.Effect<void>
  /** Wakes the first of those who sleep in this line. */
  readonly wakeFirst: (line: string) => void
}

export const make = Effect.gen(function* (): Effect.fn.Return<Alarm, never, Scope.Scope> {
  const sleepers = new Set<Sleeper>()
  let timer: NodeJS.Timeout | undefined
  let standsAt = Infinity

  const stand = (at: number) => {
    clearTimeout(timer)
    standsAt = at
    if (at < Infinity) timer = setTimeout(ring, Math.max(1, Math.ceil(at - performance.now())))
  }
  const ring = () => {
    const now = performance.now()
    let next = Infinity
    for (const sleeper of sleepers) {
      if (sleeper.at <= now) sleeper.resume()
      else next = Math.min(next, sleeper.at)
    }
    stand(next)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(timer)))

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
        if (sleeper.at < standsAt) stand(sleeper.at)
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
