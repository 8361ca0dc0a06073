/**
 * RedisSettings: what an operator sets for the way to Redis: where it is (RedisUrl), user and password (Credentials), those of
 * the Sentinels, the files of TLS, the prefix of all keys. Read once, by RedisClient; a wrong value, or two that contradict each
 * other, stop the process at start with the variable's name.
 */
import { Config, Effect, Option, Redacted, Schema } from "effect"
import * as Setting from "../config/Setting.ts"
import * as TlsFiles from "../config/TlsFiles.ts"
import * as Credentials from "./Credentials.ts"
import * as Keys from "./Keys.ts"
import * as RedisUrl from "./RedisUrl.ts"

export interface RedisSettings {
  readonly url: RedisUrl.RedisUrl
  readonly credentials: Credentials.Credentials
  /** What the Sentinels themselves ask for. */
  readonly sentinel: { readonly username: string | undefined; readonly password: string | undefined }
  /** Used if the URL is over TLS. */
  readonly tls: TlsFiles.Options
  readonly keyPrefix: Keys.Prefix
}

const decodePrefix = Schema.decodeUnknownOption(Keys.Prefix)

/** KEY_PREFIX: what the name of every key begins with; one of its own for each installation on a server. Default eco2. */
export const keyPrefix = Setting.parsed("KEY_PREFIX", {
  default: Keys.defaultPrefix,
  allowed: "1 to 32 of a-z, 0-9, ., _ and -, beginning with a letter or digit",
  parse: (text) => Option.getOrUndefined(decodePrefix(text))
})

const path = { default: "", allowed: "the path of a file", parse: (text: string) => text }

const variables = Config.all({
  /** REDIS_URL: where the store is. Default `redis://127.0.0.1:6379`. */
  url: Config.Redacted("REDIS_URL").pipe(Config.withDefault(Redacted.make("redis://127.0.0.1:6379"))),
  /** REDIS_PASSWORD: used when the URL has none; written as it is, without escapes. */
  password: Config.Redacted("REDIS_PASSWORD").pipe(Config.withDefault(Redacted.make(""))),
  /** REDIS_PASSWORD_FILE: a file with the password, which may change while the process runs. Default none. */
  passwordFile: Setting.parsed("REDIS_PASSWORD_FILE", path),
  /** REDIS_SENTINEL_USERNAME: the user that the Sentinels know. Default none. */
  sentinelUsername: Setting.parsed("REDIS_SENTINEL_USERNAME", { ...path, allowed: "a user's name" }),
  /** REDIS_SENTINEL_PASSWORD: the password that the Sentinels ask for. Default none. */
  sentinelPassword: Config.Redacted("REDIS_SENTINEL_PASSWORD").pipe(Config.withDefault(Redacted.make(""))),
  /** REDIS_CA_FILE: the authorities whose certificates are trusted, PEM. Default the system's. */
  ca: Setting.parsed("REDIS_CA_FILE", path),
  /** REDIS_CERT_FILE: the certificate that this process presents, PEM. Default none. */
  cert: Setting.parsed("REDIS_CERT_FILE", path),
  /** REDIS_KEY_FILE: its private key, PEM. Default none. */
  key: Setting.parsed("REDIS_KEY_FILE", path),
  keyPrefix
})
const tlsNames: TlsFiles.Paths = { ca: "REDIS_CA_FILE", cert: "REDIS_CERT_FILE", key: "REDIS_KEY_FILE" }

const orNone = (text: string) => (text === "" ? undefined : text)

/** Of a URL alone, with the defaults of everything else. */
export const ofUrl = (url: RedisUrl.RedisUrl): RedisSettings => ({
  url,
  credentials: Credentials.fixed(url.username, url.password),
  sentinel: { username: undefined, password: undefined },
  tls: {},
  keyPrefix: Keys.defaultPrefix
})

/** From the environment; fails with RedisUrlInvalid, or ConfigError when a setting cannot be used. */
export const fromSettings: Effect.Effect<RedisSettings, RedisUrl.RedisUrlInvalid | Config.ConfigError> = Effect.gen(
  function* () {
    const { keyPrefix, passwordFile, sentinelUsername, ...given } = yield* variables
    const url = yield* RedisUrl.parse(Redacted.value(given.url))
    const password = Redacted.value(given.password)
    if (passwordFile !== "" && (url.password !== undefined || password !== ""))
      return yield* Setting.refused(
        "REDIS_PASSWORD_FILE and a second password are set: in REDIS_URL or REDIS_PASSWORD; set one"
      )
    const sentinelPassword = Redacted.value(given.sentinelPassword)
    if (sentinelUsername !== "" && sentinelPassword === "")
      return yield* Setting.refused("REDIS_SENTINEL_USERNAME is set without REDIS_SENTINEL_PASSWORD")
    if (TlsFiles.isSet(given) && !url.tls)
      return yield* Setting.refused(
        "REDIS_CA_FILE, REDIS_CERT_FILE or REDIS_KEY_FILE is set, and REDIS_URL is not over TLS (rediss://, or ?tls=true)"
      )
    return {
      url,
      credentials:
        passwordFile === ""
          ? Credentials.fixed(url.username, url.password ?? orNone(password))
          : yield* Credentials.ofFile(url.username, passwordFile),
      sentinel: { username: orNone(sentinelUsername), password: orNone(sentinelPassword) },
      tls: yield* TlsFiles.open(given, tlsNames),
      keyPrefix
    }
  }
)
