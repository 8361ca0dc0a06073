/**
 * DueTimer: one timer for many due times. It is set to the earliest; when it goes off, all that are due are served, and it is
 * set to the next. What ends in time costs nothing. Times are performance.now()'s milliseconds.
 * Under it: CommandDeadline, Alarm (sleepers of a limit), Timeouts (attempts), Replies (asks).
 */

export interface DueTimer {
  /** Something is due then. */
  readonly at: (due: number) => void
  /** Nothing is due any more. */
  readonly stop: () => void
}

/** `serve` is told the time, serves what is due by then, and answers when the next is; Infinity: nothing is. */
export const make = (serve: (now: number) => number): DueTimer => {
  let timer: NodeJS.Timeout | undefined
  let standsAt = Infinity
  const ring = () => {
    // what is served may set the timer anew: it must not be taken for the one that has just gone off
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
