/**
 * gateways: the gateway against the raw one (raw.ts): processor time of a submit, of a read of an open job's result, of opening a
 * stream; memory and idle time of viewers; processor time of an event and the time from its commit to the socket. Both serve the
 * same clients, who are this process: a job and a user for each viewer. The jobs are worked by the project's scripts directly.
 * Every viewer must see seq 1 to 10 in order and its stream's end, or the benchmark fails.
 */
import { Redis } from "ioredis"
import { setTimeout as delay } from "node:timers/promises"
import { Agent, request } from "node:http"
import { connect } from "node:net"
import type { Socket } from "node:net"
import * as JobScripts from "../../packages/core/src/job/JobScripts.ts"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import { tags } from "../../packages/core/src/redis/Keys.ts"
import { outputs } from "../gateway/HandWorker.ts"
import * as Process from "../harness/Process.ts"
import type { Figures } from "./Contest.ts"
import { Part } from "./Part.ts"
import { cpuMicros, residentMiB } from "./Spent.ts"
import { percentile } from "./Workload.ts"

export interface Size {
  readonly viewers: number
  /** Events a second, from all jobs together. */
  readonly rate: number
  /** How long idle viewers are watched. */
  readonly idleSeconds: number
}

const roots = tags(4).map((tag) => `eco2:{${tag}}`)
const stages = ["vision", "rule", "answer", "reward"]
const mailbox = "scan.vision"
/** queued, two for each stage, done. */
const eventsOfJob = 2 + 2 * stages.length
const clients = 32

interface Serving {
  readonly pid: number
  readonly port: number
  readonly stop: () => Promise<unknown>
}
/** `gateway`, `raw`, or the folder of another copy of the project, whose gateway it is. */
const serve = async (contender: string, redis: { readonly port: number; readonly url: string }): Promise<Serving> => {
  if (contender === "raw") {
    const part = new Part("raw.ts", [String(redis.port)])
    const { port } = await part.on("ready")
    return { pid: part.child.pid ?? 0, port: port ?? 0, stop: () => part.end() }
  }
  const settings = {
    REDIS_URL: redis.url,
    AUTH_MODE: "header",
    SIMULATED_MODEL: "true",
    OPENAI_MODELS: "",
    GEMINI_MODELS: "",
    MAX_VIEWERS: "15000",
    MAX_CONNECTIONS: "20000",
    VIEW_TIMEOUT: "1 hour"
  }
  const from = contender === "gateway" ? undefined : { root: `${contender}/` }
  const { address, pid, stop } = await Process.start("gateway", settings, from)
  return { pid, port: Number(new URL(address).port), stop }
}

/** Calls `one` for 0 … count - 1, some at once. */
const each = async (count: number, one: (i: number) => Promise<void>) => {
  let next = 0
  const lane = async () => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: clients }, lane))
}

const body = JSON.stringify({
  image_url: `https://images.example.com/${"x".repeat(300)}.jpg`,
  user_input: "y".repeat(400)
})
const http = (port: number, agent: Agent, user: string, path: string, sent: string | null) =>
  new Promise<string>((resolve, reject) => {
    const headers = { "x-user-id": user, "content-type": "application/json" }
    const method = sent === null ? "GET" : "POST"
    const call = request({ host: "127.0.0.1", port, method, path, agent, headers }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (piece: string) => (text += piece))
      response.on("end", () => {
        // a submit is accepted, an open job's result is not there yet
        if (response.statusCode === 202) resolve(text)
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
      })
    })
    call.on("error", reject)
    call.end(sent ?? undefined)
  })

const now = () => performance.timeOrigin + performance.now()

/** A stream's client; it reads seq and time of each event as it comes. */
class Viewer {
  seq = 0
  bytes = 0
  ended = false
  readonly lags: Array<number>
  readonly socket: Socket
  readonly opened: Promise<void>
  constructor(port: number, user: string, id: string, lags: Array<number>) {
    this.lags = lags
    this.socket = connect(port, "127.0.0.1")
    this.socket.setEncoding("latin1")
    this.socket.write(
      `GET /api/v1/scan/${id}/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-User-ID: ${user}\r\nAccept: text/event-stream\r\n\r\n`
    )
    this.opened = new Promise((resolve, reject) => {
      this.socket.on("error", reject)
      this.socket.on("data", (text: string) => {
        this.#read(text)
        if (this.seq > 0) resolve()
      })
    })
  }
  #read(text: string) {
    const at = now()
    this.bytes += text.length
    // one write holds whole frames
    for (const [, seq, ts] of text.matchAll(/"status":"\w+","seq":(\d+),"ts":([\d.]+)/g)) {
      if (Number(seq) !== this.seq + 1) throw new Error(`seq ${seq} came after ${this.seq}`)
      this.seq++
      if (this.seq > 1) this.lags.push(at - Number(ts) * 1_000)
    }
    if (text.endsWith("0\r\n\r\n")) this.ended = true
  }
}

interface Taken {
  readonly id: string
  readonly entry: string
  token: string
  /** Stages begun. */
  begun: number
}

/** Works the jobs as a scan worker would, a few in each call, so that `rate` events a second come. */
const work = async (redis: Redis, rate: number): Promise<number> => {
  redis.defineCommand("beginJobs", { lua: JobScripts.begin.lua, numberOfKeys: 1 })
  redis.defineCommand("commitJobs", { lua: JobScripts.commit.lua, numberOfKeys: 1 })
  const call = (name: string, root: string, words: ReadonlyArray<string | number>) =>
    Reflect.get(redis, name).call(redis, root, ...words) as Promise<ReadonlyArray<ReadonlyArray<string>>>
  const jobs: Array<{ readonly root: string; readonly batch: ReadonlyArray<Taken> }> = []
  for (const root of roots) {
    const stream = `${root}:mailbox:${mailbox}`
    await redis.xgroup("CREATE", stream, "workers", "0", "MKSTREAM").catch(() => null)
    const reply = (await redis.xreadgroup(
      "GROUP",
      "workers",
      "w",
      "COUNT",
      100_000,
      "STREAMS",
      stream,
      ">"
    )) as ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, ReadonlyArray<string>]>]> | null
    const taken = (reply?.[0]?.[1] ?? []).map(([entry, fields]) => ({ id: fields[1]!, entry, token: "", begun: 0 }))
    for (let i = 0; i < taken.length; i += 4) jobs.push({ root, batch: taken.slice(i, i + 4) })
  }
  let tokens = 0
  const step = async (root: string, batch: ReadonlyArray<Taken>) => {
    const at = batch[0]!.begun
    const next = stages[at] ?? "-"
    const renewed = batch.map(() => (at < stages.length ? `w:${next}.${tokens++}` : ""))
    const words = batch.map((job, i) =>
      at === 0
        ? [mailbox, "vision", job.entry, job.id, renewed[i]!, "run"]
        : [
            ...[job.id, `${mailbox}:${job.entry}`, job.token],
            `${stages[at - 1]} ${25 * at} - ${next} ${next === "-" ? "-" : `scan.${next}`}`,
            ...[renewed[i]!, JSON.stringify(outputs[stages[at - 1]!]), 0]
          ]
    )
    const answers =
      at === 0
        ? await call("beginJobs", root, [0, 604_800_000, ...words.flat()])
        : await call("commitJobs", root, [0, 3_600_000, 100, ...words.flat()])
    const wanted = at === 0 ? "run" : at < stages.length ? "kept" : "ended"
    for (const [i, job] of batch.entries()) {
      if (answers[i]?.[0] !== wanted) throw new Error(`a job was not ${wanted}: ${JSON.stringify(answers[i])}`)
      job.token = renewed[i]!
      job.begun++
    }
    // a begin tells queued and started, a commit two more; the viewers have had queued
    return at === 0 ? batch.length : 2 * batch.length
  }
  const began = performance.now()
  let sent = 0
  for (let round = 0; round <= stages.length; round++) {
    for (const { batch, root } of jobs) {
      sent += await step(root, batch)
      const ahead = (sent / rate) * 1_000 - (performance.now() - began)
      if (ahead > 1) await delay(ahead)
    }
  }
  return sent
}

export const round = async (contender: string, { idleSeconds, rate, viewers: count }: Size): Promise<Figures> => {
  const server = await start({ args: ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"] })
  const redis = new Redis({ port: server.port, protocol: 2 })
  const serving = await serve(contender, server)
  const { pid, port } = serving
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const ids: Array<string> = []
  const submit = async (i: number) => {
    const accepted: { readonly job_id: string } = JSON.parse(await http(port, agent, `u${i}`, "/api/v1/scan", body))
    ids[i] = accepted.job_id
  }
  const read = async (i: number) => {
    await http(port, agent, `u${i % count}`, `/api/v1/scan/${ids[i % count]}/result`, null)
  }
  /** Microseconds of the server's processor for each of `n`. */
  const cost = async (n: number, one: (i: number) => Promise<void>, from = 0) => {
    const before = cpuMicros(pid)
    await each(n, (i) => one(from + i))
    return (cpuMicros(pid) - before) / n
  }
  // the first half warms both
  const half = Math.floor(count / 2)
  await cost(half, submit)
  const submitMicros = await cost(count - half, submit, half)
  await cost(count, read)
  const readMicros = await cost(count, read)
  agent.destroy()
  const resident = residentMiB(pid)
  const lags: Array<number> = []
  const viewers: Array<Viewer> = []
  const open = async (i: number) => {
    viewers[i] = new Viewer(port, `u${i}`, ids[i]!, lags)
    await viewers[i].opened
  }
  const openMicros = await cost(count, open)
  await delay(2_000)
  const kibibytes = ((residentMiB(pid) - resident) * 1_024) / count
  const [idleFrom, idleSince] = [cpuMicros(pid), performance.now()]
  await delay(idleSeconds * 1_000)
  const idleShare = (cpuMicros(pid) - idleFrom) / 10 / (performance.now() - idleSince)
  const before = cpuMicros(pid)
  const sent = await work(redis, rate)
  // as long as events come
  const seen = () => viewers.reduce((sum, { ended, seq }) => sum + seq + Number(ended), 0)
  for (let before = -1, since = performance.now(); viewers.some(({ ended }) => !ended);) {
    if (seen() > before) [before, since] = [seen(), performance.now()]
    else if (performance.now() - since > 20_000) break
    await delay(20)
  }
  const eventMicros = (cpuMicros(pid) - before) / sent
  const short = viewers.filter(({ ended, seq }) => !ended || seq !== eventsOfJob)
  if (short.length > 0) {
    const some = short.slice(0, 5).map(({ ended, seq }) => `${seq}${ended ? ", ended" : ""}`)
    throw new Error(`${short.length} viewers of ${contender} lack events; their last seq: ${some.join("; ")}`)
  }
  const bytes = viewers.reduce((sum, viewer) => sum + viewer.bytes, 0) / count / eventsOfJob
  for (const { socket } of viewers) socket.destroy()
  redis.disconnect()
  await serving.stop()
  await server.stop()
  return {
    "POST /scan, CPU µs": submitMicros,
    "GET …/result, CPU µs": readMicros,
    "opening a stream, CPU µs": openMicros,
    "an event to a viewer, CPU µs": eventMicros,
    "commit to socket p50 ms": percentile(lags, 0.5),
    "commit to socket p99 ms": percentile(lags, 0.99),
    "KiB a viewer": kibibytes,
    "idle viewers, % of a core": idleShare,
    "bytes an event": bytes
  }
}
