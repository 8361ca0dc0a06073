/**
 * Limit: the declaration of a fleet-wide rate limit, and its errors. RateLimiter enforces it. Every process must declare a limit
 * of the same name with the same values, because each process is held to its own declaration.
 */
import { Duration, Schema } from "effect"
import * as Definition from "../config/Definition.ts"

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

/** More than this cannot be counted exactly by the scripts. */
const most = 1_000_000_000_000

/**
 * - `name`: letters, digits and `. _ : / -`
 * - `requests`, `units`, `permits`: whole numbers of at least 1; a limit without any bound can still be paused
 * - `burst`: 1 up to `requests`, which it spaces
 * - `window`: 1 ms to 24 days; one minute by default
 *
 * Throws InvalidDefinition on any other.
 */
export const make = (
  name: string,
  options: {
    readonly requests?: number
    readonly units?: number
    readonly permits?: number
    readonly window?: Duration.Input
    readonly burst?: number
  }
): Limit => {
  Definition.title("limit", name)
  const limit = `limit ${JSON.stringify(name)}`
  const atLeastOne = (field: string, value: number | undefined, max: number) =>
    value === undefined ? null : Definition.integer(limit, field, value, { min: 1, max })
  const requests = atLeastOne("requests", options.requests, most)
  if (options.burst !== undefined && requests === null) {
    Definition.refuse(limit, "burst", options.burst, "given with requests only, which it spaces")
  }
  return {
    name,
    requests,
    units: atLeastOne("units", options.units, most),
    permits: atLeastOne("permits", options.permits, most),
    burst: atLeastOne("burst", options.burst, requests ?? most),
    window: Definition.duration(limit, "window", options.window ?? "1 minute")
  }
}

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
