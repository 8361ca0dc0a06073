/** The chart's single-process installation, started with the environment that the chart gives it, and the test of `helm test`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Chart from "../chart/Chart.ts"
import * as Process from "../harness/Process.ts"

const set = Chart.setOf("all-in-one")
const secret = String(Chart.at(set, "secrets", "values", "JWT_SECRET"))

describe.skipIf(Chart.missing || !PostgresServer.isInstalled())("the chart's all in one", { timeout: 120_000 }, () => {
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  let all: Process.Process
  let tested: Readonly<Record<string, string>>
  const state = mkdtempSync(join(tmpdir(), "eco2 chart "))

  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    const manifests = await Chart.render("all-in-one")
    const given = Chart.environment(manifests, Chart.named(manifests, "Deployment", "eco2-all")[0]!)
    const own = Object.fromEntries(Object.entries(given).filter(([name]) => name !== "DATABASE_PASSWORD"))
    all = await Process.start("all", {
      ...own,
      HOST: "127.0.0.1",
      PORT: "0",
      REDIS_URL: redis.url,
      DATABASE_URL: database.url(),
      JWT_SECRET: secret,
      ECO2_STATE: join(state, "eco2")
    })
    tested = {
      ...Chart.environment(manifests, Chart.named(manifests, "Pod", "eco2-test")[0]!),
      ECO2_URL: all.address,
      JWT_SECRET: secret
    }
  })
  afterAll(async () => {
    await all.stop()
    await Promise.all([redis.stop(), database.stop()])
    rmSync(state, { recursive: true, force: true })
  })

  const test = async (changes: Readonly<Record<string, string>> = {}) => {
    const child = spawn(process.execPath, [`${Chart.folder}/files/scan.mjs`], { env: { ...tested, ...changes } })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")))
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")))
    const [code] = await once(child, "close")
    return { code, output }
  }

  it("the chart's all-in-one starts no Redis and no database of its own, and the chart's test gets a scan to `done`", async () => {
    const { code, output } = await test()
    expect(code, output).toBe(0)
    expect(output).toContain("a caller without a token is turned away")
    expect(output).toMatch(/^scan \S+: done, /m)
    expect([existsSync(join(state, "eco2", "redis")), existsSync(join(state, "eco2", "postgres"))]).toEqual([
      false,
      false
    ])
  })

  it("the chart's test fails when its token is refused, and when the gateway does not answer", async () => {
    const foreign = await test({ JWT_SECRET: "another secret of more than thirty-two bytes" })
    expect(foreign).toMatchObject({ code: 1, output: expect.stringContaining("POST /api/v1/scan: 401") })
    const nobody = await test({ ECO2_URL: "http://127.0.0.1:9", TEST_SECONDS: "1" })
    expect(nobody).toMatchObject({ code: 1, output: expect.stringContaining("does not become ready") })
  })

  it("the chart's test makes no scan without the simulated model, and says so", async () => {
    expect(await test({ SIMULATED_MODEL: "false" })).toMatchObject({
      code: 0,
      output: expect.stringContaining("set settings.SIMULATED_MODEL=true")
    })
  })
})
