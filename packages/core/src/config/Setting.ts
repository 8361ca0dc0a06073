/**
 * Setting: an environment variable as a Config. Its error tells an operator what to change: the variable's name, the value
 * given, the values allowed. An unset or empty variable takes its default. Errors go to the log, so they never show what of a
 * value may be a secret: a URL's user and password, and its query.
 */
import * as ByteSize from "effect/ByteSize"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** An error with its own text, for settings that depend on each other. */
export const refuse = (message: string): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message }))
export const refused = (message: string) => Effect.fail(refuse(message))

/** A value as it may be logged: without all that stands before an `@`, and without queries. */
export const shown = (text: string) => text.replace(/^.*@/s, "…@").replace(/(?<=[/@:][^?#]*)[?#][^\s,]*/g, "?…")

/** `docker run --env-file` passes quotes on that a shell and Compose take away. */
const unquoted = (text: string) => /^"([^"]*)"$/.exec(text)?.[1] ?? text

/** A variable with its own parser; `parse` returns undefined for a value that is not allowed. */
export const parsed = <A>(
  name: string,
  options: {
    readonly default: A
    readonly allowed: string
    readonly parse: (text: string) => A | undefined
  }
): Config.Config<A> =>
  Config.option(Config.String(name)).pipe(
    Config.mapEffect((given) => {
      const text = unquoted(Option.getOrElse(given, () => "").trim())
      if (text === "") return Effect.succeed(options.default)
      const value = options.parse(text)
      return value === undefined
        ? Effect.fail(refuse(`${name} is "${shown(text)}"; allowed is ${options.allowed}`))
        : Effect.succeed(value)
    })
  )

/**
 * An http or https URL without user and password: fetch does not take such a URL, and URLs are logged. Keys and passwords have
 * settings of their own.
 */
export const isWebUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === ""
}

/** One such URL; slashes at its end are removed, unless it is the address of one document (`document`). */
export const webUrl = (name: string, options: { readonly default: string; readonly document?: true }) =>
  parsed(name, {
    default: options.default,
    allowed: "an http or https URL without user and password",
    parse: (text) => (isWebUrl(text) ? (options.document ? text : text.replace(/\/+$/, "")) : undefined)
  })

/** A whole number within bounds, both included. */
export const integer = (
  name: string,
  options: { readonly default: number; readonly min: number; readonly max: number }
) =>
  parsed(name, {
    default: options.default,
    allowed: `a whole number from ${options.min} to ${options.max}`,
    parse: (text) => {
      const value = Number(text)
      return /^-?\d+$/.test(text) && value >= options.min && value <= options.max ? value : undefined
    }
  })

/** A positive length of time: `15 seconds`, `1 hour`, `500 millis`; a bare number is seconds. `min` by default 1 ms, `max` none. */
export const duration = (
  name: string,
  options: {
    readonly default: Duration.Input
    readonly min?: `${number} ${Duration.Unit}`
    readonly max?: `${number} ${Duration.Unit}`
  }
) => {
  const least = Duration.fromInputUnsafe(options.min ?? "1 milli")
  const most = options.max === undefined ? undefined : Duration.fromInputUnsafe(options.max)
  const bounds = `at least ${options.min ?? "1 milli"}${options.max === undefined ? "" : ` and at most ${options.max}`}`
  return parsed(name, {
    default: Duration.fromInputUnsafe(options.default),
    allowed: `a duration of ${bounds}, such as "15 seconds" or "1 hour"`,
    parse: (text) => {
      const value = /^\d+$/.test(text)
        ? Duration.seconds(Number(text))
        : Option.getOrUndefined(Duration.fromInput(text as Duration.Input))
      if (value === undefined || !Duration.isFinite(value) || Duration.isLessThan(value, least)) return undefined
      return most !== undefined && Duration.isGreaterThan(value, most) ? undefined : value
    }
  })
}

/** A number of bytes: `256 MiB`, `1 GiB`; a bare number is bytes. */
export const byteSize = (
  name: string,
  options: { readonly default: `${number} MiB`; readonly min: `${number} MiB` }
) => {
  const toBytes = (text: string) =>
    Option.getOrUndefined(
      Option.flatMap(ByteSize.fromString(/^\d+$/.test(text) ? `${text} B` : text), ByteSize.toNumber)
    )
  const least = toBytes(options.min) ?? 1
  return parsed(name, {
    default: toBytes(options.default) ?? least,
    allowed: `a number of bytes of at least ${options.min}, such as "256 MiB" or "1 GiB"`,
    parse: (text) => {
      const value = toBytes(text)
      return value === undefined || value < least ? undefined : value
    }
  })
}

/** At most `number` in any window of this length. */
export interface Rate {
  readonly number: number
  readonly window: Duration.Duration
}

/** `60/minute`, `5/10 seconds`; `off`: none. */
export const rate = (name: string, options: { readonly default: Rate | null }) =>
  parsed<Rate | null>(name, {
    default: options.default,
    allowed: 'off, or a number and a duration, such as "60/minute" or "5/10 seconds"',
    parse: (text) => {
      if (text === "off") return null
      const [, number = "", length = ""] = /^(\d{1,9})\/(.+)$/.exec(text) ?? []
      const window = Option.getOrUndefined(
        Duration.fromInput((/^[a-z]+$/.test(length) ? `1 ${length}` : length) as Duration.Input)
      )
      if (window === undefined || !Duration.isFinite(window) || Duration.toMillis(window) < 1) return undefined
      return Number(number) < 1 ? undefined : { number: Number(number), window }
    }
  })

/** Money in millionths of the currency of the prices, or tokens. */
export type Budget = { readonly cost: number } | { readonly tokens: number }

/** `0.25` (of the currency of the prices), `50000 tokens`; `off`: none, which is the default. */
export const budget = (name: string) =>
  parsed<Budget | null>(name, {
    default: null,
    allowed: 'off, an amount of money such as "0.25", or a number of tokens such as "50000 tokens"',
    parse: (text) => {
      if (text === "off") return null
      const [, number = "", unit] = /^(\d{1,12}(?:\.\d{1,6})?)( tokens)?$/.exec(text) ?? []
      const value = Math.round(Number(number) * (unit === undefined ? 1_000_000 : 1))
      if (number === "" || value < 1 || (unit !== undefined && number.includes("."))) return undefined
      return unit === undefined ? { cost: value } : { tokens: value }
    }
  })

/** `true` or `false`. */
export const flag = (name: string, options: { readonly default: boolean }) =>
  parsed(name, {
    default: options.default,
    allowed: "true or false",
    parse: (text) => (/^(true|1|yes)$/i.test(text) ? true : /^(false|0|no)$/i.test(text) ? false : undefined)
  })

/** One of a few words. */
export const oneOf = <const A extends string>(
  name: string,
  options: { readonly default: A; readonly values: ReadonlyArray<A> }
) =>
  parsed<A>(name, {
    default: options.default,
    allowed: options.values.join(", "),
    parse: (text) => options.values.find((value) => value === text)
  })
