/**
 * RetryAfter: how long a provider asks us to stay away, as milliseconds. null means it named no usable time.
 */
import { RetryAfter } from "@eco2/core/net"

/** From response headers. */
export const fromHeaders = RetryAfter.fromHeaders

/** From a protobuf duration in JSON, `"7s"` or `"7.5s"`. */
export const fromDelay = (delay: string): number | null => {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(delay.trim())?.[1]
  return seconds === undefined ? null : Math.round(Number(seconds) * 1000)
}
