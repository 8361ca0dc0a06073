/**
 * Limit: what may be done at most, fleet-wide, and how one is told that it may not be done now. A declaration; RateLimiter
 * keeps it. Every process must declare a limit of one name alike: each is held to what it declares.
 */
import { Duration, Schema } from "effect"
import * as Keys from "../redis/Keys.ts"

export interface Limit {
  readonly name: string
  /** Requests in any window; null: any number. */
  readonly requests: number | null
  /** Units (tokens, bytes, won) in any window; null: any number. */
  readonly units: number | null
  /** Requests under way at once; null: any number. */
  readonly permits: number | null
  readonly window: Duration.Duration
  /** Requests granted at once before they are spaced evenly over the window; null: all of the window's. */
  readonly burst: number | null
}

const atLeast = (what: string, least: number, value: number | undefined): number | null => {
  if (value === undefined) return null
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`a limit's ${what} must be a whole number > 0`)
  return value
}

/** `name`: letters, digits and `. _ : / -`. `window` by default one minute. A limit of nothing can still be paused. */
export const make = (
  name: string,
  options: {
    readonly requests?: number
    readonly units?: number
    readonly permits?: number
    readonly window?: Duration.Input
    readonly burst?: number
  }
): Limit => ({
  name: Keys.title(name),
  requests: atLeast("requests", 1, options.requests),
  units: atLeast("units", 1, options.units),
  permits: atLeast("permits", 1, options.permits),
  burst: atLeast("burst", 1, options.burst),
  window: Duration.fromInputUnsafe(options.window ?? "1 minute")
})

/**
 * The limit has no room within the caller's patience. Nothing happened; worth another try after `retryAfter`. Where the
 * caller has a place (a stage's attempt has), it is kept for it. Retry.policy spends no attempt on it.
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  limit: Schema.String,
  retryAfter: Schema.Duration
}) {
  override get message() {
    return `limit ${this.limit} has no room; try again in ${Duration.format(this.retryAfter)}`
  }
}

/** Redis forgot this process's permit, and others have it by now: the work was interrupted. Unknown: it may have been done. */
export class PermitLost extends Schema.TaggedError<PermitLost>()("PermitLost", { limit: Schema.String }) {
  override get message() {
    return `the permit of limit ${this.limit} was lost while it was held`
  }
}
