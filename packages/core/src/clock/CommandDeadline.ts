/**
 * CommandDeadline: a deadline for commands that wait for an answer. All commands have the same timeout, so they expire in the
 * order in which they were sent, and one timer, set to the first, serves all. A command answered in time costs two set
 * operations. Used by RedisClient.
 */
import * as DueTimer from "./DueTimer.ts"

export interface CommandDeadline {
  /** Calls `onLate` once, `millis` from now, unless the returned function is called before. */
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
        // an idle process keeps no timer: a timer would keep the process from ending
        if (waiting.delete(one) && waiting.size === 0) timer.stop()
      }
    }
  }
}
