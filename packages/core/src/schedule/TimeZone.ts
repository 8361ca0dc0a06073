/**
 * TimeZone: when the clocks of a time zone change. The offsets come from Effect's DateTime, which asks the runtime's time zone
 * data; the changes are found by comparing offsets, and kept by year, so that a look costs no search. Used by Timing.
 */
import { DateTime } from "effect"

/** The time between two changes. Times are epoch milliseconds, offsets milliseconds to add to UTC. */
export interface Span {
  /** -Infinity: no change within ten years before. */
  readonly start: number
  /** The next change; Infinity: none within ten years. */
  readonly end: number
  readonly offset: number
  /** The offset before `start`; the same as `offset` when there is no change. */
  readonly before: number
}

export interface Spans {
  readonly at: (time: number) => Span
}

/** Changes nearer to each other than this are not told apart; no zone has such today. */
const stepMillis = 4 * 86_400_000
const horizonYears = 10

/** By the zone's name: schedules of one zone share a search. Bounded by the zones that the code names. */
const known = new Map<string, Spans>()

/** The spans of a named zone. */
export const spans = (zone: DateTime.TimeZone.Named): Spans => {
  const found = known.get(zone.id) ?? search(zone)
  known.set(zone.id, found)
  return found
}

const search = (zone: DateTime.TimeZone.Named): Spans => {
  const years = new Map<number, ReadonlyArray<number>>()
  const offsetAt = (time: number) => DateTime.zonedOffset(DateTime.makeZonedUnsafe(time, { timeZone: zone }))
  /** The first millisecond with the offset of `after`; the offset at `before` is another. */
  const changeBetween = (before: number, after: number): number => {
    const offset = offsetAt(after)
    let [low, high] = [before, after]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offsetAt(middle) === offset) high = middle
      else low = middle
    }
    return high
  }
  const changesIn = (year: number): ReadonlyArray<number> => {
    const found = years.get(year)
    if (found !== undefined) return found
    const changes: Array<number> = []
    const end = Date.UTC(year + 1, 0)
    for (let at = Date.UTC(year, 0); at < end; at += stepMillis) {
      const to = Math.min(at + stepMillis, end)
      if (offsetAt(at) !== offsetAt(to)) changes.push(changeBetween(at, to))
    }
    years.set(year, changes)
    return changes
  }

  let last: Span | undefined
  return {
    at: (time) => {
      if (last !== undefined && time >= last.start && time < last.end) return last
      const year = new Date(time).getUTCFullYear()
      let [start, end] = [-Infinity, Infinity]
      for (let n = 0; n <= horizonYears && end === Infinity; n++) {
        end = changesIn(year + n).find((change) => change > time) ?? Infinity
      }
      for (let n = 0; n <= horizonYears && start === -Infinity; n++) {
        start = changesIn(year - n).findLast((change) => change <= time) ?? -Infinity
      }
      const offset = offsetAt(time)
      last = { start, end, offset, before: start === -Infinity ? offset : offsetAt(start - 1) }
      return last
    }
  }
}
