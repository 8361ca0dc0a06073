/**
 * The same sources under Deno, with only the permissions they need: `npm run start:deno` completes a scan, serves news, and stops
 * as `npm start` does; every role starts and stops.
 */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as DenoPermissions from "../../deploy/local/DenoPermissions.ts"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as NpmScript from "../harness/NpmScript.ts"
import { compileCache } from "../harness/Process.ts"

const deno = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url))

describe.skipIf(process.platform !== "linux" || !existsSync(deno))("npm run start:deno", () => {
  it("npm run start:deno completes a scan of an uploaded photo, and leaves no process after SIGTERM", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2 deno "))
    onTestFinished(() => {
      for (const { pid } of NpmScript.membersOf(folder)) process.kill(pid, "SIGKILL")
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    const start = NpmScript.run("start:deno", {
      PORT: "0",
      ECO2_STATE: folder,
      SIMULATED_VISION_MS: "20",
      SIMULATED_ANSWER_MS: "20"
    })
    const [, address = ""] = await start.waitForLine(/^Eco² is ready at (http:\S+)$/)
    expect((await fetch(`${address}/readyz`)).status).toBe(200)
    const members = NpmScript.membersOf(folder).map(({ command }) => command)
    expect(members.some((command) => /deno.* run --no-prompt .* deploy\/local\/main\.ts$/.test(command))).toBe(true)
    expect(members.filter((command) => /deno.* (-A|--allow-all)\b/.test(command))).toEqual([])
    expect(start.output()).toContain("the limit of open files cannot be read")

    const scan = client({ address })
    const id = await scan.accepted({ image_url: dataUrl(tinyPng) })
    const events = await EventStream.watch(scan.eventsUrl(id), { headers: scan.headers })
    expect(EventStream.told(events)).toEqual([
      "queued/started",
      ...["vision", "rule", "answer", "reward"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
      "done/completed"
    ])
    const result = await scan.result(id)
    expect(result.body).toEqual(events.at(-1)?.data.result)
    expect(field(result.body, "status")).toBe("completed")
    // its database runs under Deno too
    const mine = await until(
      () => scan.get("/api/v1/users/me/characters"),
      // the reward is saved with others, some seconds later
      ({ body, status }) => status === 200 && Array.isArray(body) && body.length > 0,
      90_000
    )
    expect(mine.body).toEqual([expect.objectContaining({ code: expect.stringMatching(/^char-/) })])
    // and the news collected meanwhile
    const news = await until(
      () => scan.get("/api/v1/info/news"),
      ({ body, status }) => status === 200 && field(body, "has_more") === true,
      90_000
    )
    expect(field(news.body, "articles")).toHaveLength(10)

    start.terminate()
    expect((await start.exited).code, start.output()).toBe(0)
    expect(NpmScript.membersOf(folder)).toEqual([])
  })
})

describe.skipIf(!existsSync(deno) || !PostgresServer.isInstalled())("a role under Deno", () => {
  const root = fileURLToPath(new URL("../../", import.meta.url))
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  let env: Readonly<Record<string, string>>
  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    env = {
      REDIS_URL: redis.url,
      DATABASE_URL: database.url(),
      HOST: "127.0.0.1",
      AUTH_MODE: "header",
      JWT_SECRET: "a secret of 32 bytes and a few more",
      JWT_ISSUER: "test",
      JWT_AUDIENCE: "test",
      OPENAI_MODELS: "",
      GEMINI_MODELS: "",
      SIMULATED_MODEL: "true",
      NEWS_SAMPLE: "true"
    }
    const migrate = spawn(process.execPath, ["deploy/cli/main.ts", "migrate"], {
      cwd: root,
      env: { PATH: process.env.PATH, ...compileCache, ...env },
      stdio: "inherit"
    })
    expect(await once(migrate, "exit")).toEqual([0, null])
  })
  afterAll(() => Promise.all([redis?.stop(), database?.stop()]))

  it.for(Object.keys(DenoPermissions.roles).filter((name) => name !== "all"))(
    "%s is ready with its permissions alone, and ends with code 0",
    async (role) => {
      const [port, admin] = [await RedisServer.freePort(), await RedisServer.freePort()]
      const child = spawn(process.execPath, ["scripts/deno.ts", role], {
        cwd: root,
        env: { PATH: process.env.PATH, ...compileCache, ...env, PORT: String(port), ADMIN_PORT: String(admin) }
      })
      onTestFinished(() => void child.kill("SIGKILL"))
      const lines: Array<string> = []
      for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", (line) => lines.push(line))
      const ended = once(child, "close")
      const ready = () => fetch(`http://127.0.0.1:${port}/readyz`).catch(() => ({ status: 0 }))
      await until(ready, ({ status }) => status === 200 || child.exitCode !== null, 60_000)
      const metrics = await fetch(`http://127.0.0.1:${admin}/metrics`)
      expect(await metrics.text()).toContain("eco2_")
      child.kill("SIGTERM")
      expect([await ended, lines.filter((line) => !line.includes("open files")).join("\n")]).toEqual([
        [0, null],
        expect.not.stringMatching(/NotCapable|Requires .* access|EPERM/)
      ])
    }
  )

  it("a gateway that may not read its scripts names the permission and the file", async () => {
    const words = ["run", "--no-prompt", "--allow-env", "--allow-sys=hostname", "--allow-net"]
    const child = spawn(deno, [...words, "packages/gateway/src/main.ts"], {
      cwd: root,
      env: { PATH: process.env.PATH, ...env, NO_COLOR: "1" }
    })
    let said = ""
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")))
    const [code] = await once(child, "close")
    expect([code, said]).toEqual([1, expect.stringMatching(/Requires read access to ".*\.lua"/)])
  })
})
