/** The role authz: which paths need a token, however they are written. */
import { describe, expect, it } from "vitest"
import { needOf } from "../../../packages/gateway/src/authz/CheckedPath.ts"
import { send } from "../../harness/RawRequest.ts"
import { bySecret, inSeconds, signed } from "../../harness/TokenIssuer.ts"
import { privateRole } from "../PrivateRole.ts"
import { start } from "../Serving.ts"

const authz = privateRole("authz", {
  ...bySecret,
  CORS_ORIGINS: "https://app.example,https://b.example"
})

const check = (target: string, options: Parameters<typeof send>[2] = {}) =>
  send(authz.address, target, { ...options, headers: { "x-user-id": "mallory", ...options.headers } })
const token = () => ({ authorization: `Bearer ${signed()}` })

const open = [
  "/",
  "/?a=1",
  "/healthz",
  "/readyz",
  "/metrics",
  "/metrics?name=x",
  "/docs",
  "/docs/x",
  "http://gateway/docs",
  "/openapi.json",
  "/assets/app.js",
  "/manifest.webmanifest",
  "/news",
  "/news/1",
  "/api/v1/info/news?category=ai&cursor=1_2",
  "/api/v1/info/news/categories",
  "/api/v1/character/catalog",
  "/api/v1/scan/categories?x=/../y"
]
const closed = [
  "http://gateway/api/v1/scan",
  "/api/v1/scan",
  "/api/v1/scan/",
  "/api/v1",
  "/api/v1/scan/models",
  "/api/v1/scan/9b2f0f7e-5b7f-4c63-9c52-000000000000/events?last_event_id=3",
  "/api/v1/users/me/characters",
  "/api/v1/users/me/characters/%EC%9D%B4%EC%BD%94/ownership",
  "/api/v1/character/catalog/",
  "/api/v1/character/catalogue",
  "/api/v1/scan/categories/",
  "/api/v1/scan/Categories",
  "/api/v1/scan/c%61tegories",
  "/api/v1/info",
  "/api/v1/information",
  "/API/v1/scan",
  "/Docs",
  "/docsx",
  "/healthz/",
  "/newsletter",
  "/whatever"
]
const internal = [
  "/api/v1/internal",
  "/api/v1/internal/",
  "/api/v1/internal/blacklist",
  "/api/v1/internal/ops/mailboxes?x=1",
  "/api/v1/INTERNAL/ops",
  "/API/V1/internal/ops",
  "/api/v1/%69nternal/ops",
  "/api/v1/inter%6Eal/blacklist"
]
const tricks = [
  "//api/v1/scan",
  "/api//v1/scan",
  "/api/v1/info//../scan",
  "/api/v1/info/../scan",
  "/api/v1/info/./../scan",
  "/api/v1/info/%2e%2e/scan",
  "/api/v1/info/%2E%2E/scan",
  "/api/v1/info/.%2e/scan",
  "/api/v1/info/..%2fscan",
  "/api/v1/info%2f..%2fscan",
  "/api/v1/info/..;/scan",
  "/api/v1/info/..;a=b/scan",
  "/api/v1/scan;/categories",
  "/api/v1/info/%252e%252e/scan",
  "/api/v1/info/..%5cscan",
  "/api/v1/info/..\\scan",
  "/api/v1/info/%c0%ae%c0%ae/scan",
  "/api/v1/info/%EF%BC%8E%EF%BC%8E/scan",
  "/api/v1/info/..%EF%BC%8Fscan",
  "/api/v1/info/%E2%80%A5/scan",
  "/news/a%EF%BC%8Fb",
  "/news/a%EF%BC%BCb",
  "/docs/..",
  "/docs/../api/v1/scan",
  "/assets/..%2f..%2fapi/v1/scan",
  "/healthz/../api/v1/scan",
  "/healthz;/../api/v1/scan",
  "/healthz%3f/../api/v1/scan",
  "/healthz%23/../api/v1/scan",
  "/healthz#/../api/v1/scan",
  "/news/%00/../../api/v1/scan",
  "/news/%0d%0ax-user-id:root",
  "/news/%zz",
  "/news/%",
  "/news/%ff",
  "http://gateway/docs/../api/v1/scan",
  "http://gateway/docs/%2e%2e/api/v1/scan",
  "http://gateway\\docs/x",
  "http://gateway",
  "healthz",
  "*"
]

describe("authz", () => {
  it.each(open)("%s is open: authz lets everybody pass, without a user", async (target) => {
    for (const headers of [{}, token()]) {
      const answer = await check(target, { headers })
      expect(answer.status).toBe(200)
      expect(answer.headers).toMatchObject({ "x-user-id": "", "x-auth-provider": "" })
    }
  })

  it.each(closed)("%s needs a token, whatever X-User-ID says", async (target) => {
    const refused = await check(target)
    expect([refused.status, refused.headers["x-user-id"]]).toEqual([401, ""])
    const answer = await check(target, { headers: token() })
    expect([answer.status, answer.headers["x-user-id"]]).toEqual([200, "ann"])
  })

  it.each(internal)("%s is internal: authz answers 403 even with a token", async (target) => {
    for (const method of ["GET", "POST", "OPTIONS"]) {
      const answer = await check(target, { method, headers: { ...token(), "x-internal-secret": "x" } })
      expect([answer.status, JSON.parse(answer.body).code, answer.headers["x-user-id"]]).toEqual([403, "FORBIDDEN", ""])
    }
  })

  it.each(tricks)("%s is malformed: authz answers 400, with a token and without", async (target) => {
    expect(needOf(target)).toBe("malformed")
    for (const headers of [{}, token()]) {
      for (const method of ["GET", "OPTIONS"]) {
        const answer = await check(target, { method, headers })
        expect(answer.status).toBe(400)
        if (answer.body !== "") expect(answer.headers["x-user-id"]).toBe("")
      }
    }
  })

  it("authz allows every method on an open path, OPTIONS on any, and no other on a closed one without a token", async () => {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]) {
      expect((await check("/api/v1/info/news", { method })).status).toBe(200)
      expect((await check("/metrics", { method })).status).toBe(200)
      expect((await check("/api/v1/scan", { method })).status).toBe(401)
    }
    const preflight = await check("/api/v1/scan", { method: "OPTIONS" })
    expect([preflight.status, preflight.headers["x-user-id"]]).toEqual([200, ""])
  })

  it("a refusal to an allowed origin has the CORS headers, so that its page sees the status and renews its token", async () => {
    const refused: ReadonlyArray<readonly [status: number, target: string, headers: Record<string, string>]> = [
      [401, "/api/v1/scan", {}],
      [401, "/api/v1/scan", { authorization: "Bearer hello" }],
      [401, "/api/v1/scan", { authorization: `Bearer ${signed({ exp: inSeconds(-60) })}` }],
      [403, "/api/v1/internal/blacklist", token()],
      [400, "/api/v1//scan", token()]
    ]
    for (const [status, target, headers] of refused) {
      for (const origin of ["https://app.example", "https://b.example"]) {
        const answer = await check(target, { headers: { ...headers, origin } })
        expect(answer.status).toBe(status)
        expect(answer.headers).toMatchObject({
          "access-control-allow-origin": origin,
          "access-control-allow-credentials": "true",
          "access-control-expose-headers": "retry-after",
          vary: "Origin",
          "x-user-id": ""
        })
      }
      for (const origin of ["https://evil.example", "null", "https://app.example.evil.example"]) {
        const answer = await check(target, { headers: { ...headers, origin } })
        expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([status, undefined])
        expect(answer.headers.vary).toBe("Origin")
      }
    }
  })

  it("a token's provider is passed on as X-Auth-Provider", async () => {
    const answer = await check("/api/v1/scan", {
      headers: { authorization: `Bearer ${signed({ provider: "kakao" })}` }
    })
    expect(answer.headers).toMatchObject({ "x-user-id": "ann", "x-auth-provider": "kakao" })
  })

  it("authz answers /healthz, /readyz and /metrics itself", async () => {
    expect(JSON.parse((await check("/healthz")).body)).toEqual({ status: "ok" })
    expect(JSON.parse((await check("/readyz")).body)).toEqual({ status: "ready" })
    expect((await check("/metrics")).body).toContain("eco2_authz_blacklist_tokens")
  })

  it("authz with ADMIN_PORT has its metrics there, and tells Envoy that a gateway's are open", async () => {
    const apart = await start("authz", { ...bySecret, REDIS_URL: authz.redisUrl, ADMIN_PORT: "0" })
    try {
      const asked = await send(apart.address, "/metrics", { headers: { "x-user-id": "mallory" } })
      expect(asked).toMatchObject({ status: 200, body: "", headers: { "x-user-id": "" } })
      expect((await send(apart.admin, "/metrics")).body).toContain("eco2_authz_blacklist_tokens")
      expect((await send(apart.admin, "/api/v1/scan")).status).toBe(404)
    } finally {
      await apart.stop()
    }
  })
})
