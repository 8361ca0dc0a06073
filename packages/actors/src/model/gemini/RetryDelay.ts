/** RetryDelay: the delay in the details of a Gemini error, a protobuf duration in JSON: `"7s"`, `"7.5s"`. */

/** In milliseconds; null if the text is not a delay. */
export const millisOf = (delay: string): number | null => {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(delay.trim())?.[1]
  return seconds === undefined ? null : Math.round(Number(seconds) * 1000)
}
