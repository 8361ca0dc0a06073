/**
 * SlotOracle: the slots of a cron expression around the changes of a zone's clocks, found by reading the zone's wall clock at
 * every minute. Slow and plain, and independent of Timing, which it is the measure of: neither Effect's Cron nor its DateTime.
 */
const minute = 60_000
const day = 1_440 * minute

/** Three days around each change of 2026. */
const changes: { readonly [zone: string]: ReadonlyArray<string> } = {
  "Europe/Berlin": ["2026-03-29", "2026-10-25"],
  "America/New_York": ["2026-03-08", "2026-11-01"],
  "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"]
}

/** A repeatable sequence of numbers below 1. */
const random = (seed: number) => () => {
  seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296
  return seed / 4_294_967_296
}

/** Minute and hour of all kinds: `*`, steps, lists, ranges; most hours near the changes. */
export const expressions = (count: number): ReadonlyArray<string> => {
  const next = random(7)
  const below = (most: number) => Math.floor(next() * most)
  const field = (most: number, near: number): string => {
    const first = below(near)
    return [
      () => "*",
      () => `*/${1 + below(Math.min(30, most - 1))}`,
      () => `${first}`,
      () => `${first},${first + below(most - first)}`,
      () => `${first}-${first + below(most - first)}`
    ][below(5)]!()
  }
  return ["* * * * *", ...Array.from({ length: count - 1 }, () => `${field(60, 60)} ${field(24, 4)} * * *`)]
}

const matcher = (field: string, most: number): ((value: number) => boolean) => {
  const values = new Set<number>()
  for (const part of field.split(",")) {
    const [range = "", step = "1"] = part.split("/")
    const [low, high = low] = range === "*" ? [0, most - 1] : range.split("-").map(Number)
    for (let value = low!; value <= high!; value += Number(step)) values.add(value)
  }
  return (value) => values.has(value)
}

interface Minute {
  readonly instant: number
  /** The wall clock then, as if it were UTC. */
  readonly wall: number
}
const read = new Map<string, ReadonlyArray<ReadonlyArray<Minute>>>()
const minutesAround = (zone: string) => {
  const known = read.get(zone)
  if (known !== undefined) return known
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "short", timeStyle: "medium" })
  const all = changes[zone]!.map((date) => {
    const from = Date.parse(`${date}T00:00:00Z`) - day
    return Array.from({ length: (3 * day) / minute }, (_, n) => {
      const instant = from + n * minute
      const [, dd, mm, yyyy, time] = /^(..)\/(..)\/(....), (.+)$/.exec(clock.format(instant))!
      return { instant, wall: Date.parse(`${yyyy}-${mm}-${dd}T${time}Z`) }
    })
  })
  read.set(zone, all)
  return all
}

/** For each change: the slots within `from` and `to`, in order. */
export const around = (zone: string, expression: string) => {
  const [minutes = "", hours = ""] = expression.split(" ")
  const runsThrough = minutes.startsWith("*") || hours.startsWith("*")
  const isMinute = matcher(minutes, 60)
  const isHour = matcher(hours, 24)
  const matches = (wall: number) => isMinute(new Date(wall).getUTCMinutes()) && isHour(new Date(wall).getUTCHours())
  return minutesAround(zone).map((times) => {
    const slots = new Set<number>()
    const seen = new Set<number>()
    for (const [n, { instant, wall }] of times.entries()) {
      if (matches(wall) && (runsThrough || !seen.has(wall))) slots.add(instant)
      seen.add(wall)
      const before = times[n - 1]
      if (before === undefined) continue
      for (let left = before.wall + minute; left < wall; left += minute) {
        if (matches(left)) slots.add(runsThrough ? before.instant + (left - before.wall) : instant)
      }
    }
    return { from: times[0]!.instant, to: times.at(-1)!.instant, slots: [...slots].toSorted((a, b) => a - b) }
  })
}
