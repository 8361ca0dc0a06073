/** RetryDelay: the delay that Gemini names in the details of an error, a protobuf duration in JSON: `"7s"`, `"7.5s"`. */

/** In milliseconds; null where the text names no delay. */
export const millisOf = (delay: string): number | null => {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(delay.trim())?.[1]
  return seconds === undefined ? null : Math.round(Number(seconds) * 1000)
}
