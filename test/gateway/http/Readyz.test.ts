/** /readyz of both roles by Redis's answers, and no start on a Redis that would lose jobs. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Redis } from "ioredis"
import { RedisServer } from "@eco2/core/testing"
import { setTimeout as delay } from "node:timers/promises"
import { client, photo } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

let server: RedisServer.RedisServer
let admin: Redis
let env: Environment
const roles: Array<Serving> = []

beforeAll(async () => {
  server = await RedisServer.start()
  admin = new Redis(server.url, { protocol: 2 })
  admin.on("error", () => undefined)
  env = { ...simulatedOnly, REDIS_URL: server.url, AUTH_MODE: "none" }
})
afterAll(async () => {
  await Promise.all(roles.map((role) => role.stop()))
  admin.disconnect()
  await server.stop()
})

const readyz = async ({ address }: Serving) => {
  const response = await fetch(`${address}/readyz`)
  return { status: response.status, body: await response.text() }
}
const becomes = async (role: Serving, status: number, says: string) => {
  const deadline = performance.now() + 15_000
  for (;;) {
    const seen = await readyz(role)
    if (seen.status === status && seen.body.includes(says)) return
    if (performance.now() > deadline) throw new Error(`/readyz never became ${status}: ${seen.status} ${seen.body}`)
    await delay(50)
  }
}
const serving = async (role: "gateway" | "scan-worker", more: Environment = {}) => {
  const started = await start(role, { ...env, ...more })
  roles.push(started)
  return started
}

describe("/readyz", () => {
  it("A4 a gateway's /readyz fails while Redis is full, and accepted jobs are done meanwhile", async () => {
    const [gateway, worker] = [await serving("gateway"), await serving("scan-worker", { SIMULATED_VISION_MS: "3000" })]
    const ann = client(gateway)
    const accepted = await ann.accepted()
    await admin.config("SET", "maxmemory", "1")
    expect((await ann.submit({ image_url: photo })).status).toBe(503)
    await becomes(gateway, 503, '"redis","trouble":"Redis is full (maxmemory reached)"')
    expect((await ann.finished(accepted)).status).toBe(200)
    expect((await readyz(worker)).status).toBe(200)
    expect((await readyz(gateway)).status).toBe(503)
    await admin.config("SET", "maxmemory", "0")
    await becomes(gateway, 200, "ready")
  })

  it("A4 the /readyz of gateway and worker fails while Redis is away", async () => {
    const [gateway, worker] = [await serving("gateway"), await serving("scan-worker")]
    await server.kill9()
    await becomes(gateway, 503, "Redis does not answer")
    await becomes(worker, 503, "Redis does not answer")
    await server.restart()
    await becomes(gateway, 200, "ready")
    await becomes(worker, 200, "ready")
  })
})

describe("a role", () => {
  it("a role refuses to start on a Redis that evicts, unless REDIS_CHECK=warn", async () => {
    await admin.config("SET", "maxmemory-policy", "allkeys-lru")
    for (const role of ["gateway", "scan-worker"] as const) {
      await expect(start(role, env)).rejects.toMatchObject({
        _tag: "RedisUnsuitable",
        message: expect.stringContaining("noeviction is needed. REDIS_CHECK=warn starts anyway")
      })
      const warned = await serving(role, { REDIS_CHECK: "warn" })
      expect(warned.logs.filter(({ msg }) => msg === "redis does not meet the requirements")).toHaveLength(1)
    }
    await admin.config("SET", "maxmemory-policy", "noeviction")
  })
})
