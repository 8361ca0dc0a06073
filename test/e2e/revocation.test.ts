/** Revocation across processes: refused everywhere within a second, by those that were cut off or frozen once they are back. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { setTimeout as delay } from "node:timers/promises"
import { send } from "../harness/RawRequest.ts"
import { bySecret, inSeconds, signed } from "../harness/TokenIssuer.ts"
import type { Process as Running } from "../harness/Process.ts"
import * as System from "./System.ts"

const secret = "only services know this"
const path = "/api/v1/scan/9b2f0f7e-5b7f-4c63-9c52-000000000000/result"
let system: System.System
let gateways: ReadonlyArray<Running>
let authz: Running

beforeAll(async () => {
  system = await System.start({ ...bySecret, INTERNAL_SECRET: secret })
  const [one, two, three] = await Promise.all([system.start("gateway"), system.start("gateway"), system.start("authz")])
  gateways = [one, two]
  authz = three
})
afterAll(() => system.stop())

const statusOf = async (process: Running, jti: string) =>
  (await send(process.address, path, { headers: { authorization: `Bearer ${signed({ jti })}` } })).status
const revoke = async (jti: string) => {
  const answer = await send(gateways[0]!.address, "/api/v1/internal/blacklist", {
    method: "POST",
    headers: { "x-internal-secret": secret },
    body: JSON.stringify({
      jti,
      user_id: "ann",
      expires_at: new Date(inSeconds(600) * 1_000).toISOString(),
      reason: "logout"
    })
  })
  expect(answer.status).toBe(204)
}
/** Milliseconds until the process refuses the token; a second at most. */
const refusedAfter = async (process: Running, jti: string, deadlineMillis = 1_000) => {
  const since = performance.now()
  while ((await statusOf(process, jti)) !== 403) {
    if (performance.now() - since > deadlineMillis) throw new Error(`not refused within ${deadlineMillis} ms`)
    await delay(1)
  }
  return performance.now() - since
}

describe("a revoked token in other processes", () => {
  it("a revoked token is refused by three processes within a second", async () => {
    const processes = [...gateways, authz]
    const took: Array<number> = []
    for (let i = 0; i < 20; i++) {
      const jti = `token ${i}`
      const before = await Promise.all(processes.map((process) => statusOf(process, jti)))
      expect(before).toEqual([404, 404, 200])
      await revoke(jti)
      took.push(...(await Promise.all(processes.map((process) => refusedAfter(process, jti)))))
    }
    const sorted = took.toSorted((a, b) => a - b)
    // told, not judged: the machine may be busy
    process.stdout.write(
      `revocation to refusal, ms: p50 ${sorted[30]?.toFixed(1)}, max ${sorted.at(-1)?.toFixed(1)} of ${sorted.length}\n`
    )
  })

  it("a token revoked while a process was frozen is refused once the process runs again", async () => {
    authz.signal("SIGSTOP")
    for (let i = 0; i < 20; i++) await revoke(`frozen ${i}`)
    authz.signal("SIGCONT")
    for (let i = 0; i < 20; i++) await refusedAfter(authz, `frozen ${i}`)
  })

  it("a revoked token is refused by the first answer of a process that starts later", async () => {
    await revoke("late")
    const late = await system.start("authz")
    expect(await statusOf(late, "late")).toBe(403)
    expect((await late.stop()).code).toBe(0)
  })
})
