/** The operators' calls on policies: refused without the secret; a change is merged into the policy, its bounds are checked. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "only operators know this"
let redis: RedisServer.RedisServer
let gateway: Serving
let other: Serving

beforeAll(async () => {
  redis = await RedisServer.start()
  const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url, INTERNAL_SECRET: secret }
  gateway = await start("gateway", env)
  other = await start("gateway", env)
})
afterAll(async () => {
  await gateway.stop()
  await other.stop()
  await redis.stop()
})

const call = async (at: Serving, method: string, path: string, body?: string, given: string | null = secret) => {
  const headers = {
    ...(given === null ? {} : { "x-internal-secret": given }),
    ...(body === undefined ? {} : { "content-type": "application/json" })
  }
  const response = await fetch(`${at.address}/api/v1/internal/ops/policies${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body })
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}
const unset = { capacity: null, timeout_ms: null, attempts: null, redrives: null, redrive_ms: null }

describe("the operators' API for policies", () => {
  it("policies are refused without the secret", async () => {
    for (const given of [null, `${secret}?`]) {
      expect((await call(gateway, "GET", "", undefined, given)).status).toBe(403)
      expect((await call(gateway, "PATCH", "/scan.vision", '{"attempts":1}', given)).status).toBe(403)
    }
    expect((await call(gateway, "GET", "")).body).toEqual([])
  })

  it("a body of more than 64 KiB is refused by a route that leaves reading to the framework, and the process goes on", async () => {
    const body = `{"attempts":5,"note":"${"x".repeat(65_536)}"}`
    const refused = await call(gateway, "PATCH", "/scan.vision", body)
    expect([refused.status, refused.body.detail]).toEqual([400, "the body could not be read, or is too large"])
    expect((await call(gateway, "GET", "")).body).toEqual([])
  })

  it("a PATCH of a policy sets the fields named, resets those that are null, keeps the rest, and reaches every gateway", async () => {
    const first = await call(gateway, "PATCH", "/scan.vision", '{"attempts":5,"timeout_ms":30000}')
    expect(first).toEqual({
      status: 200,
      body: { ...unset, mailbox: "scan.vision", attempts: 5, timeout_ms: 30_000 }
    })
    await expect.poll(async () => (await call(other, "GET", "")).body).toEqual([first.body])
    const second = await call(other, "PATCH", "/scan.vision", '{"attempts":null,"capacity":10}')
    expect(second.body).toEqual({ ...unset, mailbox: "scan.vision", capacity: 10, timeout_ms: 30_000 })
    await expect.poll(async () => (await call(gateway, "GET", "")).body).toEqual([second.body])
    await call(other, "PATCH", "/scan.vision", '{"timeout_ms":null,"capacity":null}')
    await expect.poll(async () => (await call(gateway, "GET", "")).body).toEqual([])
  })

  it("two PATCHes of one policy in quick succession, at different gateways, both stay", async () => {
    await call(gateway, "PATCH", "/scan.vision", '{"attempts":3}')
    const second = await call(other, "PATCH", "/scan.vision", '{"timeout_ms":30000}')
    expect(second.body).toEqual({ ...unset, mailbox: "scan.vision", attempts: 3, timeout_ms: 30_000 })
    await expect.poll(async () => (await call(gateway, "GET", "")).body).toEqual([second.body])
    await call(gateway, "PATCH", "/scan.vision", '{"timeout_ms":null,"attempts":null}')
    await expect.poll(async () => (await call(other, "GET", "")).body).toEqual([])
    await expect.poll(async () => (await call(gateway, "GET", "")).body).toEqual([])
  })

  it.each([
    ['{"attempts":0}', 422, "VALIDATION_ERROR"],
    ['{"timeout_ms":1.5}', 422, "VALIDATION_ERROR"],
    ['{"retries":3}', 422, "VALIDATION_ERROR"],
    ["[]", 422, "VALIDATION_ERROR"],
    ["{", 400, "INVALID_JSON"],
    [`{"attempts":${" ".repeat(5_000)}1}`, 400, "INVALID_JSON"]
  ])("a PATCH with %s is refused and changes nothing", async (body, status, code) => {
    expect(await call(gateway, "PATCH", "/scan.vision", body)).toMatchObject({
      status,
      ...(status === 422 ? {} : { body: { code } })
    })
    expect((await call(gateway, "GET", "")).body).toEqual([])
  })

  it("a policy of an unknown mailbox is answered with 404", async () => {
    expect((await call(gateway, "PATCH", "/scan.visoin", '{"attempts":1}')).status).toBe(404)
  })
})
