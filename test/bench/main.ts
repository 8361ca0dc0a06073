/**
 * The first benchmark: `npm run bench [-- rounds jobs]`. Contenders run interleaved (A B C D, then D C B A), each round on a new
 * Redis (AOF everysec, not rewritten meanwhile) on loopback with one worker and one submitting process, both warmed. It prints
 * medians with the least and the most, and ratios; every figure of every round is in test/.artifacts/bench.json. No test asserts on
 * any of it.
 */
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import type { RedisServer } from "../../packages/core/src/server/RedisServer.ts"
import { median } from "./Workload.ts"

const [rounds = 5, jobs = 10_000] = process.argv.slice(2).map(Number)
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

interface Contender {
  readonly name: string
  readonly file: string
  readonly mode: string
}
const contenders: ReadonlyArray<Contender> = [
  { name: "eco2", file: "eco2.ts", mode: "" },
  { name: "floor", file: "floor.ts", mode: "" },
  { name: "bullmq chain", file: "bullmq.ts", mode: "chain" },
  { name: "bullmq flow", file: "bullmq.ts", mode: "flow" }
]

class Part {
  readonly child: ChildProcess
  readonly #waiting = new Map<string, (facts: Record<string, number>) => void>()
  readonly #seen = new Map<string, Record<string, number>>()
  constructor(file: string, args: ReadonlyArray<string>) {
    this.child = spawn(process.execPath, [here(file), ...args], { stdio: ["pipe", "pipe", "inherit"] })
    this.child.once("exit", (code, signal) => {
      if (signal === "SIGKILL") return
      process.stderr.write(`${file} ended with ${code ?? signal}\n`)
      process.exit(1)
    })
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      const facts = JSON.parse(line)
      const waiter = this.#waiting.get(facts.event)
      this.#waiting.delete(facts.event)
      if (waiter === undefined) this.#seen.set(facts.event, facts)
      else waiter(facts)
    })
  }
  on(event: string): Promise<Record<string, number>> {
    const seen = this.#seen.get(event)
    this.#seen.delete(event)
    return seen === undefined ? new Promise((resolve) => this.#waiting.set(event, resolve)) : Promise.resolve(seen)
  }
  send(command: string): void {
    this.child.stdin!.write(`${command}\n`)
  }
  async ask(command: string): Promise<Record<string, number>> {
    const reply = this.on(command)
    this.send(command)
    return reply
  }
  end(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.child.once("exit", () => resolve()))
    this.child.kill("SIGKILL")
    return ended
  }
}

const cli = process.env.TEST_REDIS?.replace(/-server$/, "-cli") || "redis-cli"
const redisInfo = (server: RedisServer): Record<string, number> => {
  const { stdout } = spawnSync(cli, ["-p", String(server.port), "info"], { encoding: "utf8" })
  return Object.fromEntries([...stdout.matchAll(/^(\w+):([\d.]+)\r?$/gm)].map((match) => [match[1], Number(match[2])]))
}
const redisCpu = (server: RedisServer): number => {
  const info = redisInfo(server)
  return 1_000 * ((info.used_cpu_user ?? 0) + (info.used_cpu_sys ?? 0))
}

const aof = ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"]
/** Jobs before the measured ones, so that the code is warm. */
const warmUp = 10_000

const round = async ({ file, mode }: Contender) => {
  const server = await start({ args: aof })
  const submitter = new Part(file, ["submitter", String(server.port), "0", mode])
  await submitter.on("ready")
  // bytes for each waiting job, before any worker starts
  const before = redisInfo(server).used_memory ?? 0
  const waitingJobs = 2_000
  submitter.send(`burst ${waitingJobs}`)
  await submitter.on("submitted")
  const bytes = ((redisInfo(server).used_memory ?? 0) - before) / waitingJobs
  const worker = new Part(file, ["worker", String(server.port), "0", mode])
  await worker.on("ready")
  await submitter.on("drained")
  submitter.send(`burst ${warmUp}`)
  await submitter.on("drained")
  // throughput
  const [redis0, node0, node1] = [redisCpu(server), await worker.ask("usage"), await submitter.ask("usage")]
  submitter.send(`burst ${jobs}`)
  const drained = await submitter.on("drained")
  const [redis1, node2, node3] = [redisCpu(server), await worker.ask("usage"), await submitter.ask("usage")]
  // idle latency, one job at a time, with warm code
  submitter.send("idle 210")
  const idle = await submitter.on("idle")
  await Promise.all([submitter.end(), worker.end()])
  await server.stop()
  return {
    "jobs/s": jobs / (drained.millis! / 1_000),
    "Redis CPU µs/job": ((redis1 - redis0) * 1_000) / jobs,
    "worker CPU µs/job": ((node2.cpu! - node0.cpu!) * 1_000) / jobs,
    "submitter CPU µs/job": ((node3.cpu! - node1.cpu!) * 1_000) / jobs,
    "idle p50 ms": idle.p50!,
    "idle p99 ms": idle.p99!,
    "bytes/waiting job": bytes,
    "worker RSS MiB": node2.rss! / 2 ** 20
  }
}

/** Many jobs in flight in one process, waiting for a slow model. */
const inFlight = async (count: number) => {
  const server = await start({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] })
  const submitter = new Part("eco2.ts", ["submitter", String(server.port), "5000"])
  const worker = new Part("eco2.ts", ["worker", String(server.port), "5000"])
  await Promise.all([submitter.on("ready"), worker.on("ready")])
  submitter.send(`burst ${count}`)
  await submitter.on("submitted")
  const usage = await worker.ask("usage")
  const drained = await submitter.on("drained")
  await Promise.all([submitter.end(), worker.end()])
  await server.stop()
  return { rss: usage.rss! / 2 ** 20, seconds: drained.millis! / 1_000 }
}

const results = new Map<string, Array<Record<string, number>>>(contenders.map(({ name }) => [name, []]))
for (let i = 0; i < rounds; i++) {
  for (const contender of i % 2 === 0 ? contenders : contenders.toReversed()) {
    const figures = await round(contender)
    results.get(contender.name)!.push(figures)
    process.stderr.write(`round ${i + 1} ${contender.name}: ${Math.round(figures["jobs/s"])} jobs/s\n`)
  }
}
const names = Object.keys(results.get("eco2")![0]!)
const valuesOf = (contender: string, figure: string) => results.get(contender)!.map((row) => row[figure]!)
const print = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
const cell = (contender: string, figure: string) => {
  const values = valuesOf(contender, figure)
  return `${print(median(values))} (${print(Math.min(...values))}–${print(Math.max(...values))})`
}
const peers = contenders.slice(1).map(({ name }) => name)
process.stdout.write(
  `| figure | ${contenders.map(({ name }) => name).join(" | ")} | ${peers.map((peer) => `eco2 / ${peer}`).join(" | ")} |\n`
)
process.stdout.write(`| --- |${" ---: |".repeat(contenders.length + peers.length)}\n`)
for (const figure of names) {
  const ours = median(valuesOf("eco2", figure))
  const ratios = peers.map((peer) => (ours / median(valuesOf(peer, figure))).toFixed(2))
  process.stdout.write(
    `| ${figure} | ${contenders.map(({ name }) => cell(name, figure)).join(" | ")} | ${ratios.join(" | ")} |\n`
  )
}
const artifacts = new URL("../.artifacts/", import.meta.url)
mkdirSync(artifacts, { recursive: true })
writeFileSync(
  new URL("bench.json", artifacts),
  JSON.stringify({ rounds, jobs, results: Object.fromEntries(results) }, null, 1)
)
const many = await inFlight(10_000)
process.stdout.write(
  `10,000 in flight, 5 s a stage: worker RSS ${many.rss.toFixed(0)} MiB, all done after ${many.seconds.toFixed(1)} s (4 × 5 s of waiting)\n`
)
