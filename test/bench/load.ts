/**
 * What a scan costs and how much time the system adds to its models: `npm run bench:load [-- seconds users …]`. The seed's load by
 * default: 34 users, each with one scan after the other, and 1,000 users with one scan each, spread over as many seconds; models of
 * 6.3 and 2.76 seconds; an answer is streamed token by token, the first after 0.6 s. One gateway and one scan-worker, the model server and Redis in processes of their own; the users are here.
 * Prints the time added to the models' own (p50, p99), the time from the model's first token to the first text of the answer on the
 * viewer's stream (p50, p95, p99), CPU a scan of each process, the gateway's memory a viewer, and the resident
 * memory of every role idle and after the load. No test asserts on any of it.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { PostgresServer } from "@eco2/core/testing"
import { runWith } from "../deploy/cli/Operating.ts"
import * as System from "../e2e/System.ts"
import { client, field } from "../gateway/ScanClient.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as Process from "../harness/Process.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"
import { percentile } from "./Workload.ts"

const [seconds = 30, ...loads] = process.argv.slice(2).map(Number)
const crowds = loads.length > 0 ? loads : [34, 1_000]
const visionMillis = 6_300
const answerMillis = 2_760
/** Until the answer's first token. */
const firstTokenMillis = 600
const viewers = 1_000
/** Of the kernel's clock, by which /proc counts a process's time. */
const ticksPerSecond = 100

const cpuSeconds = (pid: number): number => {
  const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")
  const fields = after.split(" ")
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
const residentMebibytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024
const say = (line: string) => console.log(line)

const models = spawn(Process.nodePath(), ["test/harness/FakeModelServer.ts"], {
  env: {
    ...process.env,
    PORT: "0",
    VISION_MS: String(visionMillis),
    ANSWER_MS: String(answerMillis),
    ANSWER_FIRST_MS: String(firstTokenMillis)
  },
  stdio: ["ignore", "pipe", "inherit"]
})
const modelUrl = await new Promise<string>((resolve) =>
  createInterface({ input: models.stdout }).once("line", (line) => resolve(/http\S+/.exec(line)?.[0] ?? ""))
)
const database = await PostgresServer.start()
await runWith({ DATABASE_URL: database.url() })("migrate")
const system = await System.start({
  OPENAI_BASE_URL: `${modelUrl}/v1`,
  DATABASE_URL: database.url(),
  DATABASE_POOL: "2",
  USER_RATE: "off"
})
const names = ["gateway", "scan-worker", "character-match", "character-worker", "news-worker", "news-api"] as const
const roles = new Map<string, Process.Process>()
for (const name of names) roles.set(name, await system.start(name, { NEWS_SAMPLE: "true" }))
roles.set("authz", await system.start("authz", TokenIssuer.bySecret))
const gateway = roles.get("gateway")!
const residents = () => new Map([...roles].map(([name, { pid }]) => [name, residentMebibytes(pid)]))

interface Seen {
  /** Milliseconds beyond the models' own. */
  readonly added: number
  /** Milliseconds from the model's first token, and from its first with the answer's text, to the first text on the stream. */
  readonly sinceFirst: number
  readonly sinceText: number
}

/** A scan with its stream, as a page has it; null if it did not complete, or showed no text before its end. */
const scan = async (user: string, n: number): Promise<Seen | null> => {
  const one = client(gateway, user)
  const began = performance.now()
  const id = await one.accepted({ image_url: `https://images.example.com/${user}-${n}.jpg` })
  const stream = await EventStream.open(one.eventsUrl(id), { headers: one.headers })
  await stream.ended
  const { body } = await one.result(id)
  const took = performance.now() - began
  const at = stream.events.findIndex(({ data, event }) => event === "answer" && data.status === "delta")
  // the fake model writes into its text when it was sent
  const [, first, text] = /^(\d+) (\d+)/.exec(String(field(stream.events[at]?.data.result, "text"))) ?? []
  if (first === undefined || field(body, "status") !== "completed") return null
  const arrived = performance.timeOrigin + (stream.arrivals[at] ?? Number.NaN)
  return {
    added: took - visionMillis - answerMillis,
    sinceFirst: arrived - Number(first),
    sinceText: arrived - Number(text)
  }
}

/** Each user's scans: one after the other until the time is over; a large crowd has one each, spread over the time. */
const load = async (users: number) => {
  const measured = new Map<string, number>([
    ["gateway", gateway.pid],
    ["scan-worker", roles.get("scan-worker")!.pid],
    ["character-match", roles.get("character-match")!.pid],
    ["character-worker", roles.get("character-worker")!.pid],
    ["redis", system.redis.pid]
  ])
  const before = new Map([...measured].map(([name, pid]) => [name, cpuSeconds(pid)]))
  const until = performance.now() + seconds * 1_000
  const seen: Array<Seen> = []
  let failed = 0
  const count = (one: Seen | null) => (one === null ? void failed++ : void seen.push(one))
  await Promise.all(
    Array.from({ length: users }, async (_, user) => {
      await delay((user / users) * (users > 100 ? seconds * 1_000 : visionMillis))
      let n = 0
      do count(await scan(`user-${user}`, n++).catch(() => null))
      while (users <= 100 && performance.now() < until)
    })
  )
  const figure = (share: number, of: keyof Seen = "added") =>
    percentile(
      seen.map((one) => one[of]),
      share
    ).toFixed(0)
  say(
    `${users} users: ${seen.length} scans, ${failed} failed; added to the models' ${(visionMillis + answerMillis) / 1_000} s: ` +
      `p50 ${figure(0.5)} ms, p99 ${figure(0.99)} ms`
  )
  for (const [of, name] of [
    ["sinceFirst", "the model's first token"],
    ["sinceText", "its first token of the answer's text"]
  ] as const) {
    say(
      `  first text on the stream after ${name}: p50 ${figure(0.5, of)} ms, p95 ${figure(0.95, of)} ms, p99 ${figure(0.99, of)} ms`
    )
  }
  const costs = [...measured].map(([name, pid]) => {
    const spent = cpuSeconds(pid) - (before.get(name) ?? 0)
    return `${name} ${((1_000 * spent) / Math.max(1, seen.length)).toFixed(2)} ms`
  })
  say(`  CPU a scan: ${costs.join(", ")}`)
}

/** Streams of a job that runs meanwhile: what each takes of the gateway. */
const watch = async () => {
  const ann = client(gateway, "viewer")
  const id = await ann.accepted({ image_url: "https://images.example.com/viewed.jpg" })
  const before = residentMebibytes(gateway.pid)
  const streams = await Promise.all(
    Array.from({ length: viewers }, () => EventStream.open(ann.eventsUrl(id), { headers: ann.headers }))
  )
  const open = residentMebibytes(gateway.pid)
  say(`${viewers} viewers: ${(((open - before) * 1_024) / viewers).toFixed(1)} KiB of the gateway's memory each`)
  await Promise.all(streams.map((stream) => stream.ended))
}

// a heartbeat or two, and the first collections of garbage
await delay(10_000)
const idle = residents()
await scan("first", 0)
for (const users of crowds) await load(users)
const busy = residents()
await watch()
say("resident memory, MiB: idle, after the load")
for (const [name, before] of idle) say(`  ${name}: ${before.toFixed(0)}, ${busy.get(name)!.toFixed(0)}`)
await system.stop()
await database.stop()
models.kill("SIGTERM")
process.exit(0)
