/** Which tokens are accepted: the same answers from a gateway that verifies tokens itself and from the role authz. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { send } from "../../harness/RawRequest.ts"
import * as Issuer from "../../harness/TokenIssuer.ts"
import { bySecret, forged, hmac, inSeconds, secret, signed } from "../../harness/TokenIssuer.ts"
import { metric, simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const jobOfNobody = "/api/v1/scan/9b2f0f7e-5b7f-4c63-9c52-000000000000/result"
const internalSecret = "only services know this"
const rsa = Issuer.key("rsa", "RS256")
const second = Issuer.key("second", "RS256")
const ec = Issuer.key("ec", "ES256")
const stranger = Issuer.key("rsa", "RS256")

let redis: RedisServer.RedisServer
let keys: Issuer.Published
let roles: Readonly<Record<"gateway" | "authz" | "gateway by keys" | "authz by keys", Serving>>

beforeAll(async () => {
  redis = await RedisServer.start()
  keys = await Issuer.published(rsa, second, ec)
  const { JWT_SECRET: _, ...rest } = bySecret
  const usual = { ...simulatedOnly, REDIS_URL: redis.url, INTERNAL_SECRET: internalSecret }
  const byKeys = { ...usual, ...rest, JWKS_URL: keys.url }
  const [gateway, authz, gatewayByKeys, authzByKeys] = await Promise.all([
    start("gateway", { ...usual, ...bySecret }),
    start("authz", { ...usual, ...bySecret }),
    start("gateway", byKeys),
    start("authz", byKeys)
  ])
  roles = { gateway, authz, "gateway by keys": gatewayByKeys, "authz by keys": authzByKeys }
})
afterAll(async () => {
  await Promise.all(Object.values(roles).map((role) => role.stop()))
  await keys.close()
  await redis.stop()
})

type Role = keyof typeof roles
/** Accepted means 404 at the gateway, because the job is another user's, and 200 at authz. */
const letIn = (role: Role) => (role.startsWith("gateway") ? 404 : 200)
const ask = (role: Role, headers: Sent) =>
  send(roles[role].address, jobOfNobody, { headers: { "x-user-id": "mallory", ...headers } })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const revoked = "revoked-1"
const good: ReadonlyArray<readonly [what: string, headers: () => Record<string, string>]> = [
  ["a good token", () => bearer(signed())],
  ["a good token, the scheme in lower case", () => ({ authorization: `bearer ${signed()}` })],
  [
    "a good token beside names that only look like the cookie's",
    () => ({ cookie: `S_ACCESS=x; s_access; xs_access=y; a=s_access=z; s_access=${signed()}` })
  ],
  ["a good token as cookie", () => ({ cookie: `theme=dark; s_access=${signed()}; other=1` })],
  ["expired less than the leeway ago", () => bearer(signed({ exp: inSeconds(-3) }))],
  ["not valid yet for less than the leeway", () => bearer(signed({ nbf: inSeconds(3), iat: inSeconds(3) }))],
  ["of several audiences, ours among them", () => bearer(signed({ aud: ["other", Issuer.audience] }))]
]
type Sent = Readonly<Record<string, string | Array<string>>>
const bad: ReadonlyArray<readonly [refusal: string, what: string, headers: () => Sent]> = [
  ["401 UNAUTHORIZED", "no token", () => ({})],
  ["401 UNAUTHORIZED", "an empty cookie", () => ({ cookie: "s_access=" })],
  [
    "401 UNAUTHORIZED",
    "two cookies",
    () => ({ cookie: `s_access=${signed()}; s_access=${signed({ sub: "mallory" })}` })
  ],
  [
    "401 UNAUTHORIZED",
    "a good cookie and an empty one",
    () => ({ cookie: `s_access=;theme=dark; s_access =${signed()}` })
  ],
  [
    "401 UNAUTHORIZED",
    "two cookies in two headers",
    () => ({ cookie: [`s_access=${signed()}`, `s_access=${signed()}`] })
  ],
  ["401 UNAUTHORIZED", "another cookie", () => ({ cookie: `access=${signed()}` })],
  ["401 MALFORMED_TOKEN", "no bearer token", () => ({ authorization: "Basic YTpi" })],
  ["401 MALFORMED_TOKEN", "a bearer token of nothing", () => ({ authorization: "Bearer" })],
  ["401 MALFORMED_TOKEN", "no JWT", () => bearer("hello")],
  ["401 MALFORMED_TOKEN", "no JWT as cookie", () => ({ cookie: "s_access=hello" })],
  [
    "401 MALFORMED_TOKEN",
    "a JWT whose header is not JSON",
    () => bearer(`eyJ.${signed().split(".").slice(1).join(".")}`)
  ],
  ["401 MALFORMED_TOKEN", "a JWT in two parts", () => bearer(signed().split(".").slice(0, 2).join("."))],
  ["401 MALFORMED_TOKEN", "a JWT of more than 8 KiB", () => bearer(signed({ note: "x".repeat(7_000) }))],
  ["401 MALFORMED_TOKEN", "two tokens in one header", () => bearer(`${signed()}, ${signed()}`)],
  [
    "401 UNAUTHORIZED",
    "two headers with a token",
    () => ({ authorization: [`Bearer ${signed()}`, `Bearer ${signed()}`] })
  ],
  [
    "401 UNAUTHORIZED",
    "a header with a token and an empty one",
    () => ({ authorization: ["", `Bearer ${signed()}`], cookie: `s_access=${signed()}` })
  ],
  ["401 UNAUTHORIZED", "alg none", () => bearer(forged({ alg: "none", typ: "JWT" }))],
  ["401 UNAUTHORIZED", "alg NONE, signed all the same", () => bearer(forged({ alg: "NONE" }, {}, hmac(secret)))],
  [
    "401 UNAUTHORIZED",
    "HS384 with the right secret",
    () => bearer(forged({ alg: "HS384" }, {}, hmac(secret, "sha384")))
  ],
  ["401 UNAUTHORIZED", "another secret", () => bearer(signed({}, "another secret of more than 32 bytes ..."))],
  [
    "401 UNAUTHORIZED",
    "a payload exchanged after signing",
    () => {
      const [head, , signature] = signed().split(".")
      return bearer(`${head}.${signed({ sub: "root" }).split(".")[1]}.${signature}`)
    }
  ],
  ["401 UNAUTHORIZED", "expired", () => bearer(signed({ exp: inSeconds(-8) }))],
  ["401 UNAUTHORIZED", "not valid yet", () => bearer(signed({ nbf: inSeconds(60) }))],
  ["401 UNAUTHORIZED", "from the future", () => bearer(signed({ iat: inSeconds(60) }))],
  ["401 UNAUTHORIZED", "without an end", () => bearer(signed({ exp: undefined }))],
  ["401 UNAUTHORIZED", "an end that is no number", () => bearer(signed({ exp: "tomorrow" }))],
  ["401 UNAUTHORIZED", "another issuer", () => bearer(signed({ iss: "https://issuer.test.evil" }))],
  ["401 UNAUTHORIZED", "no issuer", () => bearer(signed({ iss: undefined }))],
  ["401 UNAUTHORIZED", "another audience", () => bearer(signed({ aud: "somebody-else" }))],
  ["401 UNAUTHORIZED", "no audience", () => bearer(signed({ aud: undefined }))],
  ["401 UNAUTHORIZED", "no jti", () => bearer(signed({ jti: undefined }))],
  ["401 UNAUTHORIZED", "an empty jti", () => bearer(signed({ jti: "" }))],
  ["401 UNAUTHORIZED", "a jti that is no text", () => bearer(signed({ jti: 7 }))],
  ["401 UNAUTHORIZED", "no sub", () => bearer(signed({ sub: undefined }))],
  ["401 UNAUTHORIZED", "a sub with a line break", () => bearer(signed({ sub: "ann\r\nx-admin: 1" }))],
  [
    "401 UNAUTHORIZED",
    "an unknown critical extension",
    () => bearer(forged({ alg: "HS256", crit: ["exp2"], exp2: 1 }, {}, hmac(secret)))
  ],
  ["403 TOKEN_REVOKED", "a revoked token", () => bearer(signed({ jti: revoked }))],
  ["403 TOKEN_REVOKED", "a revoked token as cookie", () => ({ cookie: `s_access=${signed({ jti: revoked })}` })]
]

describe.each(["gateway", "authz"] as const)("%s", (role) => {
  beforeAll(async () => {
    const answer = await send(roles.gateway.address, "/api/v1/internal/blacklist", {
      method: "POST",
      headers: { "x-internal-secret": internalSecret },
      body: JSON.stringify({
        jti: revoked,
        user_id: "ann",
        expires_at: new Date(Date.now() + 600_000).toISOString(),
        reason: "logout"
      })
    })
    expect(answer.status).toBe(204)
    await until(
      () => ask(role, bearer(signed({ jti: revoked }))),
      ({ status }) => status === 403
    )
  })

  it.each(good)("a request is accepted: %s", async (_, headers) => {
    const answer = await ask(role, headers())
    expect(answer.status).toBe(letIn(role))
    if (role === "authz") expect(answer.headers).toMatchObject({ "x-user-id": "ann", "x-auth-provider": "jwt" })
  })

  it.each(bad)("a request is answered with %s: %s", async (refusal, _, headers) => {
    const answer = await ask(role, headers())
    const { code, detail } = JSON.parse(answer.body)
    expect([`${answer.status} ${code}`, detail]).toEqual([refusal, expect.any(String)])
    if (answer.status === 401) expect(answer.headers["www-authenticate"]).toBe("Bearer")
    if (role === "authz") expect(answer.headers).toMatchObject({ "x-user-id": "", "x-auth-provider": "" })
  })

  it("a token in the Authorization header is used however many cookies there are", async () => {
    expect((await ask(role, { cookie: "s_access=a; s_access=b", ...bearer(signed()) })).status).toBe(letIn(role))
  })

  it("a token in the Authorization header is used instead of the cookie's", async () => {
    const cookie = `s_access=${signed()}`
    expect((await ask(role, { cookie, ...bearer(signed({ exp: inSeconds(-60) })) })).status).toBe(401)
  })

  it("allowed and refused requests are counted by eco2_authz_decisions_total", async () => {
    const count = (outcome: string) => metric(roles[role], `eco2_authz_decisions_total{outcome="${outcome}"}`)
    const before = await Promise.all([count("allowed"), count("UNAUTHORIZED")])
    await ask(role, bearer(signed()))
    await ask(role, {})
    expect(await Promise.all([count("allowed"), count("UNAUTHORIZED")])).toEqual(before.map((one) => one + 1))
  })
})

describe.each(["gateway by keys", "authz by keys"] as const)("%s", (role) => {
  it.each([
    ["RS256", rsa],
    ["ES256", ec]
  ] as const)("a token signed with a published key is accepted: %s", async (_, key) => {
    expect((await ask(role, bearer(key.sign()))).status).toBe(letIn(role))
  })

  /** Issued before the keys were fetched: if another key had signed it, that would be known. */
  const old = { iat: inSeconds(-300) }
  const confused: ReadonlyArray<readonly [what: string, token: () => string]> = [
    [
      "HS256 with the published key as secret (PEM)",
      () =>
        forged({ alg: "HS256", kid: "rsa" }, {}, hmac(rsa.publicKey.export({ type: "spki", format: "pem" }).toString()))
    ],
    [
      "HS256 with the published key as secret (DER)",
      () => forged({ alg: "HS256", kid: "rsa" }, {}, hmac(rsa.publicKey.export({ type: "spki", format: "der" })))
    ],
    ["HS256 with an empty secret", () => forged({ alg: "HS256", kid: "rsa" }, {}, hmac(""))],
    ["alg none", () => forged({ alg: "none", kid: "rsa" })],
    ["RS256 said of the other kind of key", () => ec.sign({}, { alg: "RS256" })],
    ["a key of the same name that is not the published one", () => stranger.sign()],
    ["a key the token brings along", () => stranger.sign({}, { jwk: stranger.jwk })],
    ["a key at an address the token names", () => stranger.sign(old, { kid: "none", jku: "http://127.0.0.1:1/keys" })],
    ["no key named, and none of its kind published", () => rsa.sign(old, { kid: undefined, alg: "RS384" })],
    ["no key named, and signed with none of the published ones", () => stranger.sign(old, { kid: undefined })]
  ]
  it.each(confused)("a token is refused with 401: %s", async (_, token) => {
    const answer = await ask(role, bearer(token()))
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, "UNAUTHORIZED"])
  })

  it("a token that names no key is accepted when any published key has signed it, and an expired one says so", async () => {
    for (const key of [rsa, second, ec]) {
      expect((await ask(role, bearer(key.sign({}, { kid: undefined })))).status).toBe(letIn(role))
    }
    const expired = await ask(role, bearer(second.sign({ exp: inSeconds(-8) }, { kid: undefined })))
    expect([expired.status, JSON.parse(expired.body).detail]).toEqual([401, "the token has expired"])
  })

  it("a token whose key may have been published since the last fetch is put off: 503 with Retry-After", async () => {
    await ask(role, bearer(Issuer.key("new").sign()))
    const answer = await ask(role, bearer(Issuer.key("new").sign()))
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, "UNAVAILABLE"])
    expect(Number(answer.headers["retry-after"])).toSatisfy((seconds: number) => seconds > 0 && seconds <= 30)
  })

  it("an expired token and one for another audience are refused, though signed with a published key", async () => {
    expect((await ask(role, bearer(rsa.sign({ exp: inSeconds(-8) })))).status).toBe(401)
    expect((await ask(role, bearer(rsa.sign({ aud: "somebody-else" })))).status).toBe(401)
  })
})

describe("a gateway with AUTH_MODE=jwt", () => {
  it("a job belongs to the token's user, and X-User-ID is ignored", async () => {
    const submit = await send(roles.gateway.address, "/api/v1/scan", {
      method: "POST",
      headers: { ...bearer(signed({ sub: "ann" })), "x-user-id": "bob", "content-type": "application/json" },
      body: JSON.stringify({ image_url: "https://example.com/1.jpg" })
    })
    expect(submit.status).toBe(202)
    const path = `/api/v1/scan/${JSON.parse(submit.body).job_id}/result`
    const read = (sub: string) =>
      send(roles.gateway.address, path, { headers: { ...bearer(signed({ sub })), "x-user-id": "ann" } })
    expect((await read("ann")).status).toBe(202)
    expect((await read("bob")).status).toBe(404)
  })

  it("open paths answer without a token", async () => {
    for (const path of ["/healthz", "/docs", "/", "/api/v1/scan/categories"])
      expect((await send(roles.gateway.address, path)).status).toBe(200)
  })
})
