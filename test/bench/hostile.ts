/**
 * What one hostile user costs the others: `npm run bench:hostile [-- seconds]`. Ten honest users send a small photo each second
 * and wait for its result, first alone for 30 s, then for 300 s beside one user who does all of this at once, as fast as answers
 * come: bodies of 14 MB of brackets, uploads that never end, photos of 10 MiB, scans naming hosts whose name server is silent,
 * `/docs` and `/openapi.json`, connections that upgrade to nothing, streams, tokens that are none. Gateway and worker have the
 * chart's heaps, Redis 512 MB. Prints the honest users' times in both phases, what the hostile one was answered, and the most
 * memory each process had. No test asserts on any of it.
 */
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { request } from "node:http"
import { connect } from "node:net"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import * as System from "../e2e/System.ts"
import * as Residents from "./Residents.ts"
import { percentile } from "./Workload.ts"

const [seconds = 300] = process.argv.slice(2).map(Number)
const quietSeconds = 30
const wait = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

// a name server that never answers
const silent = createSocket("udp4")
silent.bind(0, "127.0.0.1")
await once(silent, "listening")

const models = await FakeModelServer.start({ keepBodies: false })
for (const kind of ["vision", "answer"] as const) models.setLatency(kind, 300)
const system = await System.start({
  OPENAI_MODELS: "",
  GEMINI_MODELS: "gemini-2.5-flash",
  GEMINI_API_KEY: System.apiKey,
  GEMINI_BASE_URL: models.url,
  FETCH_NAME_SERVERS: `127.0.0.1:${silent.address().port}`
})
await system.outside.config("SET", "maxmemory", "512mb")
const gateway = await system.start("gateway", { NODE_OPTIONS: "--max-old-space-size=512" })
const worker = await system.start("scan-worker", { NODE_OPTIONS: "--max-old-space-size=768" })

const residents = Residents.watch({ gateway, worker })

const submits: Array<number> = []
const wholes: Array<number> = []
let failed = 0
const honest = async (user: string, until: number) => {
  const one = client(gateway, user)
  while (performance.now() < until) {
    const began = performance.now()
    try {
      const answer = await one.submit({ image_url: dataUrl(tinyPng) })
      if (answer.status !== 202) throw new Error(`${answer.status} ${String(field(answer.body, "code"))}`)
      submits.push(performance.now() - began)
      await one.finished(String(field(answer.body, "job_id")))
      wholes.push(performance.now() - began)
    } catch (error) {
      failed++
      process.stderr.write(`honest: ${String(error)}\n`)
    }
    await wait(Math.max(0, 1_000 - (performance.now() - began)))
  }
}
const phase = async (title: string, forSeconds: number) => {
  submits.length = wholes.length = 0
  const until = performance.now() + forSeconds * 1_000
  await Promise.all(Array.from({ length: 10 }, (_, n) => honest(`honest ${n}`, until)))
  const figure = (values: ReadonlyArray<number>) =>
    `p50 ${percentile(values, 0.5).toFixed(0)}, p95 ${percentile(values, 0.95).toFixed(0)} ms`
  console.log(`${title}: ${wholes.length} scans; submit ${figure(submits)}; whole ${figure(wholes)}; failed ${failed}`)
}

const { hostname, port } = new URL(gateway.address)
const at = { hostname, port, headers: { "x-user-id": "mallory", "content-type": "application/json" } }
const answers = new Map<string, number>()
const count = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)
const post = (what: string, body: Buffer | string) =>
  new Promise<void>((resolve) => {
    const sent = request({ ...at, method: "POST", path: "/api/v1/scan", agent: false }, (response) => {
      response.resume().once("end", () => {
        count(`${what}: ${response.statusCode}`)
        resolve()
      })
    })
    sent.once("error", () => {
      count(`${what}: closed`)
      resolve()
    })
    sent.end(body)
  })
const get = async (path: string, headers: Readonly<Record<string, string>> = { "x-user-id": "mallory" }) => {
  try {
    const answer = await fetch(`${gateway.address}${path}`, { headers })
    await answer.arrayBuffer()
    count(`GET ${path.slice(0, 30)}: ${answer.status}`)
  } catch {
    count(`GET ${path.slice(0, 30)}: closed`)
  }
}
/** Announces a photo, sends a megabyte, and says no more. */
const stalled = () =>
  new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.once("error", () => resolve()).once("close", () => resolve())
    socket.on("data", (data) => count(`an upload that never ends: ${data.toString("latin1").slice(9, 12)}`))
    socket.write(
      `POST /api/v1/scan HTTP/1.1\r\nhost: a\r\nx-user-id: mallory\r\ncontent-type: application/json\r\ncontent-length: 14000000\r\n\r\n{"image_url":"data:image/png;base64,${"A".repeat(1_048_576)}`
    )
  })
const upgrading = () =>
  new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.once("error", () => resolve()).once("close", () => resolve())
    socket.on("data", () => count("an upgrade: answered"))
    socket.write("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
  })

await phase("alone", quietSeconds)

const until = performance.now() + seconds * 1_000
const brackets = Buffer.alloc(14_000_000, "[")
const photo = Buffer.from(JSON.stringify({ image_url: dataUrl(Buffer.alloc(10 * 1024 * 1024, 0x5a)) }))
let names = 0
const again = (times: number, attack: () => Promise<void>) =>
  Array.from({ length: times }, async () => {
    while (performance.now() < until) await attack()
  })
const attacks = [
  ...again(4, () => post("brackets", brackets)),
  ...again(28, stalled),
  ...again(2, () => post("a photo of 10 MiB", photo)),
  ...again(2, () => post("a dead name", JSON.stringify({ image_url: `http://dead${names++}.example/a.jpg` }))),
  ...again(2, () => get("/docs")),
  ...again(2, () => get("/openapi.json")),
  ...again(50, upgrading),
  ...again(2, () => get("/api/v1/scan/00000000-0000-4000-8000-000000000000/events")),
  ...again(2, () => get("/api/v1/scan/models", { authorization: `Bearer ${"x".repeat(4_000)}` }))
]
await Promise.race([Promise.all([phase("beside one hostile user", seconds), ...attacks]), wait((seconds + 30) * 1_000)])
for (const [what, number] of [...answers].toSorted()) console.log(`${what}: ${number}`)
const ended = await residents.report()
await system.stop()
await models.close()
process.exit(ended ? 1 : 0)
