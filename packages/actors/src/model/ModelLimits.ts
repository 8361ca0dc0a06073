/**
 * ModelLimits: the providers' limits for each model as the operator sets them (MODEL_LIMITS), shared by the fleet, and the
 * threshold of the models' breakers (MODEL_BREAKER). Read by workers.
 */
import { Limit, Setting } from "@eco2/core"
import { Duration } from "effect"

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const term = /^(\d{1,12})(?:(rpm|tpm|burst|parallel)|([rt])\/(\d{1,6})(ms|s|m|h|d))$/

type Options = { -readonly [K in keyof Parameters<typeof Limit.make>[1]]: Parameters<typeof Limit.make>[1][K] }

/** `500rpm`, `2000000tpm`, `50r/6s`, `1000t/6s`, `20burst`, `30parallel`; undefined for anything else, or for two windows. */
const parseTerms = (text: string): Options | undefined => {
  const options: Options = {}
  let windowMillis: number | undefined
  for (const part of text.split(",")) {
    const [, number = "", word, kind, length, unit] = term.exec(part.trim()) ?? []
    const value = Number(number)
    if (!Number.isSafeInteger(value) || value < 1) return undefined
    const name =
      word === "burst"
        ? "burst"
        : word === "parallel"
          ? "permits"
          : word === "rpm" || kind === "r"
            ? "requests"
            : "units"
    if (options[name] !== undefined) return undefined
    options[name] = value
    if (name === "burst" || name === "permits") continue
    const millis = kind === undefined ? units.m : Number(length) * units[unit as keyof typeof units]
    if (millis < 1 || (windowMillis ?? millis) !== millis) return undefined
    windowMillis = millis
  }
  return windowMillis === undefined ? options : { ...options, window: Duration.millis(windowMillis) }
}

/** The name of a model's limit in Redis and in metrics. */
export const limitName = (model: string): string => `model/${model}`

/**
 * Spaces requests evenly unless the terms say otherwise. Of many calls at once the last reach the provider much later than
 * the first, so without spacing the provider would count them in one window with the first calls of the next; and providers
 * count in seconds too.
 */
const spaced = (options: Options): Options =>
  options.requests === undefined
    ? options
    : { ...options, burst: Math.min(options.requests, options.burst ?? Math.max(10, Math.ceil(options.requests / 10))) }

/** Limits by model; undefined if the text is invalid. */
const parse = (text: string): ReadonlyMap<string, Limit.Limit> | undefined => {
  const limits = new Map<string, Limit.Limit>()
  for (const entry of text.split(";")) {
    if (entry.trim() === "") continue
    const [model = "", terms = "", ...rest] = entry.split("=").map((part) => part.trim())
    const options = rest.length > 0 ? undefined : parseTerms(terms)
    if (!/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(model) || limits.has(model) || options === undefined) return undefined
    limits.set(model, Limit.make(limitName(model), spaced(options)))
  }
  return limits
}

/**
 * MODEL_LIMITS: how often the whole fleet may call each model: `model=terms`, with `;` between models and a comma between terms:
 * `500rpm` requests a minute, `2000000tpm` tokens a minute, `50r/6s` and `9000t/6s` the same with another window (one for
 * both), `20burst` requests at once before they are spaced evenly (default: a tenth of the window's, at least 10),
 * `30parallel` calls at once. Default: none.
 */
export const ModelLimits = Setting.parsed<ReadonlyMap<string, Limit.Limit>>("MODEL_LIMITS", {
  default: new Map(),
  allowed: 'model=terms with ; between, such as "gpt-5.2=500rpm,2000000tpm;gemini-2.5-flash=50r/6s,30parallel"',
  parse
})

/**
 * MODEL_BREAKER: how many time-outs and outages, within which time, open a model's breaker; `off`: no breaker. Default
 * "8/30 seconds".
 */
export const ModelBreaker = Setting.rate("MODEL_BREAKER", { default: { number: 8, window: Duration.seconds(30) } })
