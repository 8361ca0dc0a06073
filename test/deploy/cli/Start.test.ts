/**
 * What a start of the command line loads, by command: modules are counted, since seconds depend on the machine. A bound that is
 * passed names what came in new.
 */
import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { version } from "../../../deploy/cli/Version.ts"
import { runWith } from "./Operating.ts"

const main = fileURLToPath(new URL("../../../deploy/cli/eco2.mjs", import.meta.url))
const counter = pathToFileURL(fileURLToPath(new URL("../../harness/countModules.ts", import.meta.url))).href
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "eco2-start-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the command line as a process, with nobody to call; the files that it loaded, without Node's own. */
const started = async (...words: ReadonlyArray<string>) => {
  const env = { ECO2_STATE: folder, ECO2_URL: "http://127.0.0.1:9", INTERNAL_SECRET: "nobody asks", NO_COLOR: "1" }
  const ran = await promisify(execFile)(process.execPath, ["--import", counter, main, ...words], { env }).catch(
    (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error
  )
  const [text = "", loaded = ""] = ran.stderr.split("modules: ")
  const modules = loaded.split("\n").filter((url) => url !== "")
  return { code: "code" in ran ? ran.code : 0, out: ran.stdout, err: text, modules }
}
const own = (modules: ReadonlyArray<string>) => modules.filter((url) => !url.includes("countModules"))

describe("a start of the command line", () => {
  it("eco2 --version and eco2 --help load no library", async () => {
    for (const words of [["--version"], ["-v"], ["--help"], ["-h"]]) {
      const { code, err, modules, out } = await started(...words)
      expect([code, err], words.join(" ")).toEqual([0, ""])
      expect(out).toContain(words[0]!.includes("v") ? `eco2 v${version}` : "SUBCOMMANDS")
      expect(own(modules).length, words.join(" ")).toBeLessThanOrEqual(2)
    }
  })

  it("the help that is kept is the help of the command line", async () => {
    const { code, err, out } = await runWith({ NO_COLOR: "1" })("--help")
    expect([code, err]).toEqual([0, ""])
    await expect(`${out}\n`).toMatchFileSnapshot("../../../deploy/cli/help.txt")
    expect((await runWith({ NO_COLOR: "1" })("--version")).out).toBe(`eco2 v${version}`)
  })

  it("a command's help and a wrong flag load no HTTP and no schema of a call", async () => {
    for (const [code, ...words] of [
      [0, "jobs", "list", "--help"],
      [2, "jobs", "list", "--stat", "open"]
    ] as const) {
      const { code: ended, modules } = await started(...words)
      expect(ended).toBe(code)
      expect(
        own(modules).filter((url) => /\/effect\/dist\/http-api\/|\/ioredis\/|\/gateway\/src\/http\/Ops?Api/.test(url))
      ).toEqual([])
      expect(own(modules).length).toBeLessThanOrEqual(240)
    }
  })

  it("a call loads no Redis, no Postgres, no server and no index of Effect", async () => {
    const { code, err, modules } = await started("mailboxes")
    expect([code, err]).toEqual([5, expect.stringContaining("no answer from")])
    const unwanted =
      /\/ioredis\/|\/postgres\/|\/pino|\/core\/src\/redis\/|\/effect\/dist\/(\w+\/)?index\.js|\/platform-node/
    expect(own(modules).filter((url) => unwanted.test(url) && !url.endsWith("NodeRuntime.js"))).toEqual([])
    expect(own(modules).length).toBeLessThanOrEqual(320)
  })

  it("a reader that closes the pipe ends the command without a stack, also one that has no end", async () => {
    const gateway = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      const timer = setInterval(() => response.write("event: event\ndata: {}\n\n"), 50)
      response.on("close", () => clearInterval(timer))
    })
    gateway.listen(0, "127.0.0.1")
    await once(gateway, "listening")
    onTestFinished(() => {
      gateway.closeAllConnections()
      gateway.close()
    })
    const address = gateway.address()
    const env = {
      ECO2_STATE: folder,
      ECO2_URL: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
      INTERNAL_SECRET: "nobody asks",
      PATH: process.env.PATH
    }
    for (const words of ["--help | true", "jobs tail 2>&1 | head -1 > /dev/null"]) {
      const script = `"$0" "$1" ${words}; echo "code \${PIPESTATUS[0]}"`
      const { stderr, stdout } = await promisify(execFile)("bash", ["--norc", "-c", script, process.execPath, main], {
        env
      })
      expect([stdout, stderr], words).toEqual(["code 0\n", ""])
    }
  })
})
