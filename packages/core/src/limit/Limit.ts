/**
 * Limit: the declaration of a fleet-wide rate limit, and its errors. RateLimiter enforces it. Every process must declare a limit
 * of the same name with the same values, because each process is held to its own declaration.
 */
import { Duration, Schema } from "effect"
import * as Keys from "../redis/Keys.ts"

export interface Limit {
  readonly name: string
  /** Requests in any window; null: any number. */
  readonly requests: number | null
  /** Units (tokens, bytes, money) in any window; null: any number. */
  readonly units: number | null
  /** Requests running at once; null: any number. */
  readonly permits: number | null
  readonly window: Duration.Duration
  /** Requests granted at once before grants are spaced evenly over the window; null: the whole window's number. */
  readonly burst: number | null
}

const atLeast = (what: string, least: number, value: number | undefined): number | null => {
  if (value === undefined) return null
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`a limit's ${what} must be a whole number > 0`)
  return value
}

/** `name`: letters, digits and `. _ : / -`. `window`: one minute by default. A limit without any bound can still be paused. */
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
 * The limit has no room within the caller's patience. Nothing happened; retry after `retryAfter`. A caller with a place in line
 * (an attempt of a stage has one) keeps it. With Retry.policy it uses up no attempt.
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  limit: Schema.String,
  retryAfter: Schema.Duration
}) {
  override get message() {
    return `limit ${this.limit} has no room; try again in ${Duration.format(this.retryAfter)}`
  }
}

/** This process's permit expired in Redis, and others may have it: the work was interrupted. Unknown whether it was done. */
export class PermitLost extends Schema.TaggedError<PermitLost>()("PermitLost", { limit: Schema.String }) {
  override get message() {
    return `the permit of limit ${this.limit} was lost while it was held`
  }
}
