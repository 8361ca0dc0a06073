/** The private Redis that all other tests stand on: what it promises about starting, dying and coming back. */
import { describe, expect, inject, it, onTestFinished } from "vitest"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RedisServer } from "@eco2/core/testing"
import { ensure, find, redisServer } from "../../../deploy/local/SystemProgram.ts"
import { startOf } from "../../../scripts/ProcessLock.mjs"

const started = async (options?: RedisServer.Options) => {
  const server = await RedisServer.start(options)
  onTestFinished(() => server.stop())
  return server
}
const connected = (url: string, commandTimeout = 5000) => {
  const client = new Redis(url, { retryStrategy: null, maxRetriesPerRequest: 0, commandTimeout })
  client.on("error", () => undefined)
  onTestFinished(() => client.disconnect())
  return client
}

describe("RedisServer", () => {
  it("RedisServer.start resolves to a server that answers; stop ends it and removes its folder", async () => {
    const server = await started()
    expect(await connected(server.url).ping()).toBe("PONG")
    await server.stop()
    expect(startOf(server.pid)).toBeUndefined()
    expect(existsSync(server.directory)).toBe(false)
    await server.stop()
  })

  it("a server killed with kill9 restarts on the same port with what was on disk", async () => {
    const server = await started({ args: ["--appendonly", "yes", "--appendfsync", "always"] })
    await connected(server.url).set("kept", "yes")
    const { pid } = server
    await server.kill9()
    expect(startOf(pid)).toBeUndefined()
    await server.restart()
    expect(server.pid).not.toBe(pid)
    expect(await connected(server.url).get("kept")).toBe("yes")
  })

  it("a frozen server keeps its connections and answers nothing, and can be stopped", async () => {
    const server = await started()
    const client = connected(server.url, 100)
    await client.ping()
    server.freeze()
    await expect(client.ping()).rejects.toThrow("Command timed out")
    server.thaw()
    const later = connected(server.url)
    expect(await later.ping()).toBe("PONG")
    server.freeze()
    await server.stop()
    expect(startOf(server.pid)).toBeUndefined()
  })

  it("a server runs in a folder with spaces and quotes in its name, and does not remove a given folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'eco2 it\'s "here" '))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const server = await started({ directory: folder, args: ["--appendonly", "yes"] })
    expect(await connected(server.url).set("a", "1")).toBe("OK")
    await server.stop()
    expect(existsSync(join(folder, "redis.log"))).toBe(true)
  })

  it("a server that does not start fails with the server's own words", async () => {
    await expect(RedisServer.start({ args: ["--maxmemory", "much"] })).rejects.toThrow(/ended at once.*\n.*maxmemory/s)
    const occupant = createServer().listen(0, "127.0.0.1")
    onTestFinished(() => void occupant.close())
    await new Promise((resolve) => occupant.once("listening", resolve))
    const address = occupant.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    await expect(RedisServer.start({ port })).rejects.toThrow(/in use/i)
  })

  const mute = () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2-mute-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const program = join(folder, "mute")
    writeFileSync(program, "#!/bin/sh\necho $$ > pid\nexec sleep 600\n", { mode: 0o755 })
    return { program, directory: folder, pid: () => Number(readFileSync(join(folder, "pid"), "utf8")) }
  }

  it("a server that never becomes ready leaves no process behind", async () => {
    const { pid, ...options } = mute()
    await expect(RedisServer.start({ ...options, readyMillis: 300 })).rejects.toThrow("in time")
    expect(startOf(pid())).toBeUndefined()
  })

  it("an interrupted start leaves no server process behind", async () => {
    const { pid, ...options } = mute()
    await Effect.runPromise(Effect.scoped(RedisServer.scoped(options)).pipe(Effect.timeoutOption(300)))
    await expect.poll(() => startOf(pid())).toBeUndefined()
  })

  it("a program that does not exist is named by the failed start", async () => {
    await expect(RedisServer.start({ program: join(tmpdir(), "absent") })).rejects.toThrow("cannot be run")
  })

  it("TEST_REDIS names the server that is started, and no other is started where it cannot be run", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2-named-"))
    const before = process.env.TEST_REDIS
    onTestFinished(() => {
      if (before === undefined) delete process.env.TEST_REDIS
      else process.env.TEST_REDIS = before
      rmSync(folder, { recursive: true, force: true })
    })
    const named = join(folder, "named-server")
    writeFileSync(named, `#!/bin/sh\ntouch '${folder}/started'\nexec '${find(redisServer)}' "$@"\n`, { mode: 0o755 })
    process.env.TEST_REDIS = named
    const server = await started()
    expect(await connected(server.url).ping()).toBe("PONG")
    expect(existsSync(join(folder, "started"))).toBe(true)
    process.env.TEST_REDIS = join(folder, "absent")
    await expect(RedisServer.start()).rejects.toThrow(/absent cannot be run/)
    await expect(ensure(redisServer, () => undefined)).rejects.toThrow(/TEST_REDIS=.*absent names no program/)
  })

  it("a scoped server runs exactly as long as its scope", async () => {
    const pid = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* RedisServer.scoped()
          expect(startOf(server.pid)).toBeDefined()
          return server.pid
        })
      )
    )
    expect(startOf(pid)).toBeUndefined()
  })

  it("every test file has a running server under `redisUrl`", async () => {
    expect(await connected(inject("redisUrl")).ping()).toBe("PONG")
  })
})
