/** `npm start` for a new user: one line when it is ready, no process left when it ends, nothing lost in between. */
import { afterEach, describe, expect, it } from "vitest"
import { mkdtempSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as RedisServer from "../../packages/core/src/server/RedisServer.ts"
import { client, field, photo } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as NpmScript from "../harness/NpmScript.ts"
import { isLong } from "../harness/Long.ts"
import * as Process from "../harness/Process.ts"

const ready = /^Eco² is ready at (http:\S+)$/
const quick = { SIMULATED_VISION_MS: "0", SIMULATED_ANSWER_MS: "0" }
/** A model call without an answer within the test. */
const stuck = { SIMULATED_VISION_MS: "600000" }

const folders: Array<string> = []
/** An empty state folder. */
const state = () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2 start "))
  folders.push(folder)
  return folder
}
/** A state folder in which the database has been started before. */
const used = async () => {
  const folder = state()
  await EmbeddedFolder.place(join(folder, "postgres"))
  return folder
}

afterEach(() => {
  for (const folder of folders.splice(0)) {
    for (const { pid } of NpmScript.membersOf(folder)) process.kill(pid, "SIGKILL")
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
})

const npmStart = async (env: Readonly<Record<string, string>>) => {
  const start = NpmScript.run("start", { PORT: "0", ...env })
  const [, address = ""] = await start.waitForLine(ready)
  return { ...start, address }
}

const submitStuck = async (serving: { readonly address: string }) => {
  const scan = client(serving)
  const id = await scan.accepted()
  const stream = await EventStream.open(scan.eventsUrl(id), { headers: scan.headers })
  // left open: a viewer must not delay the end
  await stream.waitFor(({ event }) => event === "vision")
  return id
}

/** What other users of the machine may read or enter. The embedded database's files are behind their folder, which is closed. */
const openToOthers = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.startsWith(join(folder, "postgres", "data", "/")))
    .concat(folder)
    .filter((path) => (lstatSync(path).mode & 0o077) !== 0)

const statusOf = async (serving: { readonly address: string }, id: string) =>
  field((await client(serving).finished(id)).body, "status")

/** Finds left-behind processes in /proc. */
const notLinux = process.platform !== "linux"

describe.skipIf(notLinux)("npm start", () => {
  it("npm start prints once that it is ready and where; Ctrl-C ends all of it; the next start still has the result", async () => {
    const folder = state()
    const first = await npmStart({ ECO2_STATE: folder, ...quick })
    const probe = await fetch(`${first.address}/readyz`)
    expect(probe.status).toBe(200)
    // ready for news too, whose database takes seconds the first time
    expect((await fetch(`${first.address}/api/v1/info/news`)).status).toBe(200)
    // what the README shows, which earns 페티
    const id = await client(first).accepted({ image_url: photo, user_input: "How do I throw this away?" })
    const before = await client(first).finished(id)
    expect(openToOthers(folder)).toEqual([])
    expect(field(before.body, "status")).toBe("completed")
    const members = NpmScript.membersOf(folder).map(({ command }) => command)
    expect(members.filter((command) => /redis-server|valkey-server/.test(command))).toHaveLength(1)
    expect(members.filter((command) => command.includes("embeddedPostgres"))).toHaveLength(1)
    // reads wait a while for a database that starts, which takes seconds the first time
    const ann = client(first)
    const earned = field(field(before.body, "reward"), "name")
    expect(earned).toEqual(expect.any(String))
    const mine = await until(
      () => ann.get(`/api/v1/users/me/characters/${encodeURIComponent(String(earned))}/ownership`),
      ({ body, status }) => status === 200 && field(body, "owned") === true,
      90_000
    )
    expect(mine.status).toBe(200)
    first.interrupt()
    const exit = await first.exited
    // npm itself may report the signal that its group received
    expect([0, 130]).toContain(exit.code)
    expect(NpmScript.membersOf(folder)).toEqual([])
    const plain = first.stdout.filter((line) => !/^\{|^>|^$/.test(line))
    expect(plain).toEqual([`Eco² is ready at ${first.address}`])

    const second = await Process.start("all", { ECO2_STATE: folder, ...quick })
    // whether the character is new is in the database
    await until(
      () => client(second).get("/api/v1/users/me/characters"),
      ({ status }) => status === 200,
      60_000
    )
    expect((await client(second).result(id)).body).toEqual(before.body)
    await second.stop()
  })

  if (isLong)
    it("npm start hands open work to the next start when SIGTERM ends it with code 0, and leaves no process", async () => {
      const folder = await used()
      const first = await npmStart({ ECO2_STATE: folder, ...stuck, SHUTDOWN_GRACE: "100 millis" })
      const id = await submitStuck(first)
      first.terminate()
      expect((await first.exited).code, first.output()).toBe(0)
      expect(NpmScript.membersOf(folder)).toEqual([])

      const second = await Process.start("all", { ECO2_STATE: folder, ...quick })
      expect(await statusOf(second, id)).toBe("completed")
      expect((await second.stop()).code).toBe(0)
      expect(NpmScript.membersOf(folder)).toEqual([])
    })
})

describe.skipIf(notLinux)("the process behind npm start", () => {
  it("a start after kill -9 takes over the Redis left behind and completes its open work", async () => {
    const folder = await used()
    const lease = { LEASE: "1 second" }
    const first = await Process.start("all", { ECO2_STATE: folder, ...stuck, ...lease })
    const id = await submitStuck(first)
    await first.kill9()
    const left = () => NpmScript.membersOf(folder).map(({ command }) => command)
    // the database ends with its owner, the Redis stays behind
    await expect.poll(left, { interval: 20, timeout: 15_000 }).toEqual([expect.stringMatching(/redis|valkey/)])
    const second = await Process.start("all", { ECO2_STATE: folder, ...quick, ...lease })
    expect(await statusOf(second, id)).toBe("completed")
    expect((await second.stop()).code).toBe(0)
    expect(NpmScript.membersOf(folder)).toEqual([])
  })

  it("a second start on a state folder in use is refused with one line that names the process, which goes on", async () => {
    const folder = await used()
    const first = await Process.start("all", { ECO2_STATE: folder })
    const second = Process.launch("all", { ECO2_STATE: folder })
    expect(await second.exited).toEqual({ code: 1, signal: null })
    expect(second.lines).toHaveLength(1)
    expect(second.output()).toContain(`already running as process ${first.pid}`)
    // it may serve before it is ready
    await expect.poll(async () => (await fetch(`${first.address}/readyz`)).status, { timeout: 60_000 }).toBe(200)
    expect((await first.stop()).code).toBe(0)
  })

  it.for([
    { env: { LEASE: "abc" }, said: /LEASE is "abc"; allowed is a duration/ },
    { env: { PORT: "99999" }, said: /PORT is "99999"; allowed is a whole number from 0 to 65535/ },
    {
      env: { AUTH_MODE: "none", HOST: "0.0.0.0" },
      said: /AUTH_MODE is "none" while HOST is "0.0.0.0".*INSECURE_NONE=true/
    },
    { env: { OPENAI_MODELS: "gpt-5.2" }, said: /OPENAI_API_KEY/ }
  ])("a start with $env is refused with one line that says what is allowed, and code 1", async ({ env, said }) => {
    const folder = state()
    const start = Process.launch("all", { ECO2_STATE: folder, ...env })
    expect(await start.exited, start.output()).toEqual({ code: 1, signal: null })
    expect(start.lines).toHaveLength(1)
    expect(String(start.logs[0]?.msg)).toMatch(said)
    expect(NpmScript.membersOf(folder)).toEqual([])
  })

  it("a start on a port in use says so and ends with code 1", async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
    const address = taken.address()
    const port = typeof address === "object" && address !== null ? String(address.port) : ""
    const start = Process.launch("all", { ECO2_STATE: state(), PORT: port })
    expect(await start.exited).toEqual({ code: 1, signal: null })
    taken.close()
    expect(start.output()).toMatch(new RegExp(`address already in use.*${port}`))
  })

  if (isLong)
    it("a start with REDIS_URL starts no Redis of its own, and is ready only once that Redis answers", async () => {
      const folder = await used()
      const redis = await RedisServer.start()
      const port = await RedisServer.freePort()
      redis.freeze()
      const start = Process.launch("all", { ECO2_STATE: folder, REDIS_URL: redis.url, PORT: String(port), ...quick })
      try {
        await expect.poll(() => listens(port), { interval: 20, timeout: 60_000 }).toBe(true)
        const hasty = AbortSignal.timeout(100)
        const early = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: hasty }).catch(() => null)
        expect(early?.status).not.toBe(200)
        expect(start.output()).not.toMatch(/is ready at/)
        redis.thaw()
        const address = String((await start.waitForLog(({ msg }) => msg === "serving")).address)
        await until(
          async () => (await fetch(`${address}/readyz`)).status,
          (status) => status === 200,
          60_000
        )
        expect(await statusOf({ address }, await client({ address }).accepted())).toBe("completed")
        const others = NpmScript.membersOf(folder).filter(({ pid }) => pid !== start.pid)
        expect(others.map(({ command }) => command)).toEqual([expect.stringContaining("embeddedPostgres")])
        expect(readdirSync(folder).toSorted()).toEqual(["lock", "operator.json", "postgres"])
      } finally {
        redis.thaw()
        await start.stop()
        await redis.stop()
      }
    })

  if (isLong)
    it("a start whose Redis dies under open work ends at once with code 1, and says why", async () => {
      const folder = await used()
      const start = await Process.start("all", { ECO2_STATE: folder, ...stuck })
      await submitStuck(start)
      process.kill(Number(readFileSync(join(folder, "redis", "redis.pid"), "utf8")), "SIGKILL")
      expect((await start.exited).code).toBe(1)
      expect(start.logs.filter(({ level }) => level === "fatal").map(({ msg }) => msg)).toEqual([
        `the private Redis stopped unexpectedly; see ${join(folder, "redis", "redis.log")}`
      ])
      expect(existsSync(join(folder, "redis", "redis.log"))).toBe(true)
      await expect.poll(() => NpmScript.membersOf(folder), { interval: 20, timeout: 15_000 }).toEqual([])
    })

  if (isLong)
    it("a start waits for open work after the first SIGTERM, and ends at once after a second, with its Redis", async () => {
      const folder = await used()
      const start = await Process.start("all", { ECO2_STATE: folder, ...stuck, SHUTDOWN_GRACE: "10 minutes" })
      await submitStuck(start)
      start.signal("SIGTERM")
      await start.waitForLog(({ msg }) => String(msg).startsWith("stopping"))
      // as an impatient user does
      const again = setInterval(() => start.signal("SIGTERM"), 100)
      const exit = await start.exited
      clearInterval(again)
      expect(exit.code).toBe(1)
      await expect.poll(() => NpmScript.membersOf(folder), { interval: 20, timeout: 5_000 }).toEqual([])
    })
})

/** Whether a server listens on this port. */
const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("error", () => resolve(false))
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
  })
