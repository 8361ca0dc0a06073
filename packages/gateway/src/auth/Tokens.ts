/**
 * Tokens: verifies a JWT's signature, issuer, audience and time, with `jose`. The source of the keys decides the algorithms,
 * never the token: HS256 with a shared secret, RS and ES with published keys, `none` never. Blacklist decides whether a valid
 * token was revoked.
 */
import { Refusal } from "@eco2/core/http"
import { Clock, Duration, Effect, Redacted } from "effect"
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose"
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from "jose"
import * as PublishedKeys from "./PublishedKeys.ts"
import type { TokenConfig } from "./TokenConfig.ts"

/** The claims of a valid token. */
export interface Claims {
  readonly user: string
  readonly jti: string
  /** The identity provider, as in `kakao`; `jwt` if the token names none. */
  readonly provider: string
}

/** Clocks may differ by this much, in either direction. */
export const leewaySeconds = 5
const mostLength = 8 * 1024
const shape = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/
/** A user id must be a valid header value, a token's id a valid part of a key. */
const header = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/
const isHeader = (value: unknown): value is string => typeof value === "string" && header.test(value)

const published = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]

/** 401 like every token that is not good: a client then gets another one, or signs in again. */
export const malformed = Refusal.make(401, "MALFORMED_TOKEN", "the token is not a JWT")
const bad = (detail: string) => Refusal.make(401, "UNAUTHORIZED", detail)

/** 401 for an invalid token and for text that is not a JWT, 503 while it cannot be verified. */
export type Refused = typeof malformed | ReturnType<typeof bad> | ReturnType<typeof Refusal.unavailable>

export interface Tokens {
  readonly verify: (token: string) => Effect.Effect<Claims, Refused>
}

const why = (error: unknown): Refused | null => {
  if (error instanceof PublishedKeys.KeysUnavailable)
    return Refusal.unavailable("the token cannot be checked now; try again", Duration.millis(error.retryAfterMillis))
  if (error instanceof errors.JWTExpired) return bad("the token has expired")
  if (error instanceof errors.JWTClaimValidationFailed) return bad(`the token's ${error.claim} is invalid`)
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return malformed
  return error instanceof errors.JOSEError ? bad("the token's signature is invalid") : null
}

const claimsOf = (payload: JWTPayload, nowSeconds: number): Effect.Effect<Claims, Refused> => {
  const { iat, jti, sub } = payload
  if (iat !== undefined && iat > nowSeconds + leewaySeconds)
    return Effect.fail(bad("the token was issued in the future"))
  if (!isHeader(sub)) return Effect.fail(bad("the token's sub is not a user id"))
  if (!isHeader(jti)) return Effect.fail(bad("the token's jti is not an id"))
  const provider = payload.provider
  return Effect.succeed({ user: sub, jti, provider: isHeader(provider) ? provider : "jwt" })
}

/** Verifies by every key that fits: a token need not name its key, and key ids need not be unique. */
const verifyByAny = async (token: string, keys: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTPayload> => {
  try {
    return (await jwtVerify(token, keys, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (wrong) {
        if (!(wrong instanceof errors.JWSSignatureVerificationFailed)) throw wrong
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** What it says before it is verified; throws JWTInvalid for text that is no JWT. */
const unverified = (token: string): PublishedKeys.Unverified => {
  try {
    const { kid } = decodeProtectedHeader(token)
    const { iat } = decodeJwt(token)
    return { kid: typeof kid === "string" ? kid : undefined, issuedAt: typeof iat === "number" ? iat : undefined }
  } catch (cause) {
    throw new errors.JWTInvalid("not a JWT", { cause })
  }
}

export const make = Effect.fnUntraced(function* (config: TokenConfig): Effect.fn.Return<Tokens> {
  const { audience, issuer, keys: source } = config
  const usual = {
    issuer,
    audience,
    clockTolerance: leewaySeconds,
    // a token without an expiry would have to stay revoked for ever
    requiredClaims: ["sub", "jti", "exp"]
  }
  type Check = (token: string, currentDate: Date) => Promise<JWTPayload>
  let check: Check
  if (source._tag === "Secret") {
    const secret = new TextEncoder().encode(Redacted.value(source.secret))
    check = async (token, currentDate) =>
      (await jwtVerify(token, secret, { ...usual, currentDate, algorithms: ["HS256"] })).payload
  } else {
    const keys = yield* PublishedKeys.make(source.url)
    check = async (token, currentDate) =>
      keys.verify(unverified(token), (some) =>
        verifyByAny(token, some, { ...usual, currentDate, algorithms: published })
      )
  }
  return {
    verify: Effect.fnUntraced(function* (token) {
      if (token.length > mostLength || !shape.test(token)) return yield* malformed
      const now = yield* Clock.currentTimeMillis
      const payload = yield* Effect.tryPromise({
        try: () => check(token, new Date(now)),
        catch: (error) => error
      }).pipe(
        Effect.catch((error) => {
          const answer = why(error)
          return answer === null ? Effect.die(error) : Effect.fail(answer)
        })
      )
      return yield* claimsOf(payload, now / 1_000)
    })
  }
})
