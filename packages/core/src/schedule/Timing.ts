/**
 * Timing: computes the slots of a schedule from a cron expression in a time zone, or from a fixed interval. Pure: the caller
 * passes the time (by Redis's clock, T1). A slot is a time in epoch milliseconds, the same in every process.
 * Effect's Cron handles expressions, calendar days and daylight saving.
 */
import { Cron, DateTime, Duration, Result, Schema } from "effect"

/** The expression, the time zone or the interval is invalid. Nothing is scheduled. */
export class TimingInvalid extends Schema.TaggedError<TimingInvalid>()("TimingInvalid", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

export interface Timing {
  /** The text that is shown and compared: `cron 0 9 * * 1-5 Asia/Seoul`, `every 5m`. */
  readonly text: string
  /** The last slot at or before `now`. */
  readonly latest: (now: number) => number
  /** The first slot after `now`. */
  readonly next: (now: number) => number
}

const leastMillis = 1_000
const invalid = (reason: string) => Result.fail(new TimingInvalid({ reason }))

/**
 * Five fields (minute hour day month weekday) or six (seconds first). `timeZone`: an IANA name, by default UTC. When clocks go
 * back, the first of two equal hours counts; a time that is skipped when clocks go forward moves to the next valid time.
 */
export const cron = (expression: string, timeZone = "UTC"): Result.Result<Timing, TimingInvalid> => {
  if (DateTime.zoneMakeNamed(timeZone)._tag === "None") return invalid(`"${timeZone}" is not a time zone`)
  const words = expression.trim().split(/\s+/).join(" ")
  const parsed = Cron.parse(words, timeZone)
  if (Result.isFailure(parsed)) return invalid(`"${expression}" is not a cron expression: ${parsed.failure.message}`)
  const timing: Timing = {
    text: `cron ${words} ${timeZone}`,
    // `prev` is strictly before its argument: one millisecond later includes `now`
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

/** At least a second; slots are its multiples since 1970-01-01 UTC, so that every process has the same slots. */
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
