/** Redis over TLS (`rediss://`): real roles, a real server, and a certificate authority made for this test alone. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { client } from "../gateway/ScanClient.ts"
import { simulatedOnly } from "../gateway/Serving.ts"
import * as Certificates from "../harness/Certificates.ts"
import * as Process from "../harness/Process.ts"

/** Null if it can be tested here, else what is missing. */
const missing = await (async () => {
  if (!Certificates.isInstalled()) return "openssl is not installed"
  const probe = await RedisServer.start({ args: ["--tls-port", "0"] }).catch(() => null)
  await probe?.stop()
  return probe === null ? "this redis-server is built without TLS" : null
})()

describe.skipIf(missing !== null)(`rediss://${missing === null ? "" : ` (not tried: ${missing})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-tls-"))
  let server: RedisServer.RedisServer
  let ours: Certificates.Authority
  let strangers: Certificates.Authority
  let env: Readonly<Record<string, string>>
  const started: Array<Process.Process> = []

  beforeAll(async () => {
    ours = Certificates.authority(folder, "ours")
    strangers = Certificates.authority(folder, "strangers")
    const { certificate, key } = ours.certify("redis", "IP:127.0.0.1")
    const port = await RedisServer.freePort()
    const tls = ["--tls-port", String(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", ours.ca]
    server = await RedisServer.start({
      args: [...tls, "--tls-cert-file", certificate, "--tls-key-file", key]
    })
    env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: `rediss://127.0.0.1:${port}` }
  })
  afterAll(async () => {
    await Promise.all(started.map((one) => one.kill9()))
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  it("a scan over rediss:// is done, with its events, when NODE_EXTRA_CA_CERTS has the authority", async () => {
    const trusting = { ...env, NODE_EXTRA_CA_CERTS: ours.ca }
    for (const role of ["gateway", "scan-worker"] as const) started.push(await Process.start(role, trusting))
    const ann = client(started[0]!)
    const answer = await ann.finished(await ann.accepted())
    expect(answer.body).toMatchObject({ status: "completed" })
  })

  it("a Redis certificate of an unknown authority is refused with one clear line of the log", async () => {
    const launched = Process.launch("gateway", { ...env, NODE_EXTRA_CA_CERTS: strangers.ca })
    const { error, level } = await launched.waitForLog(({ msg }) => msg === "redis connection failed")
    await launched.kill9()
    expect([level, error]).toEqual(["warn", "self-signed certificate in certificate chain"])
    expect(launched.output()).not.toContain("serving")
  })
})
