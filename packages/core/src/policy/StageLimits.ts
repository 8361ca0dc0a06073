/**
 * StageLimits: time-out and attempts of a stage. The environment overrides the code, and an operator's policy (Policies)
 * overrides both. A wrong variable stops the process at start; the error names it.
 */
import { Config, Duration } from "effect"
import * as Setting from "../config/Setting.ts"
import type { Policy } from "./Policies.ts"

/** `<PIPELINE>_<STAGE>_TIMEOUT`: `scan.vision` → SCAN_VISION_TIMEOUT. */
const variable = (mailbox: string, what: string): string => `${mailbox.replace(/[.-]/g, "_").toUpperCase()}_${what}`
export const timeoutVariable = (mailbox: string): string => variable(mailbox, "TIMEOUT")
export const attemptsVariable = (mailbox: string): string => variable(mailbox, "ATTEMPTS")
export const redrivesVariable = (mailbox: string): string => variable(mailbox, "REDRIVES")

/** A stage's time-out as the environment has it. */
export const timeout = (mailbox: string, byDefault: Duration.Duration): Config.Config<Duration.Duration> =>
  Setting.duration(timeoutVariable(mailbox), { default: byDefault, max: "24 hours" })

export interface StageLimits {
  readonly timeoutMillis: number
  /** Null: as many as the error's retry schedule has. */
  readonly attempts: number | null
  readonly redrives: number
}

/** The limits of a mailbox at the time of the call; `policy` is read at each call. */
export const read = (
  mailbox: string,
  defaults: { readonly timeout: Duration.Duration; readonly redrives: number },
  policy: () => Policy
): Config.Config<() => StageLimits> =>
  Config.all({
    timeout: timeout(mailbox, defaults.timeout),
    attempts: Setting.integer(attemptsVariable(mailbox), { default: 0, min: 0, max: 1_000 }),
    redrives: Setting.integer(redrivesVariable(mailbox), { default: defaults.redrives, min: 0, max: 100 })
  }).pipe(
    Config.map(({ attempts, redrives, timeout }) => {
      const timeoutMillis = Duration.toMillis(timeout)
      return () => {
        const set = policy()
        return {
          timeoutMillis: set.timeout_ms ?? timeoutMillis,
          attempts: set.attempts ?? (attempts === 0 ? null : attempts),
          redrives: set.redrives ?? redrives
        }
      }
    })
  )
