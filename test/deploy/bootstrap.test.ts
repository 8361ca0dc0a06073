/**
 * The script that prepares a clone, run as npm runs it, with a fake npm that only counts installations. Every `npm test` on a
 * clean clone begins with the real installation.
 */
import { describe, expect, it, onTestFinished } from "vitest"
import { spawn } from "node:child_process"
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const scripts = fileURLToPath(new URL("../../scripts/", import.meta.url))
const packaged = join("node_modules", `node-${process.platform}-${process.arch}`, "bin", "node")

/** Fails as often as the file `failures` has lines; then it removes node_modules as `npm ci` does and makes a packaged Node. */
const npm = `
  const fs = require("node:fs")
  const path = require("node:path")
  fs.appendFileSync("npm.calls", process.argv.slice(2).join(" ") + "\\n")
  fs.rmSync("node_modules", { recursive: true, force: true })
  const failures = fs.existsSync("failures") ? fs.readFileSync("failures", "utf8").split("\\n").slice(1) : []
  fs.writeFileSync("failures", failures.join("\\n"))
  if (failures.length > 0) process.exit(1)
  const node = ${JSON.stringify(packaged)}
  fs.mkdirSync(path.dirname(node), { recursive: true })
  fs.writeFileSync(node, "#!/bin/sh\\necho v24.0.0\\n", { mode: 0o755 })
  fs.mkdirSync("node_modules/.bin")
`

/** A checkout with nothing installed. */
function clone() {
  const root = mkdtempSync(join(tmpdir(), "eco2 clone "))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  cpSync(scripts, join(root, "scripts"), { recursive: true })
  writeFileSync(join(root, "package-lock.json"), "{}\n")
  mkdirSync(join(root, "npm"))
  writeFileSync(join(root, "npm", "npm-cli.js"), npm)
  return root
}

async function bootstrap(root: string, node = process.execPath) {
  const env = { ...process.env, npm_execpath: join(root, "npm", "npm-cli.js"), npm_node_execpath: process.execPath }
  // run from another folder: the script finds its own checkout
  const child = spawn(node, [join(root, "scripts", "bootstrap.mjs")], { cwd: tmpdir(), env })
  let said = ""
  child.stdout.on("data", (chunk) => (said += chunk))
  child.stderr.on("data", (chunk) => (said += chunk))
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve))
  return { code, said }
}

const calls = (root: string) =>
  existsSync(join(root, "npm.calls")) ? readFileSync(join(root, "npm.calls"), "utf8").trimEnd().split("\n") : []

describe("bootstrap", () => {
  it("bootstrap installs once for each lock file, development packages too, and is silent when there is nothing to do", async () => {
    const root = clone()
    expect(await bootstrap(root)).toEqual({ code: 0, said: "eco2: installing the packages (npm ci)\n" })
    expect(await bootstrap(root)).toEqual({ code: 0, said: "" })
    expect(calls(root)).toEqual(["ci --loglevel=error --include=dev --include=optional"])
    appendFileSync(join(root, "package-lock.json"), "\n")
    expect((await bootstrap(root)).code).toBe(0)
    expect(calls(root)).toHaveLength(2)
  })

  it("one of two bootstraps at once installs, and the other waits for it", async () => {
    const root = clone()
    const both = await Promise.all([bootstrap(root), bootstrap(root), bootstrap(root)])
    expect(both.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(calls(root)).toHaveLength(1)
  })

  it("a failed install is tried once more", async () => {
    const root = clone()
    writeFileSync(join(root, "failures"), "1\n")
    const { code, said } = await bootstrap(root)
    expect(said).toContain("npm ci ended with 1; trying once more")
    expect({ code, calls: calls(root).length }).toEqual({ code: 0, calls: 2 })
  })

  it("a second failure ends bootstrap with one clear line, and the next call tries again", async () => {
    const root = clone()
    writeFileSync(join(root, "failures"), "1\n2\n")
    const { code, said } = await bootstrap(root)
    expect(code).toBe(1)
    expect(said.trimEnd().split("\n").at(-1)).toMatch(/^eco2: the packages are not installed: npm ci ended with 1\./)
    expect((await bootstrap(root)).code).toBe(0)
  })

  it("a bootstrap takes over from one that was killed in between", async () => {
    const root = clone()
    mkdirSync(join(root, ".eco2", "bootstrap.lock"), { recursive: true })
    writeFileSync(join(root, ".eco2", "bootstrap.lock", "holder.json"), JSON.stringify({ pid: 1, start: "long ago" }))
    expect((await bootstrap(root)).code).toBe(0)
    expect(existsSync(join(root, ".eco2", "bootstrap.lock"))).toBe(false)
  })

  it("npm runs on a Node that the install does not delete, and the packaged Node comes first for later commands", async () => {
    const root = clone()
    await bootstrap(root)
    const own = join(root, "node_modules", ".bin", "node")
    expect(readFileSync(own, "utf8")).toContain("v24.0.0")
    // the second time the caller is the packaged Node itself: here a link to a real one
    rmSync(own)
    symlinkSync(process.execPath, own)
    chmodSync(own, 0o755)
    appendFileSync(join(root, "package-lock.json"), "\n")
    expect((await bootstrap(root, own)).code).toBe(0)
    expect(readFileSync(own, "utf8")).toContain("v24.0.0")
  })

  it("a checkout that cannot be written to is named", async () => {
    const root = clone()
    writeFileSync(join(root, ".eco2"), "a file in the way")
    const { code, said } = await bootstrap(root)
    expect(code).toBe(1)
    expect(said).toMatch(/^eco2: .*EEXIST/)
  })
})
