/**
 * LocalRedis: the private Redis of `npm start`: found or installed, started on a free loopback port, stopped last. Its data
 * survives crashes (append-only file; a power failure loses at most one second).
 * Other users of the machine reach its port, so it asks for a password, which is made for each start; its memory is bounded, and
 * full it refuses new work instead of taking the machine's.
 * It runs in a process group of its own, so that Ctrl-C at the terminal leaves it alive while we drain. If we are killed it stays
 * behind; the next start on the same folder ends it cleanly before starting its own.
 */
import { readFileSync, readlinkSync, realpathSync } from "node:fs"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { Effect, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import * as RedisServer from "../../packages/core/src/server/RedisServer.ts"
import { startOf } from "../../scripts/ProcessLock.mjs"
import * as SystemProgram from "./SystemProgram.ts"

/** No private Redis; the message says why, with the server's last lines, or what to install. */
export class LocalRedisError extends Schema.TaggedError<LocalRedisError>()("LocalRedisError", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export interface LocalRedis {
  /** `redis://:<password>@127.0.0.1:<port>` */
  readonly url: string
  readonly pid: number
  /** Never succeeds; fails when the server ends unexpectedly. */
  readonly died: Effect.Effect<never, LocalRedisError>
}

/** Long enough to load an append-only file of some gigabytes. */
const readyMillis = 120_000
const orphanMillis = 5000

/** In the folder, with the password: a command line can be read by everybody. */
const privateSettings = "private.conf"
/** As in Compose. */
const maxmemory = "512mb"
const settings = [
  ...["--include", privateSettings],
  ...["--appendonly", "yes", "--appendfsync", "everysec"],
  ...["--maxmemory", maxmemory, "--maxmemory-policy", "noeviction"]
]

/** The file, or the process, does not exist any more. */
const isGone = (error: unknown) =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")

const isDenied = (error: unknown) => error instanceof Error && "code" in error && error.code === "EACCES"

/**
 * Whether `pid` is a server on exactly this folder: by now another process may have that pid. Throws if this cannot be told,
 * because a second server on the same data would corrupt it.
 */
function serves(pid: number, directory: string) {
  if (process.platform === "linux" && process.versions.deno === undefined) {
    try {
      const name = readFileSync(`/proc/${pid}/cmdline`, "utf8")
      return /(redis|valkey)/.test(name) && readlinkSync(`/proc/${pid}/cwd`) === directory
    } catch (error) {
      // another user's process has not been started by us
      if (isGone(error) || isDenied(error)) return false
      throw error
    }
  }
  const { error, status, stdout } = spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" })
  if (error !== undefined || typeof status !== "number") throw error ?? new Error("ps cannot be run")
  if (!/(redis|valkey)-server.* 127\.0\.0\.1:/.test(stdout)) return false
  if (process.platform !== "linux") return true
  // Deno reads /proc only with all permissions
  const folder = spawnSync("readlink", [`/proc/${pid}/cwd`], { encoding: "utf8" })
  if (folder.error !== undefined) throw folder.error
  return folder.stdout.trim() === directory
}

/** The server that an earlier owner of this folder left behind. Throws if this cannot be told. */
function orphanOf(directory: string): number | undefined {
  const file = join(directory, "redis.pid")
  try {
    const pid = Number(readFileSync(file, "utf8"))
    return Number.isSafeInteger(pid) && pid > 1 && startOf(pid) !== undefined && serves(pid, directory)
      ? pid
      : undefined
  } catch (error) {
    if (isGone(error)) return undefined
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`cannot tell whether an earlier start's Redis still runs (${file}): ${reason}`, { cause: error })
  }
}

function signal(pid: number, name: NodeJS.Signals) {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}

/** Ends it with SIGTERM, so that it writes its file; a frozen or stuck server is killed: the file has all but the last second. */
const endOrphan = (pid: number) =>
  Effect.gen(function* () {
    yield* Effect.logInfo("ending the Redis that an earlier start left behind").pipe(Effect.annotateLogs({ pid }))
    const gone = Effect.sync(() => startOf(pid) === undefined).pipe(
      Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: (isGone) => isGone }),
      Effect.timeoutOption(orphanMillis)
    )
    const send = (name: NodeJS.Signals) =>
      Effect.try({
        try: () => signal(pid, name),
        catch: (error) =>
          new LocalRedisError({ reason: `cannot end process ${pid}, a Redis on our data: ${String(error)}` })
      })
    yield* send("SIGTERM")
    yield* send("SIGCONT")
    if ((yield* gone)._tag === "Some") return
    yield* send("SIGKILL")
    yield* gone
  })

/**
 * Starts the server on `directory` (`.eco2/redis`: data, `redis.log`, `redis.pid`; created if missing) and stops it with the
 * scope: SIGTERM, after 5 s SIGKILL. The caller holds the folder (LocalState).
 */
export const make = Effect.fn("LocalRedis.make")(function* (options: {
  readonly directory: string
}): Effect.fn.Return<LocalRedis, LocalRedisError, Scope.Scope> {
  const failed = (error: unknown) =>
    new LocalRedisError({ reason: error instanceof Error ? error.message : String(error) })
  const program = yield* Effect.tryPromise({
    try: () => SystemProgram.ensure(SystemProgram.redisServer, (line) => process.stderr.write(`eco2: ${line}\n`)),
    catch: failed
  })
  const directory = yield* Effect.tryPromise({
    try: async () => {
      await mkdir(options.directory, { recursive: true, mode: 0o700 })
      return realpathSync(options.directory)
    },
    catch: failed
  })
  const orphan = yield* Effect.try({ try: () => orphanOf(directory), catch: failed })
  if (orphan !== undefined) yield* endOrphan(orphan)
  const password = randomBytes(24).toString("base64url")
  yield* Effect.tryPromise({
    try: async () => {
      const file = join(directory, privateSettings)
      await rm(file, { force: true })
      await writeFile(file, `requirepass "${password}"\n`, { mode: 0o600, flag: "wx" })
    },
    catch: failed
  })
  let wanted = true
  const server = yield* RedisServer.scoped({ directory, program, args: settings, ownGroup: true, readyMillis }).pipe(
    Effect.mapError(failed)
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => (wanted = false)))
  const died = Effect.promise(() => server.exited).pipe(
    Effect.flatMap(() =>
      wanted
        ? Effect.fail(
            new LocalRedisError({
              reason: `the private Redis stopped unexpectedly; see ${join(directory, "redis.log")}`
            })
          )
        : Effect.never
    )
  )
  return { url: server.url.replace("//", `//:${password}@`), pid: server.pid, died }
})
