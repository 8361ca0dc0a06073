/**
 * What large photos cost and whom they disturb: `npm run bench:photos [-- photos users seconds]`. 20 users send 200 photos of
 * 10 MiB in a minute to one gateway and one worker with the chart's heaps and a Redis of 512 MB; every 250 ms somebody else sends
 * a small photo. Prints the answers, how long the small ones took, and the most memory each process had. Ends with 1 when a
 * process did. No test asserts on any of it.
 */
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import * as Photos from "../harness/Photos.ts"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import * as System from "../e2e/System.ts"
import * as Residents from "./Residents.ts"
import { percentile } from "./Workload.ts"

const [photos = 200, users = 20, seconds = 60] = process.argv.slice(2).map(Number)
const photoBytes = 10 * 1024 * 1024

const heap = (megabytes: number) => ({ NODE_OPTIONS: `--max-old-space-size=${megabytes}` })
const models = await FakeModelServer.start({ keepBodies: false })
for (const kind of ["vision", "answer"] as const) models.setLatency(kind, 1_500)
const system = await System.start({
  OPENAI_BASE_URL: `${models.url}/v1`,
  // the same photo is asked about again and again
  MODEL_REUSE: "off",
  IMAGE_MEMORY: process.env.IMAGE_MEMORY ?? "128 MiB"
})
await system.outside.config("SET", "maxmemory", "512mb")
const gateway = await system.start("gateway", heap(512))
const worker = await system.start("scan-worker", heap(768))

const residents = Residents.watch({ gateway, worker })

const answers = new Map<string, number>()
const count = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)
// with metadata, as phones make them: what is taken out must cost no second copy
const metadata = Photos.jpegMetadata(6)
const plain = Photos.jpegOf(photoBytes - metadata.reduce((sum, { length }) => sum + length, 0))
const body = Buffer.from(JSON.stringify({ image_url: dataUrl(Photos.withSegments(plain, metadata), "image/jpeg") }))
const until = performance.now() + seconds * 1_000
const wait = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))
const say = (what: string) => process.stderr.write(`${what}\n`)

const sender = async (user: string, number: number) => {
  for (let n = 0; n < number; n++) {
    const began = performance.now()
    try {
      const response = await fetch(`${gateway.address}/api/v1/scan`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-user-id": user },
        body
      })
      const told: unknown = await response.json()
      count(response.status === 202 ? "202" : `${response.status} ${String(field(told, "code"))}`)
    } catch (error) {
      count(`no answer: ${String(error instanceof Error ? (error.cause ?? error.message) : error).slice(0, 60)}`)
    }
    await wait(Math.max(0, (seconds * 1_000) / number - (performance.now() - began)))
  }
}

const submits: Array<number> = []
const wholes: Array<number> = []
let unfinished = 0
const small = async (n: number) => {
  const one = client(gateway, `small ${n % 50}`)
  const began = performance.now()
  try {
    const answer = await one.submit({ image_url: dataUrl(tinyPng) })
    if (answer.status !== 202) return count(`small: ${answer.status} ${String(field(answer.body, "code"))}`)
    submits.push(performance.now() - began)
    unfinished++
    await one.finished(String(field(answer.body, "job_id")))
    unfinished--
    wholes.push(performance.now() - began)
  } catch (error) {
    count(`small: ${String(error).slice(0, 60)}`)
  }
}
const smalls = async (until: number) => {
  const all: Array<Promise<void>> = []
  for (let n = 0; performance.now() < until; n++) {
    all.push(small(n))
    await wait(250)
  }
  await Promise.race([Promise.all(all), wait(60_000)])
}
const tell = (title: string) => {
  const figure = (values: ReadonlyArray<number>) =>
    `p50 ${percentile(values, 0.5).toFixed(0)} ms, p95 ${percentile(values, 0.95).toFixed(0)} ms, of ${values.length}`
  console.log(`${title}: small submit ${figure(submits)}; small scan whole ${figure(wholes)}; unfinished ${unfinished}`)
  submits.length = wholes.length = 0
}

await smalls(performance.now() + 10_000)
tell("alone")
say("sending")
const own = Math.ceil(photos / users)
await Promise.all([smalls(until + 10_000), ...Array.from({ length: users }, (_, n) => sender(`user ${n}`, own))])
tell("beside the photos")
for (const [what, number] of [...answers].sort()) console.log(`${what}: ${number}`)
const ended = await residents.report()
await system.stop()
await models.close()
process.exit(ended ? 1 : 0)
