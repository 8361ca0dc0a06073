/** StoreClock: a step of Redis's clock is told from slow answers and from drift. */
import { describe, expect, it } from "@effect/vitest"
import * as StoreClock from "../../../packages/core/src/clock/StoreClock.ts"

const minutes = 60_000

describe("StoreClock", () => {
  /** Readings at second 0, 1, 2, …: Redis's clock less the steady one, and how long each answer took. */
  const steps = (readings: ReadonlyArray<readonly [ahead: number, tookMillis: number]>) => {
    const clock = StoreClock.make(1_000)
    return readings.map(([ahead, took], i) => {
      const sentAt = i * 1_000
      // Redis read its clock at some moment on the way
      return clock.hear({ now: 1_700_000_000_000 + sentAt + took / 2 + ahead, sentAt, answeredAt: sentAt + took })
    })
  }

  it("a clock that was set is told from one that was not, in both directions, once for each step", () => {
    const found = steps([
      [0, 10],
      [0, 10],
      [10 * minutes, 10],
      [10 * minutes, 10],
      [-minutes, 10],
      [-minutes, 10]
    ])
    expect(found.map((step) => Math.round(step / minutes))).toEqual([0, 0, 10, 0, -11, 0])
  })

  it("an answer that came late, or was handled late, is no step", () => {
    expect(
      steps([
        [0, 10],
        [0, 30_000],
        [0, 10],
        [0, 30_000],
        [0, 0]
      ])
    ).toEqual([0, 0, 0, 0, 0])
  })

  it("a drift below the tolerance is no step", () => {
    expect(
      steps([
        [0, 0],
        [900, 0],
        [100, 0],
        [1_000, 0]
      ])
    ).toEqual([0, 0, 0, 0])
  })
})
