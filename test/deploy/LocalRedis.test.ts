/** The folder and the Redis of `npm start`: one owner at a time, and no crash leaves a process behind or loses data. */
import { describe, expect, it, onTestFinished } from "vitest"
import { Cause, Effect, Exit } from "effect"
import type { Scope } from "effect"
import { Redis } from "ioredis"
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync, mkdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as LocalRedis from "../../deploy/local/LocalRedis.ts"
import * as LocalState from "../../deploy/local/LocalState.ts"
import { startOf } from "../../scripts/ProcessLock.mjs"

const folder = () => {
  const directory = mkdtempSync(join(tmpdir(), "eco2 local "))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

interface Owner {
  readonly process: ChildProcess
  readonly url: string
  readonly redis: number
}

/** Another process that holds the folder and runs its Redis; both are ended with the test. */
async function owner(directory: string): Promise<Owner> {
  const script = fileURLToPath(new URL("./localRedisOwner.ts", import.meta.url))
  const child = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith("{")) continue
    const { url, pid } = JSON.parse(line)
    onTestFinished(() => {
      if (startOf(pid) !== undefined) process.kill(pid, "SIGKILL")
    })
    return { process: child, url, redis: pid }
  }
  throw new Error("the owner ended before its Redis was up")
}

const using = <A>(url: string, work: (redis: Redis) => Promise<A>) =>
  Effect.promise(async () => {
    const client = new Redis(url, { retryStrategy: null, maxRetriesPerRequest: 0 })
    client.on("error", () => undefined)
    try {
      return await work(client)
    } finally {
      client.disconnect()
    }
  })

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

describe("LocalRedis", () => {
  it("LocalRedis writes an append-only file, never evicts, and ends with its scope", async () => {
    const directory = folder()
    const pid = await run(
      Effect.gen(function* () {
        const redis = yield* LocalRedis.make({ directory: join(directory, "redis") })
        const settings = yield* using(redis.url, (client) =>
          client.config("GET", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save", "bind")
        )
        expect(settings).toEqual(
          expect.arrayContaining(["appendonly", "yes", "appendfsync", "everysec", "noeviction", "127.0.0.1"])
        )
        expect(settings).toEqual(expect.arrayContaining(["maxmemory", String(512 * 1024 * 1024)]))
        return redis.pid
      })
    )
    expect(startOf(pid)).toBeUndefined()
    expect(readdirSync(join(directory, "redis"))).toContain("redis.log")
  })

  it("LocalRedis answers nobody without its password, which no command line has, and another start another one", async () => {
    const directory = folder()
    const passwords: Array<string> = []
    for (let start = 0; start < 2; start++) {
      await run(
        Effect.gen(function* () {
          const redis = yield* LocalRedis.make({ directory: join(directory, "redis") })
          const { host, password } = new URL(redis.url)
          passwords.push(password)
          for (const url of [`redis://${host}`, `redis://:guessed@${host}`])
            expect(yield* using(url, (client) => client.keys("*").catch(String))).toMatch(/NOAUTH|WRONGPASS/)
          expect(yield* using(redis.url, (client) => client.set("k", "v"))).toBe("OK")
          const commands = spawnSync("ps", ["-ww", "-o", "command=", "-p", String(redis.pid)], {
            encoding: "utf8"
          }).stdout
          expect(commands).toMatch(/redis|valkey/)
          expect(commands).not.toContain(password)
          expect(statSync(join(directory, "redis", "private.conf")).mode & 0o777).toBe(0o600)
          expect(statSync(join(directory, "redis")).mode & 0o777).toBe(0o700)
        })
      )
    }
    expect(new Set(passwords).size).toBe(2)
    expect(passwords.every((password) => password.length >= 32)).toBe(true)
  })

  it("a server left behind by a killed start is found and ended, and its data is kept", async () => {
    const directory = folder()
    const before = await owner(directory)
    await run(using(before.url, (client) => client.set("kept", "yes")))
    before.process.kill("SIGKILL")
    await once(before.process, "exit")
    expect(startOf(before.redis)).toBeDefined()
    const after = await run(
      Effect.gen(function* () {
        const redis = yield* LocalRedis.make({ directory: join(directory, "redis") })
        expect(startOf(before.redis)).toBeUndefined()
        expect(yield* using(redis.url, (client) => client.get("kept"))).toBe("yes")
        return redis.pid
      })
    )
    expect(startOf(after)).toBeUndefined()
  })

  it("a server left behind is ended even when it is frozen", async () => {
    const directory = folder()
    const before = await owner(directory)
    before.process.kill("SIGKILL")
    await once(before.process, "exit")
    process.kill(before.redis, "SIGSTOP")
    await run(LocalRedis.make({ directory: join(directory, "redis") }))
    expect(startOf(before.redis)).toBeUndefined()
  })

  it("another program with the pid of an old pid file is left alone", async () => {
    const directory = folder()
    mkdirSync(join(directory, "redis"))
    writeFileSync(join(directory, "redis", "redis.pid"), `${process.pid}\n`)
    await run(LocalRedis.make({ directory: join(directory, "redis") }))
    expect(startOf(process.pid)).toBeDefined()
  })

  it("SIGTERM to its owner ends the server too", async () => {
    const running = await owner(folder())
    running.process.kill("SIGTERM")
    await once(running.process, "exit")
    // the owner leaves only after its finalizer has seen the server end
    expect(startOf(running.redis)).toBeUndefined()
  })

  it("the server runs in a process group of its own, so that the terminal's Ctrl-C does not reach it", async () => {
    const running = await owner(folder())
    // signalling the group of that number succeeds only if the server leads a group
    expect(process.kill(-running.redis, 0)).toBe(true)
  })

  it("the server's owner is told when it dies unasked", async () => {
    const directory = folder()
    const exit = await Effect.runPromiseExit(
      Effect.scoped(
        Effect.gen(function* () {
          const redis = yield* LocalRedis.make({ directory })
          process.kill(redis.pid, "SIGKILL")
          return yield* redis.died
        })
      )
    )
    expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("stopped unexpectedly")
  })

  it("a folder that cannot be used is one clear error", async () => {
    const directory = folder()
    writeFileSync(join(directory, "redis"), "a file in the way")
    const error = await run(Effect.flip(LocalRedis.make({ directory: join(directory, "redis") })))
    expect(error).toBeInstanceOf(LocalRedis.LocalRedisError)
    expect(error.message).toContain("EEXIST")
  })

  it("data that cannot be loaded is an error with the log's last lines", async () => {
    const directory = folder()
    mkdirSync(join(directory, "appendonlydir"))
    writeFileSync(join(directory, "appendonlydir", "appendonly.aof.manifest"), "nonsense\n")
    const error = await run(Effect.flip(LocalRedis.make({ directory })))
    expect(error.message).toMatch(/ended at once.*\n.*manifest/s)
  })
})

describe("LocalState", () => {
  it("a second start on a state folder is refused, and names the first", async () => {
    const directory = folder()
    const first = await owner(directory)
    const error = await run(Effect.flip(LocalState.make({ directory })))
    expect(error).toMatchObject({ _tag: "LocalStateBusy", pid: first.process.pid })
    expect(error.message).toContain(`already running as process ${first.process.pid}`)
  })

  it("a state folder is free again after its scope closed, and after its holder was killed", async () => {
    const directory = folder()
    await run(LocalState.make({ directory }))
    const killed = await owner(directory)
    killed.process.kill("SIGKILL")
    await once(killed.process, "exit")
    expect((await run(LocalState.make({ directory }))).path("redis")).toMatch(/redis$/)
    expect(readdirSync(directory)).toEqual(["redis"])
  })

  it("a state folder that others could read is closed to them, with all in it, and nothing outside is", async () => {
    const directory = folder()
    const outside = join(folder(), "outside")
    writeFileSync(outside, "", { mode: 0o644 })
    for (const path of [directory, join(directory, "redis"), join(directory, "redis", "appendonlydir")])
      mkdirSync(path, { recursive: true, mode: 0o755 })
    const files = [join(directory, "redis", "redis.log"), join(directory, "redis", "appendonlydir", "aof.1")]
    for (const file of files) writeFileSync(file, "", { mode: 0o644 })
    symlinkSync(outside, join(directory, "link"))
    chmodSync(directory, 0o755)
    await run(LocalState.make({ directory }))
    const modes = (paths: ReadonlyArray<string>) => paths.map((path) => (statSync(path).mode & 0o777).toString(8))
    expect(modes([directory, join(directory, "redis"), join(directory, "redis", "appendonlydir")])).toEqual([
      "700",
      "700",
      "700"
    ])
    expect(modes(files)).toEqual(["600", "600"])
    expect(modes([outside])).toEqual(["644"])
    const made = join(folder(), "made")
    await run(LocalState.make({ directory: made }))
    expect(modes([made])).toEqual(["700"])
  })

  it("a lock whose pid belongs to another process by now counts as left behind", async () => {
    const directory = folder()
    mkdirSync(join(directory, "lock"))
    writeFileSync(join(directory, "lock", "holder.json"), JSON.stringify({ pid: process.pid, start: "long ago" }))
    expect(await run(LocalState.make({ directory }))).toMatchObject({ directory })
  })

  it("exactly one of six starts at once gets the lock, also when a dead holder has left it behind", async () => {
    const directory = folder()
    mkdirSync(join(directory, "lock"))
    writeFileSync(join(directory, "lock", "holder.json"), JSON.stringify({ pid: process.pid, start: "long ago" }))
    const lockModule = new URL("../../scripts/ProcessLock.mjs", import.meta.url).href
    const contender = `import { take } from ${JSON.stringify(lockModule)}
      console.log(take(process.argv[1]).taken); process.stdin.resume()`
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", contender, join(directory, "lock")], {
        stdio: ["pipe", "pipe", "inherit"]
      })
    )
    onTestFinished(() => children.forEach((child) => child.kill("SIGKILL")))
    const answers = await Promise.all(
      children.map(async (child) => {
        for await (const line of createInterface(child.stdout)) return line
        return "ended"
      })
    )
    expect(answers.toSorted()).toEqual(["false", "false", "false", "false", "false", "true"])
  })
})
