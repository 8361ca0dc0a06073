/**
 * Timing: when a schedule's slots are: a cron expression in a time zone, or a fixed interval. Pure: which moment it is, is
 * the caller's to say (by Redis's clock, T1). A slot is a moment in epoch milliseconds, the same in every process.
 * Expressions, days and daylight saving are Effect's Cron.
 */
import { Cron, DateTime, Duration, Result, Schema } from "effect"

/** No timing: the expression, the time zone or the interval is not one. Nothing is scheduled. */
export class TimingInvalid extends Schema.TaggedError<TimingInvalid>()("TimingInvalid", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

export interface Timing {
  /** As it is shown and compared: `cron 0 9 * * 1-5 Asia/Seoul`, `every 5m`. */
  readonly text: string
  /** The last slot at or before `now`. */
  readonly latest: (now: number) => number
  /** The first slot after `now`. */
  readonly next: (now: number) => number
}

const leastMillis = 1_000
const invalid = (reason: string) => Result.fail(new TimingInvalid({ reason }))

/**
 * Five fields (minute hour day month weekday) or six (seconds first). `timeZone`: an IANA name, by default UTC. Of an hour
 * that comes twice when clocks go back the first counts; a time that is left out when they go forward is moved on.
 */
export const cron = (expression: string, timeZone = "UTC"): Result.Result<Timing, TimingInvalid> => {
  if (DateTime.zoneMakeNamed(timeZone)._tag === "None") return invalid(`"${timeZone}" is not a time zone`)
  const words = expression.trim().split(/\s+/).join(" ")
  const parsed = Cron.parse(words, timeZone)
  if (Result.isFailure(parsed)) return invalid(`"${expression}" is not a cron expression: ${parsed.failure.message}`)
  const timing: Timing = {
    text: `cron ${words} ${timeZone}`,
    // strictly before a millisecond later
    latest: (now) => Cron.prev(parsed.success, new Date(now + 1)).getTime(),
    next: (now) => Cron.next(parsed.success, new Date(now)).getTime()
  }
  try {
    timing.latest(timing.next(0))
  } catch {
    return invalid(`"${expression}" names no moment that ever comes`)
  }
  return Result.succeed(timing)
}

/** At least a second; slots are its multiples since 1970-01-01 UTC, so that every process means the same ones. */
export const every = (interval: Duration.Input): Result.Result<Timing, TimingInvalid> => {
  const duration = Duration.fromInput(interval)
  const millis = duration._tag === "Some" ? Math.round(Duration.toMillis(duration.value)) : NaN
  if (!Number.isFinite(millis) || millis < leastMillis)
    return invalid(`"${String(interval)}" is not an interval of at least a second`)
  const latest = (now: number) => Math.floor(now / millis) * millis
  return Result.succeed({
    text: `every ${Duration.format(Duration.millis(millis))}`,
    latest,
    next: (now) => latest(now) + millis
  })
}
