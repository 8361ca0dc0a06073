/** The console's calls: signing in, what each role may do, the audit log, letters by cause, a job's history. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as HandWorker from "../HandWorker.ts"
import { client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secrets = { operator: "only operators know this", viewer: "who looks knows this" }
let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await start("gateway", {
    ...simulatedOnly,
    AUTH_MODE: "header",
    ADMIN_PORT: "0",
    REDIS_URL: redis.url,
    INTERNAL_SECRET: secrets.operator,
    VIEWER_SECRET: secrets.viewer
  })
  hand = await HandWorker.start(redis.url)
})
afterAll(async () => {
  await gateway?.stop()
  await hand?.stop()
  await redis?.stop()
})

const session = "/console/session"

interface Call {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}
const call = async (method: string, path: string, { body, headers = {} }: Call = {}) => {
  const response = await fetch(`${gateway.admin}${path === session ? path : `/api/v1/internal${path}`}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) }
}
const signIn = (secret: string, who: string) => call("POST", session, { body: { secret, who } })
const cookieOf = async (role: keyof typeof secrets, who = "kim") => {
  const set = (await signIn(secrets[role], who)).headers.get("set-cookie") ?? ""
  return { cookie: set.split(";")[0] ?? "" }
}
const acts = async (): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  (await call("GET", "/ops/audit", { headers: await cookieOf("viewer", "auditor") })).body.entries
const failed = async (cause: string) => {
  const id = await client(gateway).accepted()
  await hand.giveUp(await hand.begin(id), cause)
  return id
}

describe("signing in to the console", () => {
  it("the secret is exchanged for a cookie that scripts cannot read and other sites do not send", async () => {
    const answer = await signIn(secrets.operator, "kim")
    expect([answer.status, answer.body]).toEqual([200, { who: "kim", role: "operator" }])
    const set = answer.headers.get("set-cookie") ?? ""
    for (const part of ["HttpOnly", "SameSite=Strict", "Path=/api/v1/internal", "Max-Age=43200"])
      expect(set).toContain(part)
    expect(set).not.toContain("Secure")
    const behindTls = await call("POST", session, {
      body: { secret: secrets.operator, who: "kim" },
      headers: { "x-forwarded-proto": "https" }
    })
    expect(behindTls.headers.get("set-cookie")).toContain("Secure")
    expect((await call("GET", "/session", { headers: await cookieOf("viewer", "lee") })).body).toEqual({
      who: "lee",
      role: "viewer"
    })
  })

  it.each([
    ["a wrong secret", { secret: "wrong", who: "kim" }, 403],
    ["an empty secret", { secret: "", who: "kim" }, 403],
    ["no name", { secret: secrets.operator, who: " " }, 422],
    ["no secret", { who: "kim" }, 422],
    ["a text", "kim", 422]
  ])("%s opens no session", async (_, body, status) => {
    const answer = await call("POST", session, { body })
    expect([answer.status, answer.headers.get("set-cookie")]).toEqual([status, null])
  })

  it("a sign-in from another site's page with cookies is refused, and so is a change by its session", async () => {
    const elsewhere = { origin: "https://evil.example", cookie: "a=b" }
    const body = { secret: secrets.operator, who: "kim" }
    expect((await call("POST", session, { body, headers: elsewhere })).status).toBe(403)
    const own = await cookieOf("operator")
    const change = { body: { attempts: 3 }, headers: { ...own, origin: "https://evil.example" } }
    expect((await call("PATCH", "/ops/policies/scan.rule", change)).status).toBe(403)
    const { host } = new URL(gateway.admin)
    const ours = { ...change, headers: { ...own, origin: `http://${host}` } }
    expect((await call("PATCH", "/ops/policies/scan.rule", ours)).status).toBe(200)
  })

  it("signing out takes the cookie away", async () => {
    const answer = await call("POST", "/session/end", { headers: await cookieOf("operator") })
    expect(answer.headers.get("set-cookie")).toMatch(/^eco2_console=;.*Max-Age=0/)
  })
})

describe("roles", () => {
  it("a viewer, by session or by secret, may read everything and change nothing", async () => {
    for (const headers of [await cookieOf("viewer", "eve"), { "x-internal-secret": secrets.viewer }]) {
      for (const path of ["/ops/mailboxes", "/ops/jobs", "/ops/processes", "/ops/dead", "/ops/audit", "/ops/limits"]) {
        expect([path, (await call("GET", path, { headers })).status]).toEqual([path, 200])
      }
      for (const [method, path] of [
        ["POST", "/ops/mailboxes/scan.vision/dead/redrive"],
        ["PATCH", "/ops/policies/scan.vision"],
        ["DELETE", "/ops/jobs/00000000-0000-0000-0000-000000000000"],
        ["POST", "/ops/jobs/00000000-0000-0000-0000-000000000000/reveal"]
      ] as const) {
        const answer = await call(method, path, { headers, ...(method === "PATCH" ? { body: {} } : {}) })
        expect([path, answer.status, answer.body.code]).toEqual([path, 403, "FORBIDDEN"])
      }
    }
    expect((await acts()).filter(({ outcome, who }) => who === "eve" && outcome === "FORBIDDEN")).toHaveLength(4)
  })

  it("without a session or a secret nothing is told", async () => {
    for (const path of ["/session", "/ops/audit", "/ops/dead"]) expect((await call("GET", path)).status).toBe(403)
    const token = { cookie: "eco2_console=eyJ3aG8iOiJraW0ifQ.AAAA" }
    expect((await call("GET", "/ops/audit", { headers: token })).status).toBe(403)
  })
})

describe("the audit log", () => {
  it("a change of a policy is told with who, what was there before, and what after", async () => {
    const headers = await cookieOf("operator", "park")
    await call("PATCH", "/ops/policies/scan.answer", { headers, body: { attempts: 5 } })
    await call("PATCH", "/ops/policies/scan.answer", { headers, body: { attempts: 7 } })
    const [latest] = (await acts())
      .filter(({ who }) => who === "park" && true)
      .filter(({ what }) => what === "policies.change")
    expect(latest).toMatchObject({ role: "operator", target: "mailbox=scan.answer", outcome: "ok" })
    expect(JSON.parse(String(latest?.before)).attempts).toBe(5)
    expect(JSON.parse(String(latest?.after)).attempts).toBe(7)
  })

  it("what was refused, a wrong sign-in, and the command line's acts are told too; what was only read is not", async () => {
    await signIn("wrong", "guesser")
    const header = { "x-internal-secret": secrets.operator, "x-operator": "cron on host-1" }
    await call("POST", "/ops/schedules/nothing/run", { headers: header })
    await call("GET", "/ops/mailboxes", { headers: header })
    const all = await acts()
    expect(all.find(({ who }) => who === "guesser")).toMatchObject({
      what: "session.signIn",
      outcome: "FORBIDDEN",
      role: ""
    })
    const own = all.filter(({ who }) => who === "cron on host-1")
    expect(own).toMatchObject([{ what: "schedules.run", target: "schedule=nothing", outcome: "NOT_FOUND" }])
  })
})

describe("what the console shows", () => {
  it("dead letters are counted by mailbox and cause, with a sample", async () => {
    const ids = [await failed("ModelRefused"), await failed("ModelRefused"), await failed("ImageUnreadable")]
    const { body } = await call("GET", "/ops/dead", { headers: await cookieOf("viewer") })
    expect(body.complete).toBe(true)
    const of = (cause: string) => body.groups.find((group: { readonly cause: string }) => group.cause === cause)
    expect(of("ModelRefused")).toMatchObject({ mailbox: "scan.vision", letters: 2, sample: { job_id: ids[1] } })
    expect(of("ImageUnreadable")).toMatchObject({ letters: 1 })
  })

  it("a job's history is its events; what it was given is told to operators alone, and goes to the audit log", async () => {
    const id = await failed("ModelRefused")
    const headers = await cookieOf("operator", "choi")
    const { body } = await call("GET", `/ops/jobs/${id}`, { headers })
    expect(
      body.events.map((event: { readonly stage: string; readonly status: string }) => `${event.stage} ${event.status}`)
    ).toEqual(["queued started", "vision started", "failed failed"])
    const parts = (await call("POST", `/ops/jobs/${id}/reveal`, { headers })).body
    expect(parts.input.image._tag).toBe("Url")
    expect((await acts()).find(({ who }) => who === "choi")).toBeDefined()
    expect((await acts()).find(({ what }) => what === "console.reveal")).toMatchObject({
      who: "choi",
      target: `job_id=${id}`
    })
    const nobody = "00000000-0000-0000-0000-000000000000"
    expect((await call("POST", `/ops/jobs/${nobody}/reveal`, { headers })).status).toBe(404)
  })

  it("the console's page is on the operators' port alone, under a policy that allows nothing from elsewhere", async () => {
    const page = await fetch(`${gateway.admin}/console`)
    expect([page.status, page.headers.get("content-security-policy")]).toEqual([
      200,
      expect.stringContaining("default-src 'self'")
    ])
    for (const [, path] of (await page.text()).matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)) {
      expect([path, (await fetch(`${gateway.admin}${path}`)).status]).toEqual([path, 200])
    }
    expect((await fetch(`${gateway.address}/console`)).status).toBe(404)
  })
})
