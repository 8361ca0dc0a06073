/**
 * CommandDeadline: a deadline for commands that wait for an answer. All have the same time, so they are late in the order in
 * which they were sent, and one timer stands at the first of them. A command answered in time costs two steps of a set.
 * Used by RedisClient.
 */
import * as DueTimer from "./DueTimer.ts"

export interface CommandDeadline {
  /** `onLate` is called once, `millis` from now, unless the function answered is called before. */
  readonly begin: (onLate: () => void) => () => void
}

export const make = (millis: number): CommandDeadline => {
  const waiting = new Set<{ readonly at: number; readonly onLate: () => void }>()
  const timer = DueTimer.make((now) => {
    for (const one of waiting) {
      if (one.at > now) return one.at
      waiting.delete(one)
      one.onLate()
    }
    return Infinity
  })
  return {
    begin: (onLate) => {
      const one = { at: performance.now() + millis, onLate }
      waiting.add(one)
      timer.at(one.at)
      return () => {
        // an idle process keeps no timer: it could not end for it
        if (waiting.delete(one) && waiting.size === 0) timer.stop()
      }
    }
  }
}
