/** The private Redis that all other tests stand on: what it promises about starting, dying and coming back. */
import { describe, expect, inject, it, onTestFinished } from "vitest"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RedisServer } from "@eco2/core/testing"
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
  it("answers as soon as start resolves, and is gone with its folder after stop", async () => {
    const server = await started()
    expect(await connected(server.url).ping()).toBe("PONG")
    await server.stop()
    expect(startOf(server.pid)).toBeUndefined()
    expect(existsSync(server.directory)).toBe(false)
    await server.stop()
  })

  it("comes back on the same port with what was on disk after kill9", async () => {
    const server = await started({ args: ["--appendonly", "yes", "--appendfsync", "always"] })
    await connected(server.url).set("kept", "yes")
    const { pid } = server
    await server.kill9()
    expect(startOf(pid)).toBeUndefined()
    await server.restart()
    expect(server.pid).not.toBe(pid)
    expect(await connected(server.url).get("kept")).toBe("yes")
  })

  it("keeps its connections and answers nothing while frozen, and stops even then", async () => {
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

  it("works in a folder whose name has spaces and quotes, and leaves a given folder alone", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'eco2 it\'s "here" '))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const server = await started({ directory: folder, args: ["--appendonly", "yes"] })
    expect(await connected(server.url).set("a", "1")).toBe("OK")
    await server.stop()
    expect(existsSync(join(folder, "redis.log"))).toBe(true)
  })

  it("says why it did not start, with the server's own words", async () => {
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

  it("leaves no process behind that never becomes ready", async () => {
    const { pid, ...options } = mute()
    await expect(RedisServer.start({ ...options, readyMillis: 300 })).rejects.toThrow("in time")
    expect(startOf(pid())).toBeUndefined()
  })

  it("leaves no process behind when its start is interrupted", async () => {
    const { pid, ...options } = mute()
    await Effect.runPromise(Effect.scoped(RedisServer.scoped(options)).pipe(Effect.timeoutOption(300)))
    await expect.poll(() => startOf(pid())).toBeUndefined()
  })

  it("says so when the program does not exist", async () => {
    await expect(RedisServer.start({ program: join(tmpdir(), "absent") })).rejects.toThrow("cannot be run")
  })

  it("as a scoped resource lives exactly as long as its scope", async () => {
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

  it("is there for every test file under `redisUrl`", async () => {
    expect(await connected(inject("redisUrl")).ping()).toBe("PONG")
  })
})
