/**
 * What one hostile user costs the others: `npm run bench:hostile [-- seconds]`. Ten honest users send a small photo each second
 * and wait for its result, first alone for 30 s, then for 300 s beside one user who does all of this at once, as fast as answers
 * come: bodies of 14 MB of brackets, uploads that never end, photos of 10 MiB, scans naming hosts whose name server is silent,
 * `/docs` and `/openapi.json`, connections that upgrade to nothing, streams, tokens that are none (hostileUser.ts). Gateway and worker have the
 * chart's heaps, Redis 512 MB. Prints the honest users' times in both phases, what the hostile one was answered, and the most
 * memory each process had. No test asserts on any of it.
 */
import { spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
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

await phase("alone", quietSeconds)

const hostile = spawn(process.execPath, [
  fileURLToPath(new URL("hostileUser.ts", import.meta.url)),
  gateway.address,
  String(seconds)
])
const answers = text(hostile.stdout)
hostile.stderr.pipe(process.stderr)
await phase("beside one hostile user", seconds)
process.stdout.write(await answers)
const ended = await residents.report()
await system.stop()
await models.close()
process.exit(ended ? 1 : 0)
