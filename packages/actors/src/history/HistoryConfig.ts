/** HistoryConfig: how long done scans, and what users say of them, are kept in Postgres. */
import { Setting } from "@eco2/core/client"
import { Duration, Option } from "effect"

/**
 * SCAN_RETENTION: how long a done scan is kept in Postgres after its submit (what, when, answer, character; no photo, no
 * question); `off`: not at all. Read by scan-worker, which sends them, and character-worker, which keeps and removes them.
 * Default 90 days.
 */
export const retention = Setting.parsed<Duration.Duration | null>("SCAN_RETENTION", {
  default: Duration.days(90),
  allowed: 'off, or a duration of at least an hour and at most 3650 days, such as "90 days"',
  parse: (text) => {
    if (text === "off") return null
    const value = Option.getOrUndefined(Duration.fromInput(text as Duration.Input))
    const millis = value === undefined ? Number.NaN : Duration.toMillis(value)
    return millis >= 3_600_000 && millis <= 3_650 * 86_400_000 ? value : undefined
  }
})

/** FEEDBACK_RETENTION: how long what users called wrong is kept for the owner of the service. Default 365 days. */
export const feedbackRetention = Setting.duration("FEEDBACK_RETENTION", {
  default: "365 days",
  min: "1 hour",
  max: "3650 days"
})
