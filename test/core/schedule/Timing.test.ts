/** Which moments a schedule's slots are: the same in every process, time zones and daylight saving included. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { Timing } from "@eco2/core"

const timing = (made: Result.Result<Timing.Timing, Timing.TimingInvalid>) => Result.getOrThrow(made)
const at = (iso: string) => Date.parse(iso)
const iso = (millis: number) => new Date(millis).toISOString()

describe("an interval", () => {
  it("an interval's slots are its multiples since 1970, whenever a process starts counting", () => {
    const every = timing(Timing.every("5 minutes"))
    expect(every.text).toBe("every 5m")
    expect(iso(every.latest(at("2026-05-01T10:04:59.999Z")))).toBe("2026-05-01T10:00:00.000Z")
    expect(iso(every.latest(at("2026-05-01T10:05:00Z")))).toBe("2026-05-01T10:05:00.000Z")
    expect(iso(every.next(at("2026-05-01T10:05:00Z")))).toBe("2026-05-01T10:10:00.000Z")
  })
  it("an interval is a duration of at least a second", () => {
    for (const wrong of ["999 millis", "0 seconds", "infinity", "sometimes"] as const)
      expect(Timing.every(wrong as "0 seconds")).toMatchObject({ failure: { _tag: "TimingInvalid" } })
    expect(timing(Timing.every("1 second")).text).toBe("every 1s")
  })
})

describe("a cron expression", () => {
  it("a cron expression is read in its time zone", () => {
    const seoul = timing(Timing.cron(" 0  9 * * 1-5 ", "Asia/Seoul"))
    expect(seoul.text).toBe("cron 0 9 * * 1-5 Asia/Seoul")
    expect(iso(seoul.next(at("2026-05-01T00:00:00Z")))).toBe("2026-05-04T00:00:00.000Z")
    expect(iso(seoul.latest(at("2026-05-01T00:00:00Z")))).toBe("2026-05-01T00:00:00.000Z")
    expect(iso(timing(Timing.cron("0 9 * * *")).next(at("2026-05-01T00:00:00Z")))).toBe("2026-05-01T09:00:00.000Z")
  })
  it("a cron expression may have a field for seconds", () => {
    const tens = timing(Timing.cron("*/10 * * * * *"))
    expect(iso(tens.latest(at("2026-05-01T00:00:19.5Z")))).toBe("2026-05-01T00:00:10.000Z")
  })
  it("a daily cron expression has one slot a day when clocks change, seen from before and from after", () => {
    const daily = timing(Timing.cron("30 2 * * *", "Europe/Berlin"))
    const slots = (from: string, count: number) => {
      const found = [daily.next(at(from))]
      while (found.length < count) found.push(daily.next(found.at(-1)!))
      return found
    }
    // 02:30 is left out on 29 March, and comes twice on 25 October
    expect(slots("2026-03-27T12:00:00Z", 3).map(iso)).toEqual([
      "2026-03-28T01:30:00.000Z",
      "2026-03-29T01:30:00.000Z",
      "2026-03-30T00:30:00.000Z"
    ])
    expect(slots("2026-10-23T12:00:00Z", 3).map(iso)).toEqual([
      "2026-10-24T00:30:00.000Z",
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z"
    ])
    for (const day of ["2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"]) {
      const all = slots(iso(at(day) - 86_400_000), 4)
      for (let now = at(day); now < at(day) + 86_400_000; now += 600_000) {
        expect(iso(daily.latest(now))).toBe(iso(Math.max(...all.filter((slot) => slot <= now))))
      }
    }
  })
  it("a cron expression that is none, has an unknown time zone or never comes is refused with the reason", () => {
    for (const [expression, zone, reason] of [
      ["* * *", "UTC", "is not a cron expression"],
      ["61 * * * *", "UTC", "is not a cron expression"],
      ["0 0 * * *", "Mars/Olympus", `"Mars/Olympus" is not a time zone`],
      ["0 0 30 2 *", "UTC", "names no moment that ever comes"]
    ] as const) {
      const made = Timing.cron(expression, zone)
      expect(Result.isFailure(made) ? made.failure.message : "taken").toContain(reason)
    }
  })
})
