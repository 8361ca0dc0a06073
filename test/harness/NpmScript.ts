/**
 * NpmScript: runs `npm run …` as a person at a terminal would: a process group of its own for Ctrl-C, the system's npm and Node;
 * records its output and the processes it leaves behind. See also: Process (the same programs without npm).
 * A start's processes are found by its state folder: they have `ECO2_STATE=<folder>` in their environment, or work inside the
 * folder, as its Redis does (which overwrites its environment with its title).
 */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { readFileSync, readdirSync, readlinkSync } from "node:fs"
import { delimiter } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { chosenServer, compileCache } from "./Process.ts"
import type { Exit } from "./Process.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

export interface NpmScript {
  /** Lines of standard output so far. */
  readonly stdout: ReadonlyArray<string>
  /** All it wrote, standard error included. */
  readonly output: () => string
  /** The first line of standard output, past or future, that fits. Rejects if the script ends without it. */
  readonly waitForLine: (fits: RegExp) => Promise<RegExpExecArray>
  /** Settles when npm has ended and no process has its output open. */
  readonly exited: Promise<Exit>
  /** Ctrl-C: SIGINT to every process of the group at once. */
  readonly interrupt: () => void
  /** SIGTERM to npm alone, as a supervisor sends it. */
  readonly terminate: () => void
}

const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) killGroup(child)
})

const killGroup = (child: ChildProcess) => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
  } catch {
    // the whole group is gone
  }
}

/** PATH without the entries that `npm test` added: the system's own Node and npm come first. */
const newcomersPath = () =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter)

/** Starts `npm run <script>`; killed with the test process at the latest. */
export const run = (script: string, env: Readonly<Record<string, string>>): NpmScript => {
  const child = spawn("npm", ["run", script], {
    cwd: root,
    detached: true,
    env: { PATH: newcomersPath(), HOME: process.env.HOME, ...chosenServer, ...compileCache, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  running.add(child)
  const stdout: Array<string> = []
  const all: Array<string> = []
  const watchers = new Set<() => void>()
  const tell = () => {
    for (const watcher of [...watchers]) watcher()
  }
  createInterface({ input: child.stdout }).on("line", (line) => {
    stdout.push(line)
    all.push(line)
    tell()
  })
  createInterface({ input: child.stderr }).on("line", (line) => all.push(line))
  let over = false
  const exited = new Promise<Exit>((resolve) => {
    child.once("close", (code, signal) => {
      over = true
      running.delete(child)
      resolve({ code, signal })
      tell()
    })
  })
  return {
    stdout,
    output: () => all.join("\n"),
    waitForLine: (fits) =>
      new Promise((resolve, reject) => {
        let at = 0
        const look = () => {
          for (; at < stdout.length; at++) {
            const match = fits.exec(stdout[at] ?? "")
            if (match === null) continue
            watchers.delete(look)
            return resolve(match)
          }
          if (!over) return
          watchers.delete(look)
          reject(new Error(`npm run ${script} ended without ${fits}; it said\n${all.join("\n")}`))
        }
        watchers.add(look)
        look()
      }),
    exited,
    interrupt: () => {
      if (!over && child.pid !== undefined) process.kill(-child.pid, "SIGINT")
    },
    terminate: () => void child.kill("SIGTERM")
  }
}

/** One live process of a start. */
export interface Member {
  readonly pid: number
  readonly command: string
}

/** The live processes that were started on this state folder, servers included. Linux only. */
export const membersOf = (stateFolder: string): ReadonlyArray<Member> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
        const within = readlinkSync(`/proc/${pid}/cwd`).startsWith(`${stateFolder}/`)
        if (!within && !environment.includes(`ECO2_STATE=${stateFolder}`)) return []
        return [
          { pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() }
        ]
      } catch {
        return [] // ended while we looked, or another user's
      }
    })
