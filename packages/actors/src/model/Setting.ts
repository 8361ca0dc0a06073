/**
 * Setting: one environment variable with a default. Empty means absent, because deployment tools pass unset variables
 * on as empty strings. A wrong value stops the process with the variable's name and what is allowed; the value itself
 * is not repeated, since it may be a secret put into the wrong variable.
 */
import { Config, Effect, Schema, SchemaIssue } from "effect"

/** Reads `name` by `codec`, surrounding blanks dropped; `allowed` completes "NAME must be …". */
export const setting = <T, const F>(
  name: string,
  codec: Schema.Codec<T, string>,
  allowed: string,
  fallback: F
): Config.Config<T | F> => {
  const decode = Schema.decodeEffect(codec)
  return Config.String(name).pipe(
    Config.withDefault(""),
    Config.mapEffect((text): Effect.Effect<T | F, Config.ConfigError> =>
      text.trim() === ""
        ? Effect.succeed(fallback)
        : Effect.catch(decode(text.trim()), () => wrongSetting(name, `must be ${allowed}`))
    )
  )
}

/** Fails with `<name> <complaint>`. */
export const wrongSetting = (name: string, complaint: string): Effect.Effect<never, Config.ConfigError> =>
  Effect.fail(
    new Config.ConfigError(
      new Schema.SchemaError(
        new SchemaIssue.Pointer([name], new SchemaIssue.InvalidValue({ message: `${name} ${complaint}` }))
      )
    )
  )
