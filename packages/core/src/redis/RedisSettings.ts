/**
 * RedisSettings: what an operator sets for the way to Redis: where it is (RedisUrl), the password, the prefix of all keys.
 * Read once, by RedisClient; a wrong value stops the process at start and names the variable.
 */
import { Config, Effect, Option, Redacted, Schema } from "effect"
import * as Setting from "../config/Setting.ts"
import * as Keys from "./Keys.ts"
import * as RedisUrl from "./RedisUrl.ts"

export interface RedisSettings {
  readonly url: RedisUrl.RedisUrl
  readonly keyPrefix: Keys.Prefix
}

/** Those beside the URL, where none is set. */
export const defaults: Omit<RedisSettings, "url"> = { keyPrefix: Keys.defaultPrefix }

const decodePrefix = Schema.decodeUnknownOption(Keys.Prefix)

/** KEY_PREFIX: what the name of every key begins with; one of its own for each installation on a server. Default eco2. */
export const keyPrefix = Setting.parsed("KEY_PREFIX", {
  default: Keys.defaultPrefix,
  allowed: "1 to 32 of a-z, 0-9, ., _ and -, beginning with a letter or digit",
  parse: (text) => Option.getOrUndefined(decodePrefix(text))
})

const variables = Config.all({
  /** REDIS_URL: where the store is. Default `redis://127.0.0.1:6379`. */
  url: Config.Redacted("REDIS_URL").pipe(Config.withDefault(Redacted.make("redis://127.0.0.1:6379"))),
  /** REDIS_PASSWORD: used when the URL has none; written as it is, without escapes. */
  password: Config.Redacted("REDIS_PASSWORD").pipe(Config.withDefault(Redacted.make(""))),
  keyPrefix
})

/** From the environment; fails with RedisUrlInvalid, or ConfigError when a setting cannot be used. */
export const fromSettings: Effect.Effect<RedisSettings, RedisUrl.RedisUrlInvalid | Config.ConfigError> = Effect.gen(
  function* () {
    const { keyPrefix, password, url } = yield* variables
    return {
      keyPrefix,
      url: RedisUrl.withPassword(yield* RedisUrl.parse(Redacted.value(url)), Redacted.value(password))
    }
  }
)
