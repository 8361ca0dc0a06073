/**
 * Process: a role as an operating system process: started with exactly the environment that a test gives it, killed or stopped,
 * and read: each line of its standard output is one JSON object. Tests wait for its output, never for time to pass. Started
 * processes are killed with the test process at the latest.
 */
import { spawn } from "node:child_process"
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
export const entries = {
  gateway: "packages/gateway/src/main.ts",
  authz: "packages/gateway/src/authz/main.ts",
  "scan-worker": "packages/actors/src/main.ts",
  "character-match": "packages/actors/src/character/matchMain.ts",
  "character-worker": "packages/actors/src/character/workerMain.ts",
  "news-worker": "packages/news/src/main.ts",
  "news-api": "packages/news/src/api.ts",
  all: "deploy/local/main.ts"
} as const
/** Node's compile cache: with it a role's start takes 0.8 s of computing, without it 1.3 s. */
export const compileCache = { NODE_COMPILE_CACHE: `${root}test/.artifacts/compile-cache` }
export type RoleName = keyof typeof entries

/** One line of a role's log: pino's `level`, `time`, `msg`, and the facts. */
export type LogLine = Readonly<Record<string, unknown>>

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Process {
  readonly pid: number
  /** Its address, as in `http://127.0.0.1:41234`. */
  readonly address: string
  readonly logs: ReadonlyArray<LogLine>
  /** All it wrote, standard error included. */
  readonly output: () => string
  /** The first line, past or future, that fits. Rejects if the process ends without it. */
  readonly waitForLog: (fits: (line: LogLine) => boolean) => Promise<LogLine>
  readonly exited: Promise<Exit>
  /** SIGKILL. */
  readonly kill9: () => Promise<Exit>
  /** SIGTERM, as an orchestrator sends it. */
  readonly stop: () => Promise<Exit>
  readonly signal: (name: NodeJS.Signals) => void
}

/** The packaged Node; the system's if it is missing. */
export const nodePath = (): string => {
  const own = `${root}node_modules/.bin/node`
  return existsSync(own) ? own : process.execPath
}

const running = new Set<ChildProcessWithoutNullStreams>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

const parse = (line: string): LogLine | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : undefined
  } catch {
    return undefined
  }
}

interface Launched extends Omit<Process, "address"> {
  readonly lines: ReadonlyArray<string>
}

/** Which copy of the project runs, and as which user; by default this checkout, as the user of the tests. */
export interface Installation {
  /** Absolute, ends with `/`. */
  readonly root: string
  readonly node?: string
  readonly user?: { readonly uid: number; readonly gid: number }
}

/** The Redis server that the tests use, for `npm start` to use too. */
export const chosenServer = process.env.TEST_REDIS ? { TEST_REDIS: resolve(process.env.TEST_REDIS) } : {}

/** Starts a role on a free loopback port and does not wait. Of the tests' own environment it gets only PATH and TEST_REDIS. */
export const launch = (
  role: RoleName,
  env: Readonly<Record<string, string>>,
  from: Installation = { root }
): Launched => {
  const child = spawn(from.node ?? nodePath(), [`${from.root}${entries[role]}`], {
    cwd: from.root,
    env: {
      PATH: process.env.PATH,
      HOST: "127.0.0.1",
      PORT: "0",
      ...chosenServer,
      ...(from.root === root ? compileCache : {}),
      ...env
    },
    ...from.user
  })
  running.add(child)
  const logs: Array<LogLine> = []
  const lines: Array<string> = []
  const watchers = new Set<(ended: boolean) => void>()
  const tell = (ended: boolean) => {
    for (const watcher of [...watchers]) watcher(ended)
  }
  const hear = (line: string) => {
    lines.push(line)
    const parsed = parse(line)
    if (parsed !== undefined) logs.push(parsed)
    tell(false)
  }
  createInterface({ input: child.stdout }).on("line", hear)
  createInterface({ input: child.stderr }).on("line", hear)
  let over = false
  // "close", not "exit", so that its last lines have been read
  const exited = new Promise<Exit>((resolve) => {
    child.once("close", (code, signal) => {
      over = true
      running.delete(child)
      resolve({ code, signal })
      tell(true)
    })
  })
  const send = (name: NodeJS.Signals) => {
    if (!over) child.kill(name)
  }
  const end = (name: NodeJS.Signals) => {
    send(name)
    return exited
  }
  return {
    pid: child.pid ?? 0,
    logs,
    lines,
    output: () => lines.join("\n"),
    waitForLog: (fits) =>
      new Promise((resolve, reject) => {
        let at = 0
        const look = (ended: boolean) => {
          for (; at < logs.length; at++) {
            const line = logs[at]
            if (line === undefined || !fits(line)) continue
            watchers.delete(look)
            return resolve(line)
          }
          if (!ended) return
          watchers.delete(look)
          reject(new Error(`${role} ended without the expected line; it said\n${lines.join("\n")}`))
        }
        watchers.add(look)
        look(over)
      }),
    exited,
    kill9: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    signal: send
  }
}

/** Starts a role and waits until it serves. Rejects with its output if it ends instead. */
export const start = async (
  role: RoleName,
  env: Readonly<Record<string, string>>,
  from?: Installation
): Promise<Process> => {
  const launched = launch(role, env, from)
  const { address } = await launched.waitForLog((line) => line.msg === "serving")
  return { ...launched, address: String(address) }
}
