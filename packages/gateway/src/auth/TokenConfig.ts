/** TokenConfig: the settings for verifying tokens. An invalid value stops the process at start. */
import { Setting } from "@eco2/core/client"
import { Config, Effect, Option, Redacted } from "effect"

const text = (value: string) => value
/** HS256 requires a key as long as its hash (RFC 7518, 3.2). */
const leastSecretBytes = 32

/** The source of the keys: a secret shared with the issuer (HS256), or the issuer's published keys (RS, ES). */
export type KeySource =
  | { readonly _tag: "Secret"; readonly secret: Redacted.Redacted }
  | { readonly _tag: "Jwks"; readonly url: string }

export const TokenConfig = Config.all({
  /** JWT_SECRET: the secret that signs tokens (HS256), at least 32 bytes. */
  secret: Config.option(Config.Redacted("JWT_SECRET")),
  /** JWKS_URL: the address of the issuer's keys (RS256…, ES256…). Set either this or JWT_SECRET. */
  jwksUrl: Setting.webUrl("JWKS_URL", { default: "", document: true }),
  /** JWT_ISSUER: `iss` of every token. */
  issuer: Setting.parsed("JWT_ISSUER", { default: "", allowed: "text", parse: text }),
  /** JWT_AUDIENCE: a value that `aud` of every token must contain. */
  audience: Setting.parsed("JWT_AUDIENCE", { default: "", allowed: "text", parse: text }),
  /** BLACKLIST_MAX_AGE: after this long without Redis nobody is let in. Default 5 minutes. */
  blacklistMaxAge: Setting.duration("BLACKLIST_MAX_AGE", { default: "5 minutes", min: "1 second" })
}).pipe(
  Config.mapEffect(({ audience, blacklistMaxAge, issuer, jwksUrl, secret }) =>
    Effect.gen(function* () {
      const shared = Option.filter(secret, (value) => Redacted.value(value) !== "")
      if (Option.isSome(shared) === (jwksUrl !== ""))
        return yield* Effect.fail(
          Setting.refuse(
            `${jwksUrl === "" ? "neither" : "both"} of JWT_SECRET and JWKS_URL are set; set exactly one of them (or AUTH_MODE=header behind a mesh)`
          )
        )
      if (Option.isSome(shared) && Buffer.byteLength(Redacted.value(shared.value)) < leastSecretBytes)
        return yield* Effect.fail(
          Setting.refuse(`JWT_SECRET is too short for HS256; it needs ${leastSecretBytes} bytes or more`)
        )
      for (const [name, value] of [
        ["JWT_ISSUER", issuer],
        ["JWT_AUDIENCE", audience]
      ] as const) {
        if (value === "")
          return yield* Effect.fail(
            Setting.refuse(`${name} is not set; tokens are accepted only from this issuer and for this audience`)
          )
      }
      const keys: KeySource = Option.isSome(shared)
        ? { _tag: "Secret", secret: shared.value }
        : { _tag: "Jwks", url: jwksUrl }
      return { keys, issuer, audience, blacklistMaxAge }
    })
  )
)
export type TokenConfig = Config.Success<typeof TokenConfig>
