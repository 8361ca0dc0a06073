/**
 * LocalPostgres: the database of a one-machine start where DATABASE_URL names none: PGlite in a process of its own
 * (embeddedPostgres), spoken to by its socket. It starts beside everything else and takes seconds the first time: `url`
 * comes about when it is up. When it dies unasked it is started anew on the same port; its data survives that.
 * It has one session: a connection pool on it holds one connection.
 */
import { Deferred, Effect, Redacted, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as DenoPermissions from "./DenoPermissions.ts"

/** The database did not start, or ended by itself; the message ends with its last words. */
export class LocalPostgresEnded extends Schema.TaggedError<LocalPostgresEnded>()("LocalPostgresEnded", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export interface LocalPostgres {
  /** `postgres://postgres@127.0.0.1:<port>/postgres`, once it accepts connections. */
  readonly url: Effect.Effect<Redacted.Redacted>
  /** Of the present process; undefined while there is none. */
  readonly pid: () => number | undefined
}

const script = fileURLToPath(new URL("./embeddedPostgres.ts", import.meta.url))
/** Its first start makes a database cluster; on a busy machine that takes its time. */
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

const run = (directory: string, port: number): Running => {
  mkdirSync(directory, { recursive: true })
  const words =
    process.versions.deno === undefined ? [script] : ["run", ...DenoPermissions.embeddedDatabase(directory), script]
  const child = spawn(process.execPath, [...words, directory, String(port)], {
    cwd: directory,
    // out of reach of Ctrl-C at the terminal
    detached: true,
    stdio: ["pipe", "pipe", "pipe"]
  })
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-2_000)
  })
  // what it was told to end by breaks when it ends by itself
  child.stdin.on("error", () => undefined)
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
  // one that is still starting is too busy to hear, and has nothing to lose
  return { pid: child.pid, port: ready, exited, end: () => (isReady ? void child.stdin.end() : kill()), kill }
}

const again = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")])

/**
 * Keeps the database running on `directory` (`.eco2/postgres`: data and lock; made when missing) until the scope closes,
 * and then waits for it to close its files.
 */
export const make = Effect.fn("LocalPostgres.make")(function* (options: {
  readonly directory: string
}): Effect.fn.Return<LocalPostgres, never, Scope.Scope> {
  const url = yield* Deferred.make<Redacted.Redacted>()
  let port = 0
  let pid: number | undefined

  /** One life of it: fails when it ends, for whatever reason. */
  const life = Effect.acquireUseRelease(
    Effect.try({
      try: () => {
        const running = run(options.directory, port)
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
        yield* Deferred.succeed(url, Redacted.make(`postgres://postgres@127.0.0.1:${port}/postgres`))
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
    Effect.tapError((error) => Effect.logError(error.message)),
    Effect.retry(again),
    Effect.forkScoped
  )
  return { url: Deferred.await(url), pid: () => pid }
})
