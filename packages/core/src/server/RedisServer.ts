/**
 * RedisServer: a private Redis on loopback, started in milliseconds, that can be stopped, killed, frozen and restarted. Tests
 * use it for every Redis, and `npm start` too (deploy/local/LocalRedis).
 * It starts Redis or Valkey, whichever is installed, or the program that TEST_REDIS names. Each server has one folder with its
 * data, pid file (`redis.pid`) and log (`redis.log`).
 */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Schema } from "effect"
import type { Scope } from "effect"

/** The server did not start. `log`: the last lines it wrote, if any. */
export class RedisServerFailed extends Schema.TaggedError<RedisServerFailed>()("RedisServerFailed", {
  problem: Schema.String,
  log: Schema.String
}) {
  override get message() {
    return this.log === "" ? this.problem : `${this.problem}; its log ends with\n${this.log}`
  }
}

export interface Options {
  /** Further command line arguments, which override ours: `["--appendonly", "yes"]`. By default nothing is saved. */
  readonly args?: ReadonlyArray<string>
  /** Default: a free one. */
  readonly port?: number
  /** Folder of data and log, created when missing. Default: a new temporary folder, deleted by `stop`. */
  readonly directory?: string
  /** Keeps the temporary folder. */
  readonly keep?: boolean
  /** Starts the server in its own process group, so that Ctrl-C at the terminal does not reach it, only `stop` does. */
  readonly ownGroup?: boolean
  /** Path of the server's binary. Default: TEST_REDIS, else redis-server, else valkey-server. */
  readonly program?: string
  /** How long loading its data may take. Default 30,000. */
  readonly readyMillis?: number
}

export interface RedisServer {
  readonly port: number
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
  /** Absolute, free of symbolic links. */
  readonly directory: string
  /** Process id; it changes with `restart`. */
  readonly pid: number
  /** Resolves when the current process has ended, for whatever reason. */
  readonly exited: Promise<void>
  /** SIGTERM, and SIGKILL after 5 s; then deletes the temporary folder. Does nothing the second time. */
  stop(): Promise<void>
  /** SIGKILL: data not yet on disk is lost. The folder stays for `restart`. */
  kill9(): Promise<void>
  /** Starts a new process on the same port and folder; first stops a running one cleanly. Unsaved data is lost. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void
  thaw(): void
}

const stopMillis = 5000
/** Lowest port used. Ports stay below the system's ephemeral range, so that no client socket takes a dead server's port. */
const lowestPort = 20_000
const highestPort = 32_000
/** Includes the sbin folders, where servers are often installed. */
const searchPath = [process.env.PATH ?? "", "/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"].join(
  delimiter
)

interface Running {
  readonly child: ChildProcess
  readonly exited: Promise<void>
  readonly hasExited: () => boolean
  readonly signal: (name: NodeJS.Signals) => void
}

const running = new Set<Running>()
let guarded = false
/** Kills the servers at `process.exit`, which runs no finalizers. */
function guardExit() {
  if (guarded) return
  guarded = true
  process.on("exit", () => {
    for (const server of running) {
      server.signal("SIGCONT")
      server.signal("SIGTERM")
    }
  })
}

/** A free port on loopback; the cluster bus port (+ 10,000) is valid too. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort))
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false))
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

/** Sends a signal by process id: Deno's ChildProcess.kill sends only the first signal to a process. */
function signalTo(child: ChildProcess, hasExited: () => boolean, name: NodeJS.Signals) {
  if (child.pid === undefined || hasExited()) return
  try {
    process.kill(child.pid, name)
  } catch (error) {
    // the process has ended, but its exit event has not arrived yet
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}

const tail = (log: string) => log.trimEnd().split("\n").slice(-12).join("\n")

/** Spawns one process; returns when it accepts connections. Fails with RedisServerFailed. */
async function launch(
  program: string,
  port: number,
  directory: string,
  options: Options,
  abort?: AbortSignal
): Promise<Running> {
  const logFile = join(directory, "redis.log")
  const log = openSync(logFile, "a")
  const from = fstatSync(log).size
  // paths are relative to the working directory, so that the server's parser sees no special characters
  const words = ["--bind", "127.0.0.1", "--port", String(port), "--dir", "./", "--pidfile", "redis.pid", "--save", ""]
  const child = spawn(program, [...words, "--daemonize", "no", ...(options.args ?? [])], {
    cwd: directory,
    detached: options.ownGroup ?? false,
    // the server does not start with a locale that the machine lacks
    env: { ...process.env, PATH: searchPath, LC_ALL: "C" },
    stdio: ["ignore", log, log]
  })
  closeSync(log)
  let ended = ""
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = `ended at once (${signal ?? `code ${code}`})`
      resolve()
    })
    child.once("error", (error) => {
      ended = `cannot be run: ${error.message}`
      resolve()
    })
  })
  const hasExited = () => ended !== ""
  const server: Running = { child, exited, hasExited, signal: (name) => signalTo(child, hasExited, name) }
  guardExit()
  running.add(server)
  void exited.then(() => running.delete(server))
  const written = () => readFileSync(logFile).subarray(from).toString("utf8")
  const since = performance.now()
  for (;;) {
    if (ended !== "") throw new RedisServerFailed({ problem: `${program} ${ended}`, log: tail(written()) })
    if (written().includes("Ready to accept connections")) return server
    const overdue = performance.now() - since > (options.readyMillis ?? 30_000)
    if (overdue || abort?.aborted === true) {
      server.signal("SIGKILL")
      await exited
      const problem = overdue ? "accepted no connection in time" : "was no longer wanted"
      throw new RedisServerFailed({ problem: `${program} ${problem}`, log: tail(written()) })
    }
    await delay(5)
  }
}

const lacksProgram = (failure: unknown) => failure instanceof RedisServerFailed && failure.problem.includes("ENOENT")
const portTaken = (failure: unknown) =>
  failure instanceof RedisServerFailed && /address already in use/i.test(failure.log)

/** Launches the installed server; if another process takes the port meanwhile, it uses another port. */
async function launchAny(directory: string, options: Options, abort?: AbortSignal) {
  const named = options.program ?? (process.env.TEST_REDIS ? resolve(process.env.TEST_REDIS) : undefined)
  let programs = named === undefined ? ["redis-server", "valkey-server"] : [named]
  for (let attempt = 0; ; attempt++) {
    const [program] = programs
    if (program === undefined) {
      throw new RedisServerFailed({ problem: "neither redis-server nor valkey-server is installed", log: "" })
    }
    const port = options.port ?? (await freePort())
    try {
      return { port, program, process: await launch(program, port, directory, options, abort) }
    } catch (failure) {
      if (lacksProgram(failure) && named === undefined) programs = programs.slice(1)
      else if (!portTaken(failure) || options.port !== undefined || attempt === 5) throw failure
    }
  }
}

/**
 * Starts a server and waits until it accepts connections (20 ms without data). Fails with RedisServerFailed.
 * The caller stops it; a server not stopped ends with this process, unless this process is killed.
 */
export async function start(options: Options = {}, abort?: AbortSignal): Promise<RedisServer> {
  const temporary = options.directory === undefined
  if (options.directory !== undefined) mkdirSync(options.directory, { recursive: true })
  const directory = realpathSync(options.directory ?? mkdtempSync(join(tmpdir(), "eco2-redis-")))
  const removeFolder = () => {
    if (temporary && options.keep !== true && existsSync(directory)) rmSync(directory, { recursive: true, force: true })
  }
  const launched = await launchAny(directory, options, abort).catch((failure: unknown) => {
    removeFolder()
    throw failure
  })
  const { port, program } = launched
  let current = launched.process
  async function end() {
    if (current.hasExited()) return
    current.signal("SIGTERM")
    current.signal("SIGCONT")
    await Promise.race([current.exited, delay(stopMillis, undefined, { ref: false })])
    if (!current.hasExited()) current.signal("SIGKILL")
    await current.exited
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    directory,
    get pid() {
      return current.child.pid ?? 0
    },
    get exited() {
      return current.exited
    },
    async stop() {
      await end()
      removeFolder()
    },
    async kill9() {
      current.signal("SIGKILL")
      await current.exited
    },
    async restart() {
      await end()
      current = await launch(program, port, directory, options)
    },
    freeze: () => current.signal("SIGSTOP"),
    thaw: () => current.signal("SIGCONT")
  }
}

/** As `start`; the server stops when the scope closes. Interrupting the start also ends the server. */
export const scoped = (options: Options = {}): Effect.Effect<RedisServer, RedisServerFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: (abort) => start(options, abort),
      catch: (failure) =>
        failure instanceof RedisServerFailed ? failure : new RedisServerFailed({ problem: String(failure), log: "" })
    }),
    (server) => Effect.promise(() => server.stop()),
    { interruptible: true }
  )
