/** Redis over TLS (`rediss://`): real roles, a real server, and a certificate authority made for this test alone. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { client } from "../gateway/ScanClient.ts"
import { simulatedOnly } from "../gateway/Serving.ts"
import * as Process from "../harness/Process.ts"

const openssl = (...words: ReadonlyArray<string>) => {
  const { error, status, stderr } = spawnSync("openssl", words, { encoding: "utf8" })
  if (error !== undefined || status !== 0) throw new Error(`openssl ${words[0]}: ${error?.message ?? stderr}`)
}
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

/** A CA, and a certificate of it for loopback. */
const certify = (folder: string, name: string) => {
  const at = (file: string) => join(folder, `${name}-${file}`)
  writeFileSync(at("san"), "subjectAltName=IP:127.0.0.1")
  openssl("req", "-x509", ...newKey, "-subj", `/CN=${name}`, "-keyout", at("ca.key"), "-out", at("ca.crt"))
  openssl("req", ...newKey.slice(0, -2), "-subj", "/CN=redis", "-keyout", at("key"), "-out", at("csr"))
  const signing = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("san")]
  openssl("x509", "-req", "-in", at("csr"), ...signing, "-out", at("crt"))
  return { ca: at("ca.crt"), key: at("key"), certificate: at("crt") }
}

/** Null if it can be tested here, else what is missing. */
const missing = await (async () => {
  if (spawnSync("openssl", ["version"]).error !== undefined) return "openssl is not installed"
  const probe = await RedisServer.start({ args: ["--tls-port", "0"] }).catch(() => null)
  await probe?.stop()
  return probe === null ? "this redis-server is built without TLS" : null
})()

describe.skipIf(missing !== null)(`rediss://${missing === null ? "" : ` (not tried: ${missing})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-tls-"))
  let server: RedisServer.RedisServer
  let ours: ReturnType<typeof certify>
  let strangers: ReturnType<typeof certify>
  let env: Readonly<Record<string, string>>
  const started: Array<Process.Process> = []

  beforeAll(async () => {
    ours = certify(folder, "ours")
    strangers = certify(folder, "strangers")
    const port = await RedisServer.freePort()
    const tls = ["--tls-port", String(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", ours.ca]
    server = await RedisServer.start({
      args: [...tls, "--tls-cert-file", ours.certificate, "--tls-key-file", ours.key]
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
