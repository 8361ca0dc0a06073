/**
 * RetryAfter: how long a server asks us to wait before a retry, in milliseconds; null when it names no usable time.
 */

/**
 * From response headers: `retry-after-ms` (milliseconds), else `retry-after` (seconds, or an HTTP date).
 * - a date is compared with the response's own `date` header, so that a skewed local clock does not matter;
 *   without that header with `nowMillis` (unix milliseconds)
 * - a time already past is 0
 * - source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export const fromHeaders = (headers: Headers | undefined, nowMillis: number): number | null => {
  const millis = asNumber(headers?.get("retry-after-ms"))
  if (millis !== null) return Math.round(millis)
  const text = headers?.get("retry-after")?.trim()
  if (!text) return null
  const seconds = asNumber(text)
  if (seconds !== null) return Math.round(seconds * 1000)
  // Date.parse alone would read "-5" as a year
  const until = text.endsWith("GMT") ? Date.parse(text) : Number.NaN
  if (Number.isNaN(until)) return null
  const sent = Date.parse(headers?.get("date") ?? "")
  return Math.max(0, until - (Number.isNaN(sent) ? nowMillis : sent))
}

const asNumber = (text: string | null | undefined): number | null =>
  text && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : null
