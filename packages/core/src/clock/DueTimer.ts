/**
 * DueTimer: one timer for many due times. It is set to the earliest; when it fires, everything due is served, and it is set to
 * the next. Work that ends before its time costs nothing. Times are milliseconds of performance.now().
 * Used by CommandDeadline, Alarm (sleepers of a limit), Timeouts (attempts), Replies (asks), BlockingReader (silence).
 */

export interface DueTimer {
  /** Adds a due time. */
  readonly at: (due: number) => void
  /** Clears the timer: nothing is due any more. */
  readonly stop: () => void
}

/** `serve` receives the time, serves what is due by then, and returns the next due time; Infinity: none. */
export const make = (serve: (now: number) => number): DueTimer => {
  let timer: NodeJS.Timeout | undefined
  let standsAt = Infinity
  const ring = () => {
    // `serve` may set the timer again; that timer must not be confused with the one that has just fired
    standsAt = Infinity
    const next = serve(performance.now())
    if (next < standsAt) stand(next)
  }
  const stand = (due: number) => {
    clearTimeout(timer)
    standsAt = due
    if (due === Infinity) return
    timer = setTimeout(ring, Math.max(1, Math.ceil(due - performance.now())))
  }
  return {
    at: (due) => {
      if (due < standsAt) stand(due)
    },
    stop: () => stand(Infinity)
  }
}
