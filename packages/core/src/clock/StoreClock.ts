/**
 * StoreClock: Redis's clock as this process knows it, and whether it stepped: leases, timers and limits are counted by it, and it
 * may be set by ten minutes, or be another one after a failover. A reading says that between two moments of this process's
 * monotonic clock Redis's clock stood at `now`; two readings that no steady clock can give show a step. Pure.
 */
export interface Reading {
  /** Redis's clock, epoch milliseconds. */
  readonly now: number
  /** By Elapsed: when the question was sent, and when its answer was handled. */
  readonly sentAt: number
  readonly answeredAt: number
}

export interface StoreClock {
  /** Returns the step since the last reading, milliseconds; 0: none. Negative: the clock was set back. */
  readonly hear: (reading: Reading) => number
  /** Redis's clock at this moment of Elapsed, epoch milliseconds. Its error is at most the time that the last answer took. */
  readonly at: (elapsed: number) => number
}

/** `toleranceMillis`: a smaller step is not told from drift. */
export const make = (toleranceMillis: number): StoreClock => {
  // Redis's clock less Elapsed lies between these two
  let least = -Infinity
  let most = Infinity
  return {
    hear: ({ answeredAt, now, sentAt }) => {
      const [before, until] = [least, most]
      least = now - answeredAt
      most = now - sentAt
      if (least > until + toleranceMillis) return least - until
      if (most < before - toleranceMillis) return most - before
      return 0
    },
    at: (elapsed) => elapsed + (Number.isFinite(least) ? least : 0)
  }
}
