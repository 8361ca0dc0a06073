/**
 * DueTimer: one timer for many due times. It stands at the earliest known; when it goes off, whoever is over time is served,
 * and it stands at the next. What was done in time costs nothing. Times are performance.now()'s milliseconds.
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
  const stand = (due: number) => {
    clearTimeout(timer)
    standsAt = due
    if (due === Infinity) return
    timer = setTimeout(() => stand(serve(performance.now())), Math.max(1, due - performance.now()))
  }
  return {
    at: (due) => {
      if (due < standsAt) stand(due)
    },
    stop: () => stand(Infinity)
  }
}
