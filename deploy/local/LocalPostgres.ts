/**
 * LocalPostgres: the database of `npm start` without DATABASE_URL: PGlite in a process of its own (embeddedPostgres), reached
 * through a socket, with a password made for each start. It starts in parallel and takes seconds the first time; `url` resolves
 * when it is up. If it dies unexpectedly it is restarted on the same port; its data survives.
 * It has one session: a connection pool on it holds one connection.
 */
import { Deferred, Effect, Redacted, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as DenoPermissions from "./DenoPermissions.ts"

/** The database did not start, or ended unexpectedly; the message ends with the last lines it wrote. */
export class LocalPostgresEnded extends Schema.TaggedError<LocalPostgresEnded>()("LocalPostgresEnded", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** The packages were installed without PGlite, as in the container image. */
export class LocalPostgresMissing extends Schema.TaggedError<LocalPostgresMissing>()("LocalPostgresMissing", {}) {
  override get message() {
    return "no embedded database is installed here; set DATABASE_URL"
  }
}

/** Whether the package is there; what may not be looked at (under Deno) counts as there. */
const isInstalled = (): boolean => {
  try {
    createRequire(import.meta.url).resolve("@electric-sql/pglite")
    return true
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND")
  }
}

export interface LocalPostgres {
  /** `postgres://postgres:<password>@127.0.0.1:<port>/postgres`, once it accepts connections. */
  readonly url: Effect.Effect<Redacted.Redacted>
  /** Of the running process; undefined while there is none. */
  readonly pid: () => number | undefined
}

const script = fileURLToPath(new URL("./embeddedPostgres.ts", import.meta.url))
/** The first start creates a database cluster, which takes long on a busy machine. */
const readyMillis = 60_000
const stopMillis = 5_000

const Ready = Schema.fromJsonString(Schema.Struct({ port: Schema.Int }))

interface Running {
  readonly pid: number | undefined
  readonly port: Promise<number>
  readonly exited: Promise<string>
  readonly end: () => void
  readonly kill: () => void
}

const run = (directory: string, port: number, password: string): Running => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const words =
    process.versions.deno === undefined ? [script] : ["run", ...DenoPermissions.embeddedDatabase(directory), script]
  const child = spawn(process.execPath, [...words, directory, String(port)], {
    cwd: directory,
    // in a process group of its own, so that Ctrl-C at the terminal does not reach it
    detached: true,
    stdio: ["pipe", "pipe", "pipe"]
  })
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-2_000)
  })
  // its end breaks the pipe that would tell it to end
  child.stdin.on("error", () => undefined)
  child.stdin.write(`${password}\n`)
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message))
    child.once("close", (code, signal) => resolve(`${signal ?? `code ${code}`} ${said.trim()}`.trim()))
  })
  let isReady = false
  const ready = new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const told = Schema.decodeUnknownExit(Ready)(line)
      if (told._tag !== "Success") return
      isReady = true
      resolve(told.value.port)
    })
    void exited.then(reject)
  })
  ready.catch(() => undefined)
  const kill = () => void child.kill("SIGKILL")
  process.once("exit", kill)
  void exited.then(() => process.removeListener("exit", kill))
  // while it starts it does not read its input yet, and it has nothing to lose
  return { pid: child.pid, port: ready, exited, end: () => (isReady ? void child.stdin.end() : kill()), kill }
}

const again = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")])

/**
 * Keeps the database running on `directory` (`.eco2/postgres`: data and lock; created if missing) until the scope closes, and
 * then waits for it to close its files. Fails when no embedded database is installed.
 */
export const make = Effect.fn("LocalPostgres.make")(function* (options: {
  readonly directory: string
}): Effect.fn.Return<LocalPostgres, LocalPostgresMissing, Scope.Scope> {
  if (!isInstalled()) return yield* new LocalPostgresMissing()
  const url = yield* Deferred.make<Redacted.Redacted>()
  const password = randomBytes(24).toString("base64url")
  let port = 0
  let pid: number | undefined

  /** One run of the database: fails when it ends, whatever the cause. */
  const life = Effect.acquireUseRelease(
    Effect.try({
      try: () => {
        const running = run(options.directory, port, password)
        pid = running.pid
        return running
      },
      catch: (reason) =>
        new LocalPostgresEnded({ reason: `the embedded database cannot be started: ${String(reason)}` })
    }),
    (running) =>
      Effect.gen(function* () {
        port = yield* Effect.tryPromise({
          try: () => running.port,
          catch: (reason) =>
            new LocalPostgresEnded({ reason: `the embedded database did not start: ${String(reason)}` })
        }).pipe(
          Effect.timeoutOrElse({
            duration: readyMillis,
            orElse: () => Effect.fail(new LocalPostgresEnded({ reason: "the embedded database was not ready in time" }))
          })
        )
        yield* Deferred.succeed(url, Redacted.make(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`))
        const reason = yield* Effect.promise(() => running.exited)
        return yield* new LocalPostgresEnded({ reason: `the embedded database ended: ${reason}` })
      }),
    (running) =>
      Effect.gen(function* () {
        running.end()
        yield* Effect.promise(() => running.exited).pipe(
          Effect.timeoutOption(stopMillis),
          Effect.flatMap((exit) => (exit._tag === "Some" ? Effect.void : Effect.sync(running.kill)))
        )
        yield* Effect.promise(() => running.exited)
        pid = undefined
      })
  )
  yield* life.pipe(
    Effect.tapError((error) =>
      Effect.logError("embedded database failed; starting it again").pipe(Effect.annotateLogs({ error: error.message }))
    ),
    Effect.retry(again),
    Effect.forkScoped
  )
  return { url: Deferred.await(url), pid: () => pid }
})
