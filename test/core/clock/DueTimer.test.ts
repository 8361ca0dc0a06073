/** One timer for many due times, set to the earliest. */
import { afterEach, beforeEach, describe, expect, it, vi } from "@effect/vitest"
import * as DueTimer from "../../../packages/core/src/clock/DueTimer.ts"

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

describe("DueTimer", () => {
  it("a due time before the one the timer is set to is served first, and then the later one, by one timer", () => {
    const due = [500, 100, 300]
    const served: Array<number> = []
    const timer = DueTimer.make((now) => {
      for (const at of due.filter((one) => one <= now)) {
        served.push(at)
        due.splice(due.indexOf(at), 1)
      }
      return Math.min(Infinity, ...due)
    })
    const start = performance.now()
    due.forEach((at, i) => {
      due[i] = start + at
      timer.at(start + at)
    })
    expect(vi.getTimerCount()).toBe(1)
    for (const [millis, count] of [
      [99, 0],
      [2, 1],
      [198, 1],
      [2, 2],
      [198, 2],
      [2, 3]
    ] as const) {
      vi.advanceTimersByTime(millis)
      expect(served.length, `after ${performance.now() - start} ms`).toBe(count)
    }
    expect(vi.getTimerCount()).toBe(0)
  })
})
