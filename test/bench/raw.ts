/**
 * Contender: the raw gateway: node:http and ioredis with the project's submit script, keys and live stream, and nothing beside:
 * no schemas, checks of input, shares of users, redaction, metrics or traces. `node raw.ts <redis port>`; reports `ready` with
 * its port. Viewers of a job see the same events as from the gateway: what vision and rule found, and the result at the end.
 */
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as JobScripts from "../../packages/core/src/job/JobScripts.ts"
import { partitionOf, tags } from "../../packages/core/src/redis/Keys.ts"
import { onCommand, report } from "./Workload.ts"

const [port = "6379"] = process.argv.slice(2)
const partitions = 4
const mostTogether = 32
const roots = tags(partitions).map((tag) => `eco2:{${tag}}`)
const connect = () => new Redis({ host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null, protocol: 2 })
const commands = connect()
const blocking = connect()
type Answers = ReadonlyArray<ReadonlyArray<string | number>>

commands.defineCommand("submitJobs", { lua: JobScripts.submit.lua, numberOfKeys: 1 })
commands.defineCommand("readHistory", { lua: JobScripts.readHistory.lua, numberOfKeys: 1 })
const call = <A>(name: string, root: string, words: ReadonlyArray<string | number>): Promise<A> =>
  Reflect.get(commands, name).call(commands, root, ...words)

interface Submit {
  readonly words: ReadonlyArray<string | number>
  readonly accepted: () => void
}
/** Submits of one tick and partition go together, as the gateway's do. */
const submits = roots.map((root) => {
  let waiting: Array<Submit> = []
  const flush = () => {
    const all = waiting
    waiting = []
    for (let i = 0; i < all.length; i += mostTogether) {
      const batch = all.slice(i, i + mostTogether)
      const words = batch.flatMap((submit) => submit.words)
      void call<Answers>("submitJobs", root, [0, 3_600_000, 100, 10_000, 0, 0, 1e8, 604_800_000, 100, ...words]).then(
        (answers) => {
          for (const [i, { accepted }] of batch.entries()) {
            if (answers[i]?.[0] !== "created") throw new Error(`unexpected ${JSON.stringify(answers[i])}`)
            accepted()
          }
        }
      )
    }
  }
  return (submit: Submit) => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push(submit)
  }
})

const plan = "vision:25:image rule:50 answer:75 reward:100"
const json = { "content-type": "application/json" }
const post = (user: string, request: IncomingMessage, response: ServerResponse) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(parts).toString())
    const partition = partitionOf(user, partitions)
    let id = randomUUID()
    while (partitionOf(id, partitions) !== partition) id = randomUUID()
    const trace = randomUUID().replaceAll("-", "")
    const input = {
      image: { _tag: "Url", url: body.image_url },
      userInput: body.user_input,
      model: "simulated",
      language: "ko",
      region: null
    }
    const about = JSON.stringify({ pipeline: "scan", trace: `00-${trace}-${trace.slice(16)}-01`, hash: "", plan })
    const words = [id, "", about, "vision", "scan.vision", JSON.stringify(input), "", user, 25_000]
    const accepted = () => {
      const result_url = `/api/v1/scan/${id}/result`
      response.writeHead(202, { ...json, location: result_url })
      response.end(
        JSON.stringify({ job_id: id, stream_url: `/api/v1/scan/${id}/events`, result_url, status: "queued" })
      )
    }
    submits[partition]!({ words, accepted })
  })
}

/** The caller's own job, by its fence; null: none. */
const jobOf = async (root: string, id: string, user: string) => {
  const hash = await commands.hgetall(`${root}:job:${id}`)
  const words = (hash.now ?? "").split(" ")
  return words.slice(18).join(" ") === user ? { hash, words } : null
}
const missing = (response: ServerResponse) => void response.writeHead(404).end()

interface Viewer {
  readonly response: ServerResponse
  /** Frames are written in order, though some wait for what a stage found. */
  last: Promise<void>
  seq: number
}
const viewers = new Map<string, Set<Viewer>>()
const stored = (checkpoint = "") => checkpoint.slice(checkpoint.indexOf(" ") + 1) || "null"
const frame = (root: string, id: string, text: string, seq: number): string | Promise<string> => {
  const { progress, result, stage, status, ts } = JSON.parse(text)
  const framed = (found: string) =>
    `id: ${seq}\nevent: ${stage}\ndata: {"job_id":"${id}","stage":"${stage}","status":"${status}","seq":${seq},"ts":${ts},"progress":${progress},"result":${found}}\n\n`
  const key = `${root}:job:${id}`
  if (stage === "done") {
    return commands
      .hmget(key, "o:vision", "o:rule", "o:answer", "o:reward")
      .then((found) => framed(`[${found.map((one) => stored(one ?? "")).join()}]`))
  }
  if (status !== "completed" || (stage !== "vision" && stage !== "rule")) return framed(JSON.stringify(result))
  return commands.hget(key, `o:${stage}`).then((found) => framed(stored(found ?? "")))
}
const show = (root: string, id: string, texts: ReadonlyArray<string>, first: number) => {
  for (const viewer of viewers.get(id) ?? []) {
    const frames = texts.flatMap((text, i) => {
      if (first + i <= viewer.seq) return []
      viewer.seq = first + i
      return [frame(root, id, text, first + i)]
    })
    viewer.last = viewer.last.then(async () => {
      viewer.response.write((await Promise.all(frames)).join(""))
      if (texts.at(-1)?.includes('"stage":"done"') === true) viewer.response.end()
    })
  }
}
const events = async (root: string, id: string, user: string, response: ServerResponse) => {
  if ((await jobOf(root, id, user)) === null) return missing(response)
  const viewer: Viewer = { response, last: Promise.resolve(), seq: 0 }
  const all = viewers.get(id) ?? new Set()
  viewers.set(id, all.add(viewer))
  response.on("close", () => {
    all.delete(viewer)
    if (all.size === 0) viewers.delete(id)
  })
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no"
  })
  response.write("retry: 1000\n\n")
  show(root, id, await call<ReadonlyArray<string>>("readHistory", root, [0, id, 0]), 1)
}
const result = async (root: string, id: string, user: string, response: ServerResponse) => {
  const job = await jobOf(root, id, user)
  if (job === null) return missing(response)
  response.writeHead(202, { ...json, "cache-control": "no-store", "retry-after": "1" })
  const [, at = ""] = job.words
  response.end(
    JSON.stringify({
      status: "processing",
      message: "분류가 진행 중입니다.",
      current_stage: at,
      progress: Number(job.words[9])
    })
  )
}

const follow = async () => {
  const cursors = new Map(roots.map((root) => [`${root}:events`, "0-0"]))
  for (;;) {
    const reply = await blocking.xread(
      ...(["COUNT", 1_000, "BLOCK", 20_000, "STREAMS"] as const),
      ...cursors.keys(),
      ...cursors.values()
    )
    for (const [key, entries] of reply ?? []) {
      const root = key.slice(0, -":events".length)
      for (const [entry, fields] of entries) {
        cursors.set(key, entry)
        const lines = fields[1]!.split("\n")
        for (let at = 0; at < lines.length;) {
          const [id = "", first = ""] = lines[at++]!.split(" ")
          const from = at
          while (lines[at]?.startsWith("{") === true) at++
          show(root, id, lines.slice(from, at), Number(first))
        }
      }
    }
  }
}
void follow()

const server = createServer((request, response) => {
  const user = String(request.headers["x-user-id"])
  if (request.method === "POST") return post(user, request, response)
  const [, id = "", what = ""] = /^\/api\/v1\/scan\/([^/]+)\/(events|result)$/.exec(request.url ?? "") ?? []
  const root = roots[partitionOf(id, partitions)]!
  if (what === "events") void events(root, id, user, response)
  else if (what === "result") void result(root, id, user, response)
  else missing(response)
})
server.listen(0, "127.0.0.1", () => report("ready", { port: (server.address() as AddressInfo).port }))
// the benchmark ends it; its commands are none
onCommand(() => {})
