/**
 * RateLimitReset: when a limit has room again, as OpenAI and the servers after its model say it in headers:
 * `x-ratelimit-reset-requests: 1s`, `x-ratelimit-reset-tokens: 6m0s`. Used where there is no Retry-After.
 */
const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `1s`, `6m0s`, `120ms`, `1h2m3.5s`, or a number of seconds, in milliseconds; null for anything else. */
export const millisOf = (text: string): number | null => {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Math.ceil(Number(trimmed) * 1_000)
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return null
  let millis = 0
  for (const [, number, , unit = "s"] of trimmed.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d)/g)) {
    millis += Number(number) * (units[unit] ?? 0)
  }
  return Math.ceil(millis)
}

/** Of the limits that have nothing left the latest, or of both if neither is said to be used up; null: not told. */
export const fromHeaders = (headers: Headers): number | null => {
  const limits = ["requests", "tokens"].flatMap((name) => {
    const millis = millisOf(headers.get(`x-ratelimit-reset-${name}`) ?? "")
    return millis === null ? [] : [{ millis, isUsedUp: headers.get(`x-ratelimit-remaining-${name}`)?.trim() === "0" }]
  })
  const used = limits.filter(({ isUsedUp }) => isUsedUp)
  const said = (used.length > 0 ? used : limits).map(({ millis }) => millis)
  return said.length === 0 ? null : Math.max(...said)
}
