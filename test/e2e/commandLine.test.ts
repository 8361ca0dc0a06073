/** The command line as a person at a terminal runs it: with the system's npm and Node, beside a running `npm start`. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { client } from "../gateway/ScanClient.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"
import * as Process from "../harness/Process.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "eco2-cli-"))
const access = join(folder, "operator.json")
/** PATH without the entries that `npm test` added. */
const systemPath = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((part) => !part.includes("node_modules"))
  .join(delimiter)

const run = (program: string, words: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const { status, stderr, stdout } = spawnSync(program, words, {
    cwd: root,
    encoding: "utf8",
    env: { PATH: systemPath, HOME: process.env.HOME, ECO2_STATE: folder, ...Process.compileCache, ...env }
  })
  // the system's npm may print notes about its own settings
  return { status, stdout, stderr: stderr.replaceAll(/^npm warn .*\n/gm, "") }
}

let start: Process.Process
beforeAll(async () => {
  await EmbeddedFolder.place(join(folder, "postgres"))
  start = await Process.start("all", {
    ECO2_STATE: folder,
    SIMULATED_VISION_MS: "600000",
    SHUTDOWN_GRACE: "100 millis"
  })
})
afterAll(async () => {
  await start.kill9()
  rmSync(folder, { recursive: true, force: true })
})

describe("npx eco2", () => {
  it("npx eco2 finds the npm start of its checkout without settings, and prints only what was asked for", async () => {
    await expect.poll(() => statSync(access, { throwIfNoEntry: false })?.mode.toString(8)).toBe("100600")
    const id = await client(start, null).accepted()
    const listed = run("npx", ["eco2", "jobs", "list", "--pipeline", "scan", "--json"])
    expect([listed.status, listed.stderr]).toEqual([0, ""])
    expect(JSON.parse(listed.stdout).jobs).toMatchObject([{ job_id: id, pipeline: "scan" }])
    expect(run("npx", ["eco2", "jobs", "show", "nothing"])).toEqual({
      status: 3,
      stdout: "",
      stderr: "eco2: there is no job nothing\n"
    })
    expect(start.output()).not.toContain(JSON.parse(readFileSync(access, "utf8")).secret)
  })

  it("npx eco2 gives the same output as running its file, with any Node", () => {
    for (const words of [["deploy/cli/eco2.mjs"], ["node_modules/.bin/eco2"]]) {
      const { status, stderr, stdout } = run("node", [...words, "processes"])
      expect([status, stderr]).toEqual([0, ""])
      expect(stdout).toMatch(/^all\.\S+ +all +alive/m)
    }
    const own = run(join(root, "node_modules/.bin/node"), ["deploy/cli/main.ts", "mailboxes", "--json"])
    expect([own.status, own.stderr, JSON.parse(own.stdout).length]).toEqual([0, "", expect.any(Number)])
  })

  it("eco2 doctor beside npm start examines its private Redis, and takes its defaults", () => {
    const { status, stderr, stdout } = run("node", ["deploy/cli/eco2.mjs", "doctor", "--json"])
    const findings: ReadonlyArray<{ readonly check: string; readonly level: string; readonly found: string }> =
      JSON.parse(stdout).findings
    const levelOf = (check: string) => findings.find((one) => one.check === check)?.level
    expect([status, stderr, levelOf("redis.persistence"), levelOf("redis.memory")]).toEqual([0, "", "ok", "ok"])
    expect(stdout).not.toMatch(/redis:\/\/|requirepass/)
  })

  it("npx eco2 sends the secret of npm start to no other address", () => {
    const { status, stderr } = run("node", ["deploy/cli/eco2.mjs", "mailboxes"], { ECO2_URL: "http://127.0.0.1:9" })
    expect([status, stderr]).toEqual([4, expect.stringContaining("INTERNAL_SECRET")])
  })

  it("after npm start has ended its secret is gone, and npx eco2 finds no gateway", async () => {
    expect((await start.stop()).code).toBe(0)
    expect(statSync(access, { throwIfNoEntry: false })).toBe(undefined)
  })
})
