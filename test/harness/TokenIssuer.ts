/**
 * TokenIssuer: issues valid and invalid tokens, as an identity service would, with node:crypto alone, so that tokens are not made
 * by the library that verifies them. Also serves the address of its published keys.
 */
import { createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto"
import type { KeyObject } from "node:crypto"
import { createServer } from "node:http"
import type { RequestListener } from "node:http"

export const secret = "a secret of more than 32 bytes, for tests alone"
export const issuer = "https://issuer.test"
export const audience = "eco2-test"

/** The settings of a role that trusts it. */
export const bySecret = { AUTH_MODE: "jwt", JWT_SECRET: secret, JWT_ISSUER: issuer, JWT_AUDIENCE: audience }

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const nowSeconds = () => Math.floor(Date.now() / 1_000)

export type Claims = Readonly<Record<string, unknown>>
/** Valid claims, with changes; undefined removes one. */
export const claims = (changes: Claims = {}): Claims => ({
  sub: "ann",
  jti: randomUUID(),
  iss: issuer,
  aud: audience,
  iat: nowSeconds(),
  exp: nowSeconds() + 600,
  ...changes
})
/** Epoch seconds from now. */
export const inSeconds = (seconds: number) => nowSeconds() + seconds

type Signer = (input: string) => string
const token = (header: Claims, payload: Claims, signer: Signer): string => {
  const input = `${base64(header)}.${base64(payload)}`
  return `${input}.${signer(input)}`
}
export const hmac =
  (key: string | Buffer, hash = "sha256"): Signer =>
  (input) =>
    createHmac(hash, key).update(input).digest("base64url")

/** Signed with the shared secret. */
export const signed = (changes: Claims = {}, key = secret) =>
  token({ alg: "HS256", typ: "JWT" }, claims(changes), hmac(key))
/** With any header, signed by `signer`. */
export const forged = (header: Claims, changes: Claims = {}, signer: Signer = () => "") =>
  token(header, claims(changes), signer)

export interface Key {
  readonly kid: string
  readonly alg: "RS256" | "ES256"
  readonly publicKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
  readonly sign: (changes?: Claims, header?: Claims) => string
}

export const key = (kid: string, alg: Key["alg"] = "ES256"): Key => {
  const { privateKey, publicKey } =
    alg === "ES256"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: 2048 })
  const signer: Signer = (input) =>
    sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")
  return {
    kid,
    alg,
    publicKey,
    jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" },
    sign: (changes = {}, header = {}) => token({ alg, kid, typ: "JWT", ...header }, claims(changes), signer)
  }
}

export interface Published {
  readonly url: string
  /** The number of requests. */
  readonly asked: () => number
  /** Sets the answer from now on. */
  answer: (listener: RequestListener) => void
  readonly publish: (...keys: ReadonlyArray<Key>) => void
  readonly close: () => Promise<void>
}

/** The address of published keys. */
export const published = async (...keys: ReadonlyArray<Key>): Promise<Published> => {
  let asked = 0
  let listener: RequestListener = () => undefined
  const server = createServer((request, response) => {
    asked++
    listener(request, response)
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  const bound = server.address()
  const publish = (...some: ReadonlyArray<Key>) => {
    listener = (_, response) =>
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ keys: some.map(({ jwk }) => jwk) }))
  }
  publish(...keys)
  return {
    url: `http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}/jwks.json`,
    asked: () => asked,
    answer: (next) => {
      listener = next
    },
    publish,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(() => resolve()))
    }
  }
}
