/** Which moments a schedule's slots are: the same in every process, time zones and daylight saving included. */
import { describe, expect, it } from "@effect/vitest"
import { Timing } from "@eco2/core"
import { size } from "../../harness/Long.ts"
import * as SlotOracle from "./SlotOracle.ts"

const at = (iso: string) => Date.parse(iso)
const iso = (millis: number) => new Date(millis).toISOString()
/** The next slots after `from`. */
const slots = (timing: Timing.Timing, from: string, count: number) => {
  const found = [timing.next(at(from))]
  while (found.length < count) found.push(timing.next(found.at(-1)!))
  return found.map(iso)
}

describe("an interval", () => {
  it("an interval's slots are its multiples since 1970, whenever a process starts counting", () => {
    const every = Timing.every("5 minutes")
    expect(every.text).toBe("every 5m")
    expect(iso(every.latest(at("2026-05-01T10:04:59.999Z")))).toBe("2026-05-01T10:00:00.000Z")
    expect(iso(every.latest(at("2026-05-01T10:05:00Z")))).toBe("2026-05-01T10:05:00.000Z")
    expect(iso(every.next(at("2026-05-01T10:05:00Z")))).toBe("2026-05-01T10:10:00.000Z")
  })
  it("an interval is a duration from a second to 100,000 days; any other throws InvalidDefinition", () => {
    for (const wrong of ["999 millis", "0 seconds", "infinity", "sometimes", "100001 days"] as const) {
      expect(() => Timing.every(wrong as "0 seconds")).toThrow(
        `interval timing: interval is "${wrong}"; allowed is a duration of at least 1 second and at most 100000 days`
      )
    }
    expect(Timing.every("1 second").text).toBe("every 1s")
  })
})

describe("a cron expression", () => {
  it("a cron expression is read in its time zone", () => {
    const seoul = Timing.cron(" 0  9 * * 1-5 ", "Asia/Seoul")
    expect(seoul.text).toBe("cron 0 9 * * 1-5 Asia/Seoul")
    expect(iso(seoul.next(at("2026-05-01T00:00:00Z")))).toBe("2026-05-04T00:00:00.000Z")
    expect(iso(seoul.latest(at("2026-05-01T00:00:00Z")))).toBe("2026-05-01T00:00:00.000Z")
    expect(iso(Timing.cron("0 9 * * *").next(at("2026-05-01T00:00:00Z")))).toBe("2026-05-01T09:00:00.000Z")
  })
  it("a cron expression may have a field for seconds", () => {
    const tens = Timing.cron("*/10 * * * * *")
    expect(iso(tens.latest(at("2026-05-01T00:00:19.5Z")))).toBe("2026-05-01T00:00:10.000Z")
  })
  it("a fixed time has one slot a day when clocks change: the first of two, and a left-out one at the change", () => {
    const daily = Timing.cron("30 2 * * *", "Europe/Berlin")
    // 02:30 is left out on 29 March, when 02:00 becomes 03:00, and comes twice on 25 October
    expect(slots(daily, "2026-03-27T12:00:00Z", 3)).toEqual([
      "2026-03-28T01:30:00.000Z",
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z"
    ])
    expect(slots(daily, "2026-10-23T12:00:00Z", 3)).toEqual([
      "2026-10-24T00:30:00.000Z",
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z"
    ])
  })
  it("a wildcard expression is never silent for longer than its period when clocks change", () => {
    for (const [expression, minutes] of [
      ["*/15 * * * *", 15],
      ["0 * * * *", 60],
      ["30 * * * *", 60]
    ] as const) {
      for (const day of ["2026-03-29", "2026-10-25"]) {
        const from = at(`${day}T00:00:00Z`) - 1
        const expected = Array.from({ length: 8 }, (_, n) => {
          const first = expression.startsWith("30") ? 30 : 0
          return iso(from + 1 + (first + n * minutes) * 60_000)
        })
        expect(slots(Timing.cron(expression, "Europe/Berlin"), iso(from), 8)).toEqual(expected)
      }
    }
  })
  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
    it(`${zone}, around each change of clocks of 2026: expressions made at random have the slots that a search minute by minute finds`, () => {
      const wrong: Array<string> = []
      for (const expression of SlotOracle.expressions(size("CRON_EXPRESSIONS", { short: 4, long: 24 }))) {
        const timing = Timing.cron(expression, zone)
        for (const { from, slots, to } of SlotOracle.around(zone, expression)) {
          for (let now = from; now < to; now += 2_220_000) {
            for (const time of [now, now + 29_999, now - 1]) {
              const next = slots.find((slot) => slot > time)
              const latest = slots.findLast((slot) => slot <= time)
              const isRight =
                (next === undefined || timing.next(time) === next) &&
                (latest === undefined || timing.latest(time) === latest)
              if (!isRight) wrong.push(`${expression} at ${iso(time)}`)
            }
          }
        }
      }
      expect(wrong).toEqual([])
    })
  }
  it("an expression of rare days is found across changes of clocks and years", () => {
    const leap = Timing.cron("0 12 29 2 *", "America/New_York")
    expect(slots(leap, "2026-05-01T00:00:00Z", 2)).toEqual(["2028-02-29T17:00:00.000Z", "2032-02-29T17:00:00.000Z"])
    expect(iso(leap.latest(at("2026-05-01T00:00:00Z")))).toBe("2024-02-29T17:00:00.000Z")
  })
  it("a cron expression that is none, has an unknown time zone or never comes throws InvalidDefinition", () => {
    for (const [expression, zone, reason] of [
      ["* * *", "UTC", `cron timing: expression is "* * *"; allowed is a cron expression`],
      ["61 * * * *", "UTC", `cron timing: expression is "61 * * * *"; allowed is a cron expression`],
      ["0 0 * * *", "Mars/Olympus", `cron timing: timeZone is "Mars/Olympus"; allowed is an IANA time zone`],
      ["0 0 30 2 *", "UTC", `cron timing: expression is "0 0 30 2 *"; allowed is an expression of moments that come`],
      ["0 0 31 4,6 *", "Asia/Seoul", "an expression of moments that come"]
    ] as const) {
      expect(() => Timing.cron(expression, zone)).toThrow(reason)
    }
  })
})
