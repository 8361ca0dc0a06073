/** A permission that Deno lacks is named in the message; what may not be looked at does not count as missing. */
import { describe, expect, it, onTestFinished } from "vitest"
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { find, redisServer } from "../../deploy/local/SystemProgram.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const deno = join(root, "node_modules", ".bin", "deno")
const local = `${root}deploy/local`

/** The code's output, or the message of the error it throws. */
const told = (permissions: ReadonlyArray<string>, code: string) => {
  const program = `try { console.log(await (async () => { ${code} })()) } catch (error) { console.log(error.message) }; process.exit(0)`
  const words = ["run", "--no-prompt", "--allow-env", ...permissions, "-"]
  const { stderr, stdout } = spawnSync(deno, words, {
    cwd: root,
    input: `import process from "node:process"\n${program}`,
    encoding: "utf8",
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" }
  })
  return `${stdout}${stderr}`.trim()
}
const ensure = `const { ensure, redisServer } = await import("${local}/SystemProgram.ts"); return await ensure(redisServer, () => {})`
const folder = () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "eco2-denied-")))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
const modules = `--allow-read=${root}`

describe.skipIf(!existsSync(deno))("under Deno", () => {
  it("an installed redis-server that may not be looked for is not called missing: the permission is", () => {
    expect(told([modules], ensure)).toMatch(/^cannot look for redis-server or valkey-server: Requires read access/)
    expect(told(["--allow-read"], ensure)).toMatch(
      /^cannot look for redis-server or valkey-server: Requires sys access to "uid"/
    )
    expect(told(["--allow-read", "--allow-sys=uid"], ensure)).toBe(find(redisServer))
  })

  it("PostgreSQL's programs that may not be looked for are not called missing", () => {
    const code = `const found = await import("${root}packages/core/src/server/PostgresPrograms.ts"); return found.find()`
    expect(told([modules], code)).toMatch(/^Requires read access/)
  })

  it("a lock whose holder may not be asked for is not taken over", () => {
    const directory = folder()
    const lock = join(directory, "lock")
    mkdirSync(lock)
    writeFileSync(join(lock, "holder.json"), JSON.stringify({ pid: process.pid, start: "" }))
    const code = `const { take } = await import("${root}scripts/ProcessLock.mjs"); return take("${lock}").taken`
    const files = [`--allow-read=${root},${directory}`, `--allow-write=${directory}`]
    expect(told(files, code)).toMatch(/^Requires run access/)
    expect(told([...files, "--allow-run"], code)).toBe("false")
    expect(existsSync(join(lock, "holder.json"))).toBe(true)
  })

  it("no second Redis is started on data that an earlier one may still serve", async () => {
    const directory = folder()
    const orphan = spawn("sleep", ["60"])
    onTestFinished(() => void orphan.kill("SIGKILL"))
    writeFileSync(join(directory, "redis.pid"), String(orphan.pid))
    const code = `const { Effect } = await import("effect"); const { make } = await import("${local}/LocalRedis.ts");
      return await Effect.runPromise(Effect.scoped(Effect.as(make({ directory: "${directory}" }), "started")))`
    const looking = ["--allow-read", `--allow-write=${directory}`, "--allow-net=127.0.0.1"]
    expect(told([...looking, "--allow-sys"], code)).toMatch(
      /^cannot tell whether an earlier start's Redis still runs \(.*redis\.pid\): Requires run access/
    )
    expect(told([...looking, "--allow-sys", "--allow-run"], code)).toBe("started")
  })
})
