/** The database of `npm start`: one process a folder, restarted when it dies, ended with its owner. */
import { describe, expect, it, onTestFinished } from "vitest"
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Duration, Effect, Redacted, References, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as LocalPostgres from "../../deploy/local/LocalPostgres.ts"
import { startOf, take } from "../../scripts/ProcessLock.mjs"
import * as LogLines from "../core/redis/LogLines.ts"
import { until } from "../core/Until.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"

const folder = () => {
  const directory = mkdtempSync(join(tmpdir(), "eco2 local "))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.runPromise(Effect.scoped(Effect.provideService(effect, References.MinimumLogLevel, "None")))

const notes = PostgresStatement.make({
  name: "test",
  text: "SELECT text FROM notes",
  row: Schema.Struct({ text: Schema.String })
})
const on = (url: Redacted.Redacted) =>
  Postgres.layerUrl(Redacted.value(url), { pool: 1, timeout: Duration.seconds(10) })
const write = (url: Redacted.Redacted, text: string) =>
  Effect.provide(
    Postgres.Postgres.use((service) => service.script("test", text)),
    on(url)
  )
const read = (url: Redacted.Redacted) =>
  Effect.provide(
    Effect.map(
      Postgres.Postgres.use((service) => service.run(notes)),
      (rows) => rows.map(({ text }) => text)
    ),
    on(url)
  )

describe("LocalPostgres", { timeout: 120_000 }, () => {
  it("LocalPostgres serves nobody without its password, which is in no command line, and its socket is its user's alone", async () => {
    const directory = folder()
    await EmbeddedFolder.place(directory)
    await run(
      Effect.gen(function* () {
        const database = yield* LocalPostgres.make({ directory })
        const url = yield* database.url
        const given = new URL(Redacted.value(url))
        for (const password of ["", "guessed", given.password.slice(0, -1)]) {
          const other = new URL(given)
          other.password = password
          const refused = yield* Effect.flip(read(Redacted.make(other.href)))
          expect(String(refused)).toMatch(/password|28P01/)
        }
        const { stdout } = spawnSync("ps", ["-ww", "-o", "command=", "-p", String(database.pid())], {
          encoding: "utf8"
        })
        expect(stdout).toContain("embeddedPostgres")
        expect(stdout).not.toContain(given.password)
        expect(statSync(join(directory, "database.sock")).mode & 0o077).toBe(0)
        yield* write(url, "CREATE TABLE notes (text text)")
        expect(yield* read(url)).toEqual([])
      })
    )
  })

  it("LocalPostgres outlives clients that say nothing, much, or half a message", async () => {
    const directory = folder()
    await EmbeddedFolder.place(directory)
    await run(
      Effect.gen(function* () {
        const { url: given } = yield* LocalPostgres.make({ directory })
        const url = yield* given
        const { hostname, port } = new URL(Redacted.value(url))
        yield* Effect.promise(async () => {
          const ask = (bytes: Uint8Array) =>
            new Promise<void>((resolve) => {
              const socket = connect(Number(port), hostname, () => socket.end(bytes))
              socket.on("error", () => undefined).once("close", () => resolve())
            })
          const all = [
            new Uint8Array(0),
            new Uint8Array(20_000),
            Buffer.from([0, 0, 0, 8, 4, 210, 22, 46]),
            Buffer.from("GET / HTTP/1.1\r\n\r\n"),
            Buffer.from([0, 0, 0, 40, 0, 3, 0, 0])
          ]
          await Promise.all(all.map(ask))
        })
        yield* write(url, "CREATE TABLE notes (text text)")
        expect(yield* read(url)).toEqual([])
      })
    )
  })

  it("LocalPostgres keeps its data over a kill and a stop, restarts at the same address, and ends with its scope", async () => {
    const directory = folder()
    await EmbeddedFolder.place(directory)
    const pid = await run(
      Effect.gen(function* () {
        const database = yield* LocalPostgres.make({ directory })
        const url = yield* database.url
        yield* write(url, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('before the kill')")
        const killed = database.pid()!
        process.kill(killed, "SIGKILL")
        yield* until(Effect.sync(database.pid), (now) => now !== undefined && now !== killed)
        expect(yield* Effect.eventually(read(url))).toEqual(["before the kill"])
        return database.pid()!
      })
    )
    expect(startOf(pid)).toBeUndefined()
    const again = await run(
      Effect.flatMap(
        Effect.flatMap(LocalPostgres.make({ directory }), ({ url }) => url),
        read
      )
    )
    expect(again).toEqual(["before the kill"])
  })

  it("a folder that cannot be made is logged at each attempt to start the database", async () => {
    const file = join(folder(), "no folder")
    writeFileSync(file, "")
    const logs = LogLines.make()
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* LocalPostgres.make({ directory: join(file, "postgres") })
        yield* until(
          Effect.sync(() => logs.lines),
          (lines) => lines.length >= 2
        )
      }).pipe(Effect.scoped, Effect.provide(logs.layer))
    )
    expect(logs.lines[1]).toMatchObject({
      text: "embedded database failed; starting it again",
      facts: { error: expect.stringMatching(/^the embedded database cannot be started: .*ENOTDIR/) }
    })
  })

  it("a database whose first start was interrupted is made anew", async () => {
    const directory = folder()
    await run(
      Effect.gen(function* () {
        yield* LocalPostgres.make({ directory })
        // making a database takes seconds, on a loaded machine many
        yield* Effect.sync(() => existsSync(join(directory, "data", "base"))).pipe(
          Effect.repeat({ until: (made) => made, schedule: Schedule.spaced("10 millis") }),
          Effect.timeout("60 seconds")
        )
      })
    )
    await run(
      Effect.gen(function* () {
        const { url } = yield* LocalPostgres.make({ directory })
        yield* write(yield* url, "CREATE TABLE notes (text text)")
      })
    )
  }, 120_000)

  it("the database ends by itself when its owner is killed, and the next owner waits for that and has the data", async () => {
    const directory = folder()
    await EmbeddedFolder.place(directory)
    const script = fileURLToPath(new URL("./localPostgresOwner.ts", import.meta.url))
    const child = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] })
    onTestFinished(() => void child.kill("SIGKILL"))
    let pid = 0
    for await (const line of createInterface(child.stdout)) {
      if (!line.startsWith("{")) continue
      pid = JSON.parse(line).pid
      break
    }
    child.kill("SIGKILL")
    await once(child, "exit")
    const database = await run(
      Effect.gen(function* () {
        const { pid: current, url } = yield* LocalPostgres.make({ directory })
        const found = yield* read(yield* url)
        // two on one folder would ruin it: whoever holds it is the second, and the first has closed it
        expect(take(join(directory, "lock"))).toMatchObject({ taken: false, pid: current() })
        expect(current()).not.toBe(pid)
        return found
      })
    )
    // its memory takes a while to be given back
    await run(
      until(
        Effect.sync(() => startOf(pid)),
        (start) => start === undefined
      )
    )
    expect(database).toEqual(["of the first owner"])
  })
})
