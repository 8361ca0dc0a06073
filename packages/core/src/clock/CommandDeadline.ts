/**
 * CommandDeadline: one timer for all commands that wait for an answer. They all have the same time, so they are late in the
 * order in which they were sent, and the timer stands at the first of them. A command answered in time costs two steps of
 * a set. Used by RedisClient.
 */

export interface CommandDeadline {
  /** `onLate` is called once, `millis` from now, unless the function answered is called before. */
  readonly begin: (onLate: () => void) => () => void
}

export const make = (millis: number): CommandDeadline => {
  const waiting = new Set<{ readonly at: number; readonly onLate: () => void }>()
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    timer = undefined
    const now = performance.now()
    for (const one of waiting) {
      if (one.at > now) {
        timer = setTimeout(look, one.at - now + 1)
        return
      }
      waiting.delete(one)
      one.onLate()
    }
  }
  return {
    begin: (onLate) => {
      const one = { at: performance.now() + millis, onLate }
      waiting.add(one)
      timer ??= setTimeout(look, millis)
      return () => {
        // an idle process keeps no timer: it could not end for it
        if (waiting.delete(one) && waiting.size === 0) {
          clearTimeout(timer)
          timer = undefined
        }
      }
    }
  }
}
