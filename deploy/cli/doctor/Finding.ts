/**
 * Finding: the result of one check of `eco2 doctor`: ok, warning or failure, what it found, and what to do about it. `check` is a
 * stable name for scripts; a finding never contains a secret.
 */
import { VisibleText } from "@eco2/core/telemetry"

export interface Finding {
  /** `<part>.<thing>`, such as `redis.persistence`. */
  readonly check: string
  readonly level: "ok" | "warn" | "fail"
  readonly found: string
  /** Null if there is nothing to do. */
  readonly advice: string | null
}

export const ok = (check: string, found: string): Finding => ({ check, level: "ok", found, advice: null })
export const warn = (check: string, found: string, advice: string): Finding => ({ check, level: "warn", found, advice })
export const failing = (check: string, found: string, advice: string): Finding => ({
  check,
  level: "fail",
  found,
  advice
})

/** One finding a line, with the advice below it. */
export const lines = (findings: ReadonlyArray<Finding>): string => {
  const width = Math.max(...findings.map(({ check }) => check.length))
  return findings
    .flatMap(({ advice, check, found, level }) => [
      `${level.padEnd(4)}  ${check.padEnd(width)}  ${VisibleText.of(found)}`,
      ...(advice === null ? [] : [`${" ".repeat(width + 8)}-> ${VisibleText.of(advice)}`])
    ])
    .join("\n")
}

/** Compares a clock with ours: beyond a second, logs and events look out of order; beyond the leeway, tokens are refused. */
export const ofClock = (check: string, skewMillis: number, whose: string): Finding => {
  const found = `${(Math.abs(skewMillis) / 1000).toFixed(3)} s ${skewMillis < 0 ? "ahead of" : "behind"} this machine`
  const advice = `run NTP here and on ${whose}`
  if (Math.abs(skewMillis) > 5_000) return failing(check, found, `${advice}: tokens are refused beyond 5 s`)
  return Math.abs(skewMillis) > 1_000 ? warn(check, found, advice) : ok(check, found)
}
