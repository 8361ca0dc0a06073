/**
 * Child: a process of the fault suite, restarted in its place whenever the plan kills it. Its output is read line by line.
 * (harness/Process.ts starts the product's roles; these programs belong to the suite.)
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { compileCache } from "../harness/Process.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const own = `${root}node_modules/.bin/node`
const node = existsSync(own) ? own : process.execPath

export type Line = Readonly<Record<string, unknown>>

export interface Child {
  readonly name: string
  readonly pid: number
  /** Settles with its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** The first line that fits, from now on or before; null when the process ends without it. */
  readonly said: (fits: (line: Line) => boolean) => Promise<Line | null>
  readonly signal: (name: NodeJS.Signals) => void
}

const living = new Set<Child>()
process.on("exit", () => {
  for (const child of living) child.signal("SIGKILL")
})

const parse = (text: string): Line => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : { text }
  } catch {
    return { text }
  }
}

/** `file`: relative to the project; `hear` gets every line it writes. */
export const start = (options: {
  readonly name: string
  readonly file: string
  readonly env: Readonly<Record<string, string>>
  readonly hear: (line: Line) => void
}): Child => {
  const process_ = spawn(node, [`${root}${options.file}`], {
    cwd: root,
    env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: "0", ...compileCache, ...options.env }
  })
  const lines: Array<Line> = []
  const watchers = new Set<(ended: boolean) => void>()
  const hear = (text: string) => {
    const line = parse(text)
    lines.push(line)
    options.hear(line)
    for (const watcher of [...watchers]) watcher(false)
  }
  createInterface({ input: process_.stdout }).on("line", hear)
  createInterface({ input: process_.stderr }).on("line", hear)
  let over = false
  const exited = new Promise<number | null>((resolve) => {
    process_.once("close", (code) => {
      over = true
      living.delete(child)
      resolve(code)
      for (const watcher of [...watchers]) watcher(true)
    })
  })
  const child: Child = {
    name: options.name,
    pid: process_.pid!,
    exited,
    said: (fits) =>
      new Promise((resolve) => {
        let at = 0
        const look = (ended: boolean) => {
          const found = lines.slice(at).find(fits)
          at = lines.length
          if (found === undefined && !ended) return
          watchers.delete(look)
          resolve(found ?? null)
        }
        watchers.add(look)
        look(over)
      }),
    signal: (name) => {
      if (!over) process_.kill(name)
    }
  }
  living.add(child)
  return child
}
