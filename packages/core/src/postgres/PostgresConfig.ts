/** PostgresConfig: the settings of Postgres: URL, pool size, time-out. A wrong value stops the process at start. */
import { Config, Effect, Option, Redacted } from "effect"
import * as Setting from "../config/Setting.ts"

const allowed = "postgres://user:password@host:5432/database"

/** Puts the password into the URL, unless it has one. `encodeURIComponent` first: the setter does not escape a %. */
const withPassword = (text: string, password: string): string => {
  const url = new URL(text)
  if (url.password !== "" || password === "") return text
  url.password = encodeURIComponent(password)
  return url.href
}

/** The error does not repeat the value, which contains a password. */
export const databaseUrl: Config.Config<Option.Option<Redacted.Redacted>> = Config.all({
  /** DATABASE_URL: where Postgres is. */
  given: Config.option(Config.Redacted("DATABASE_URL")),
  /** DATABASE_PASSWORD: used when the URL has none; written as it is, without escapes. */
  password: Config.Redacted("DATABASE_PASSWORD").pipe(Config.withDefault(Redacted.make("")))
}).pipe(
  Config.mapEffect(({ given, password }) => {
    const text = Option.match(given, { onNone: () => "", onSome: (value) => Redacted.value(value).trim() })
    if (text === "") return Effect.succeed(Option.none())
    return URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol)
      ? Effect.succeed(
          Option.some(Redacted.make(withPassword(text, Redacted.value(password)), { label: "DATABASE_URL" }))
        )
      : Effect.fail(Setting.refuse(`DATABASE_URL is not a Postgres URL; allowed is ${allowed}`))
  })
)

/** The same, for a process that cannot work without it. */
export const requiredUrl: Config.Config<Redacted.Redacted> = databaseUrl.pipe(
  Config.mapEffect(
    Option.match({
      onNone: () => Effect.fail(Setting.refuse(`DATABASE_URL is not set; allowed is ${allowed}`)),
      onSome: (url) => Effect.succeed(url)
    })
  )
)

export const limits = Config.all({
  /** DATABASE_POOL: connections one process opens at most. Default 10. */
  pool: Setting.integer("DATABASE_POOL", { default: 10, min: 1, max: 1_000 }),
  /** DATABASE_TIMEOUT: the longest one statement may run. Default 10 seconds. */
  timeout: Setting.duration("DATABASE_TIMEOUT", { default: "10 seconds", min: "100 millis" })
})
export type Limits = Config.Success<typeof limits>
