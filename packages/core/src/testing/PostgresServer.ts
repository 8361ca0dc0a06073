/**
 * PostgresServer: a private PostgreSQL on loopback, created and started in about a second, that can be stopped, killed and
 * restarted. Each server has its own temporary folder. Under root it runs as the user `postgres`, because it refuses to run as
 * root. Unless settings are given, nothing is synced to disk: a killed server's writes are in the page cache and survive.
 * Neighbours: RedisServer (the same for Redis), FaultProxy (connects to its port).
 */
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { connect } from "node:net"
import { Schema } from "effect"
import * as PostgresPrograms from "../server/PostgresPrograms.ts"
import { freePort } from "../server/RedisServer.ts"

/** The server did not start. `log`: the last lines it wrote, if any. */
export class PostgresServerFailed extends Schema.TaggedError<PostgresServerFailed>()("PostgresServerFailed", {
  problem: Schema.String,
  log: Schema.String
}) {
  override get message() {
    return this.log === "" ? this.problem : `${this.problem}; its log ends with\n${this.log}`
  }
}

export interface Options {
  /** Settings of the server, `name=value`, in place of those that keep it from syncing: `[]` leaves PostgreSQL its defaults. */
  readonly settings?: ReadonlyArray<string>
}

export interface PostgresServer {
  readonly port: number
  /** Process id of the server, the parent of its other processes; it changes with `restart`. */
  readonly pid: number
  /** `postgres://postgres@127.0.0.1:<port>/<database>` */
  readonly url: (database?: string) => string
  /** Creates an empty database of this name (a word); returns its URL. */
  readonly database: (name: string) => Promise<string>
  /** Ends connections and the server, then deletes its folder. Does nothing the second time. */
  stop(): Promise<void>
  /** SIGQUIT: no checkpoint, connections break; `restart` recovers committed data. */
  kill(): Promise<void>
  /** Starts it again on the same port and folder; first ends a running process. */
  restart(): Promise<void>
}

/** Whether a server can be started on this machine. */
export const isInstalled = (): boolean => PostgresPrograms.find() !== undefined

const readyMillis = 30_000
const stopMillis = 5_000

/** The user the server runs as, because root may not run it. */
function runner(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, "postgres"], { encoding: "utf8" }))
  if (uid?.status !== 0 || gid?.status !== 0) {
    throw new PostgresServerFailed({ problem: "root cannot run Postgres, and there is no user `postgres`", log: "" })
  }
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

const running = new Set<ChildProcess>()
let guarded = false
/** Kills the servers at `process.exit`, which runs no finalizers. */
function guardExit() {
  if (guarded) return
  guarded = true
  process.on("exit", () => {
    for (const child of running) child.kill("SIGQUIT")
  })
}

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("error", () => resolve(false))
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
  })

const tail = (text: string) => text.trimEnd().split("\n").slice(-12).join("\n")

/** Commits reach the page cache, not the disk: they survive a killed server, but perhaps not a killed machine. */
const unsynced = ["fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=100"]

/** Creates a database cluster and starts its server; rejects with PostgresServerFailed. The caller stops it. */
export async function start({ settings = unsynced }: Options = {}): Promise<PostgresServer> {
  const programs = PostgresPrograms.find()
  if (programs === undefined) {
    throw new PostgresServerFailed({ problem: "no PostgreSQL server is installed (initdb, postgres)", log: "" })
  }
  const identity = runner()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "eco2-postgres-")))
  if (identity !== undefined) chownSync(folder, identity.uid, identity.gid)
  const data = join(folder, "data")
  const logFile = join(folder, "postgres.log")
  const env = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", TZ: "UTC" }
  const removeFolder = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  const said = () => {
    try {
      return tail(readFileSync(logFile, "utf8"))
    } catch {
      return "" // it wrote none
    }
  }

  /** During recovery the server accepts connections and refuses them; its pid file tells when recovery is over. */
  const isReady = (pid: number | undefined) => {
    try {
      const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")
      return lines[0] === String(pid) && lines[7]?.trim() === "ready"
    } catch {
      return false // not written yet
    }
  }

  const run = (program: string, words: ReadonlyArray<string>) => {
    const log = openSync(logFile, "a")
    const child = spawn(join(programs, program), words, {
      ...identity,
      cwd: folder,
      env,
      stdio: ["ignore", log, log]
    })
    closeSync(log)
    const exited = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message))
      child.once("exit", (code, signal) => resolve(code === 0 ? "" : `${program} ended (${signal ?? `code ${code}`})`))
    })
    return { child, exited }
  }

  const made = run("initdb", ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"])
  const trouble = await made.exited
  if (trouble !== "") {
    const log = said()
    removeFolder()
    throw new PostgresServerFailed({ problem: trouble, log })
  }

  const port = await freePort()
  const url = (database = "postgres") => `postgres://postgres@127.0.0.1:${port}/${database}`
  let current: { readonly child: ChildProcess; readonly exited: Promise<string>; ended: boolean } | undefined

  const launch = async () => {
    const words = ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", folder]
    const started = { ...run("postgres", [...words, ...settings.flatMap((one) => ["-c", one])]), ended: false }
    guardExit()
    running.add(started.child)
    void started.exited.then(() => {
      started.ended = true
      running.delete(started.child)
    })
    current = started
    const since = performance.now()
    for (;;) {
      if (started.ended) throw new PostgresServerFailed({ problem: await started.exited, log: said() })
      if (isReady(started.child.pid) && (await listens(port))) return
      if (performance.now() - since > readyMillis) {
        started.child.kill("SIGKILL")
        throw new PostgresServerFailed({ problem: "the server was not ready in time", log: said() })
      }
      await delay(5)
    }
  }
  const end = async (signal: NodeJS.Signals) => {
    const ending = current
    if (ending === undefined || ending.ended) return
    ending.child.kill(signal)
    await Promise.race([ending.exited, delay(stopMillis, undefined, { ref: false })])
    if (!ending.ended) ending.child.kill("SIGKILL")
    await ending.exited
  }

  try {
    await launch()
  } catch (failure) {
    await end("SIGKILL")
    removeFolder()
    throw failure
  }
  return {
    port,
    url,
    get pid() {
      return current?.child.pid ?? 0
    },
    database: async (name) => {
      if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`not a database's name: ${name}`)
      const failed = await run("createdb", ["-h", "127.0.0.1", "-p", String(port), "-U", "postgres", name]).exited
      if (failed !== "") throw new PostgresServerFailed({ problem: failed, log: said() })
      return url(name)
    },
    async stop() {
      // fast shutdown: ends connections instead of waiting for them
      await end("SIGINT")
      removeFolder()
    },
    kill: () => end("SIGQUIT"),
    async restart() {
      await end("SIGINT")
      await launch()
    }
  }
}
