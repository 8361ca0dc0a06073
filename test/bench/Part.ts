/**
 * Part: a process of a benchmark. It is told one command a line, and reports JSON lines (Workload). Parts end with the benchmark,
 * however that ends; a part that ends by itself ends the benchmark.
 */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { isAbsolute } from "node:path"
import { fileURLToPath } from "node:url"

const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

export type Facts = Record<string, number>

/** A report; null: a line of a log. */
const factsOf = (line: string) => {
  if (line.startsWith('{"event":')) return JSON.parse(line)
  if (!line.startsWith("{")) process.stderr.write(`${line}\n`)
  return null
}

export class Part {
  readonly child: ChildProcess
  readonly #waiting = new Map<string, (facts: Facts) => void>()
  readonly #seen = new Map<string, Facts>()
  /** `file`: beside this one, or absolute. `env` is added to this process's. */
  constructor(file: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) {
    const path = isAbsolute(file) ? file : fileURLToPath(new URL(file, import.meta.url))
    this.child = spawn(process.execPath, [path, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env }
    })
    running.add(this.child)
    this.child.once("exit", (code, signal) => {
      running.delete(this.child)
      if (signal === "SIGKILL") return
      process.stderr.write(`${file} ended with ${code ?? signal}\n`)
      process.exit(1)
    })
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      const facts = factsOf(line)
      if (facts === null) return
      const waiter = this.#waiting.get(facts.event)
      this.#waiting.delete(facts.event)
      if (waiter === undefined) this.#seen.set(facts.event, facts)
      else waiter(facts)
    })
  }
  on(event: string): Promise<Facts> {
    const seen = this.#seen.get(event)
    this.#seen.delete(event)
    return seen === undefined ? new Promise((resolve) => this.#waiting.set(event, resolve)) : Promise.resolve(seen)
  }
  send(command: string): void {
    this.child.stdin!.write(`${command}\n`)
  }
  /** The report is named as the command is, without its argument. */
  ask(command: string): Promise<Facts> {
    const reply = this.on(command.split(" ")[0] ?? "")
    this.send(command)
    return reply
  }
  end(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.child.once("exit", () => resolve()))
    this.child.kill("SIGKILL")
    return ended
  }
}
