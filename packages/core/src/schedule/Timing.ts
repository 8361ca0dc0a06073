/**
 * Timing: computes the slots of a schedule from a cron expression in a time zone, or from a fixed interval. Pure: the caller
 * passes the time (by Redis's clock, T1). A slot is a time in epoch milliseconds, the same in every process.
 * Effect's Cron matches expressions with wall-clock times; TimeZone says when a zone's clocks change. How a change of clocks
 * affects slots is decided here, as cron(8) of Vixie and Debian does:
 *   - a *wildcard* expression (its second, minute or hour begins with `*`) runs through: a repeated hour has its slots twice,
 *     and a time that is left out comes when it would have come without the change
 *   - a *fixed* time fires once: at the first of two equal times, or, when it is left out, at the moment of the change
 */
import { Cron, DateTime, Duration, Result } from "effect"
import * as Definition from "../config/Definition.ts"
import * as TimeZone from "./TimeZone.ts"

export interface Timing {
  /** The text that is shown and compared: `cron 0 9 * * 1-5 Asia/Seoul`, `every 5m`. */
  readonly text: string
  /** The last slot at or before `now`. */
  readonly latest: (now: number) => number
  /** The first slot after `now`. */
  readonly next: (now: number) => number
}

/** The time between two changes of a zone's clocks: from `start` on, wall-clock time is UTC plus `offset`. */
type Span = TimeZone.Span
/** Wall-clock times, in milliseconds as if they were UTC. */
interface Wall {
  /** The first after this one, and the last before it. */
  readonly after: (wall: number) => number
  readonly before: (wall: number) => number
}

/** When `span` begins with a repetition, from when on fixed times count; else its start. */
const freshFrom = ({ before, offset, start }: Span) => start + Math.max(0, before - offset)

/** The slots of one span. Each function returns an infinity when the span has none. */
const slotsOf = (wall: Wall, runsThrough: boolean) => {
  /** Whether a time is left out at the span's start. */
  const leavesOut = ({ before, offset, start }: Span) =>
    offset > before && wall.after(start + before - 1) < start + offset
  return {
    after: (span: Span, now: number): number => {
      const { before, end, offset, start } = span
      const from = Math.max(now, (runsThrough ? start : freshFrom(span)) - 1)
      const own = wall.after(from + offset) - offset
      const first = own < end ? own : Infinity
      if (offset <= before || start === -Infinity) return first
      if (!runsThrough) return start > now && leavesOut(span) ? start : first
      const left = wall.after(Math.max(now, start - 1) + before)
      return left < start + offset ? Math.min(first, left - before) : first
    },
    upTo: (span: Span, now: number): number => {
      const { before, end, offset, start } = span
      const own = wall.before(Math.min(now, end - 1) + offset + 1) - offset
      const last = own >= (runsThrough ? start : freshFrom(span)) ? own : -Infinity
      if (offset <= before || start === -Infinity) return last
      if (!runsThrough) return last === -Infinity && leavesOut(span) ? start : last
      const left = wall.before(Math.min(now + before + 1, start + offset))
      return left >= start + before ? Math.max(last, left - before) : last
    }
  }
}

/**
 * Five fields (minute hour day month weekday) or six (seconds first). `timeZone`: an IANA name, by default UTC. `definition`:
 * whose timing it is, for InvalidDefinition, which is thrown for a wrong expression or zone, and when no slot ever comes.
 */
export const cron = (expression: string, timeZone = "UTC", definition = "cron timing"): Timing => {
  const zone = DateTime.zoneMakeNamed(timeZone)
  if (zone._tag === "None")
    return Definition.refuse(definition, "timeZone", timeZone, "an IANA time zone, such as Asia/Seoul")
  const fields = expression.trim().split(/\s+/)
  // read as UTC: the wall clock itself, which never changes
  const parsed = Cron.parse(fields.join(" "), "UTC")
  if (Result.isFailure(parsed)) {
    return Definition.refuse(definition, "expression", expression, `a cron expression (${parsed.failure.message})`)
  }
  const wall: Wall = {
    after: (time) => Cron.next(parsed.success, new Date(time)).getTime(),
    before: (time) => Cron.prev(parsed.success, new Date(time)).getTime()
  }
  try {
    wall.before(wall.after(0))
  } catch {
    return Definition.refuse(definition, "expression", expression, "an expression of moments that come")
  }
  const slots = slotsOf(
    wall,
    fields.slice(0, fields.length - 3).some((field) => field.startsWith("*"))
  )
  const spans = TimeZone.spans(zone.value)
  return {
    text: `cron ${fields.join(" ")} ${timeZone}`,
    latest: (now) => {
      for (let span = spans.at(now), until = now; ; span = spans.at(span.start - 1)) {
        const slot = slots.upTo(span, until)
        if (slot !== -Infinity || span.start === -Infinity) return slot
        until = span.start - 1
      }
    },
    next: (now) => {
      for (let span = spans.at(now); ; span = spans.at(span.end)) {
        const slot = slots.after(span, now)
        if (slot !== Infinity || span.end === Infinity) return slot
      }
    }
  }
}

/** 1 second to 100,000 days, or InvalidDefinition is thrown; slots are its multiples since 1970-01-01 UTC, so that every process has the same slots. */
export const every = (interval: Duration.Input, definition = "interval timing"): Timing => {
  const duration = Definition.duration(definition, "interval", interval, {
    min: "1 second",
    max: "100000 days"
  })
  const millis = Math.round(Duration.toMillis(duration))
  const latest = (now: number) => Math.floor(now / millis) * millis
  return {
    text: `every ${Duration.format(Duration.millis(millis))}`,
    latest,
    next: (now) => latest(now) + millis
  }
}
