/**
 * embeddedPostgres: the embedded database as a process of its own (it takes half a gigabyte, and has one session), served on a
 * loopback port. LocalPostgres starts it as `embeddedPostgres.ts <folder> <port>`; port 0 is any. The first line of its standard
 * input is the password that connections need (PasswordDoor).
 * It writes `{"port": …}` once it accepts connections. When its standard input ends it closes its files and ends, so it does not
 * outlive its owner, however the owner ends.
 * One process holds the folder: it takes the folder's lock itself, and waits a while for a process that is ending.
 * Until it is ready it may be killed at any time: PGlite repeats an unfinished first start.
 */
import { PGlite } from "@electric-sql/pglite"
import { PGLiteSocketServer } from "@electric-sql/pglite-socket"
import { chmodSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import * as ProcessLock from "../../scripts/ProcessLock.mjs"
import * as PasswordDoor from "./PasswordDoor.ts"

const [, , folder = "", port = "0"] = process.argv
const lockMillis = 15_000

const take = async () => {
  const since = performance.now()
  for (;;) {
    const lock = ProcessLock.take(join(folder, "lock"))
    if (lock.taken) return lock
    if (performance.now() - since > lockMillis) throw new Error(`${folder} is in use by process ${lock.pid}`)
    await delay(20)
  }
}

let isOpen = false
const ended = new Promise<void>((resolve) => {
  // before it is open there is nothing to close: it ends at once, however long the opening would still take
  const stop = () => (isOpen ? resolve() : process.exit(0))
  process.stdin.once("end", stop).once("close", stop)
  process.once("SIGTERM", stop)
  // on Ctrl-C the owner shuts down and ends us last
  process.on("SIGINT", () => undefined)
})

/** In the working directory, because the path of a socket is limited to about a hundred characters. */
const inside = "database.sock"
const password = await new Promise<string>((resolve) => createInterface({ input: process.stdin }).once("line", resolve))

mkdirSync(folder, { recursive: true, mode: 0o700 })
process.chdir(folder)
const lock = await take()
process.once("exit", lock.release)
const db = await PGlite.create({ dataDir: join(folder, "data") })
isOpen = true
// a killed process leaves it behind
rmSync(inside, { force: true })
const server = new PGLiteSocketServer({ db, path: inside, maxConnections: 20 })
await server.start()
chmodSync(inside, 0o600)
const door = await PasswordDoor.open({ password, port: Number(port), inside })
process.stdout.write(`${JSON.stringify({ port: door.port })}\n`)
await ended
door.close()
await server.stop()
await db.close()
process.exit(0)
