/** PostgresConfig: the settings of Postgres: URL, TLS, pool size, time-out. A wrong value stops the process at start. */
import { Config, Effect, Option, Redacted } from "effect"
import * as Setting from "../config/Setting.ts"
import * as TlsFiles from "../config/TlsFiles.ts"

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

const path = { default: "", allowed: "the path of a file", parse: (text: string) => text }
const tlsPaths = Config.all({
  /** DATABASE_CA_FILE: the authorities whose certificates are trusted, PEM. Default the system's. */
  ca: Setting.parsed("DATABASE_CA_FILE", path),
  /** DATABASE_CERT_FILE: the certificate that this process presents, PEM. Default none. */
  cert: Setting.parsed("DATABASE_CERT_FILE", path),
  /** DATABASE_KEY_FILE: its private key, PEM. Default none. */
  key: Setting.parsed("DATABASE_KEY_FILE", path)
})
const tlsNames: TlsFiles.Paths = { ca: "DATABASE_CA_FILE", cert: "DATABASE_CERT_FILE", key: "DATABASE_KEY_FILE" }

/**
 * With any of the files, connections are over TLS and the server's certificate and name are verified, whatever `sslmode` says;
 * `sslmode=disable` beside them is refused. Null without files: then `sslmode` decides.
 */
export const tls = Effect.fnUntraced(function* (
  url: Redacted.Redacted
): Effect.fn.Return<TlsFiles.Options | null, Config.ConfigError> {
  const paths = yield* tlsPaths
  if (!TlsFiles.isSet(paths)) return null
  const mode = new URL(Redacted.value(url)).searchParams.get("sslmode")
  if (mode !== null && !["require", "verify-ca", "verify-full"].includes(mode))
    return yield* Setting.refused(
      `DATABASE_CA_FILE, DATABASE_CERT_FILE or DATABASE_KEY_FILE is set, and DATABASE_URL has sslmode=${mode}; with them allowed is require, verify-ca, verify-full, or no sslmode`
    )
  const options = yield* TlsFiles.open(paths, tlsNames)
  const { hostname } = new URL(Redacted.value(url))
  // of several hosts the driver knows which one it connects to
  return hostname.includes(",") ? options : TlsFiles.of(options, hostname.replace(/^\[|\]$/g, ""))
})
