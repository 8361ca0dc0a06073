/** The metrics of a working scan-worker and gateway, in numbers: those that autoscalers, dashboards and alerts use. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as EventStream from "../harness/EventStream.ts"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import * as HandWorker from "./HandWorker.ts"
import { client, photo } from "./ScanClient.ts"
import { start, until } from "./Serving.ts"
import type { Environment, Serving } from "./Serving.ts"

let redis: RedisServer.RedisServer
let models: FakeModelServer
let hand: HandWorker.HandWorker
let env: Environment
const serving: Array<Serving> = []

beforeAll(async () => {
  redis = await RedisServer.start()
  models = await FakeModelServer.start()
  hand = await HandWorker.start(redis.url)
  env = {
    AUTH_MODE: "header",
    REDIS_URL: redis.url,
    OPENAI_MODELS: "gpt-5.2",
    FETCH_IMAGES: "false",
    OPENAI_API_KEY: "sk-test",
    OPENAI_BASE_URL: `${models.url}/v1`,
    GEMINI_MODELS: "",
    LEASE: "3 seconds",
    SCAN_VISION_CONCURRENCY: "1"
  }
})
afterAll(async () => {
  await Promise.all(serving.map((one) => one.stop()))
  await hand.stop()
  await models.close()
  await redis.stop()
})

/** One value of a scrape, its labels in any order; undefined if it is missing. */
const value = async ({ address }: Serving, name: string, labels: Readonly<Record<string, string>> = {}) => {
  const wanted = Object.entries(labels)
    .map(([label, text]) => `${label}="${text}"`)
    .toSorted()
  for (const line of (await (await fetch(`${address}/metrics`)).text()).split("\n")) {
    const [, series, given = "", number] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (series !== name) continue
    if ((given.match(/\w+="[^"]*"/g) ?? []).toSorted().join() === wanted.join()) return Number(number)
  }
  return undefined
}

it("a worker's metrics count backlog, jobs by outcome, attempts, times and dead letters as they happened", async () => {
  const gateway = await start("gateway", env)
  serving.push(gateway)
  const ann = client(gateway)
  const scan = () => ann.accepted({ image_url: photo })
  const mailbox = "scan.vision"

  // one delayed on a timer, one in work, one that waits for the only slot
  const delayed = await scan()
  await hand.putOff(await hand.begin(delayed), "ModelUnavailable")
  models.next("vision", { _tag: "Hang" })
  const worker = await start("scan-worker", env)
  serving.push(worker)
  const inWork = await scan()
  await until(
    () => value(worker, "eco2_mailbox_leased", { mailbox }),
    (leased) => leased === 1
  )
  const waiting = await scan()
  const of = (name: string) => value(worker, `eco2_mailbox_${name}`, { mailbox })
  expect(await Promise.all(["depth", "leased", "due", "backlog"].map(of))).toEqual([2, 1, 1, 3])
  expect(await of("oldest_seconds")).toBeGreaterThanOrEqual(0)

  const stream = await EventStream.open(ann.eventsUrl(waiting), { headers: ann.headers })
  for (const id of [inWork, delayed, delayed]) expect((await ann.remove(`/api/v1/scan/${id}`)).status).toBe(202)
  expect(await stream.ended).toBe("ended")
  models.next("vision", { _tag: "Refusal" })
  await ann.finished(await scan())
  models.next("vision", { _tag: "ServerError" })
  await ann.finished(await scan())

  const jobs = (one: Serving, outcome: string) => value(one, "eco2_jobs_total", { pipeline: "scan", outcome })
  expect([await jobs(worker, "done"), await jobs(worker, "failed"), await jobs(gateway, "cancelled")]).toEqual([
    2, 1, 2
  ])
  const attempts = (reason: string) => value(worker, "eco2_attempts_total", { stage: mailbox, reason })
  expect([await attempts("ModelRefused"), await attempts("ModelUnavailable")]).toEqual([1, 1])
  expect(await value(worker, "eco2_dead_letters", { mailbox, reason: "ModelRefused" })).toBe(1)
  const times = (name: string, stage: string) => value(worker, `${name}_count`, { pipeline: "scan", stage })
  // started: the one that hung, the two that were done, one of these twice, and the refused one
  expect([await times("eco2_wait_seconds", "vision"), await times("eco2_stage_seconds", "vision")]).toEqual([5, 2])
  expect(await times("eco2_stage_seconds", "answer")).toBe(2)
  expect(await Promise.all(["depth", "leased", "due", "backlog"].map(of))).toEqual([0, 0, 0, 0])
  expect(await value(gateway, "eco2_event_lag_seconds_count")).toBeGreaterThan(0)
  expect(await value(worker, "eco2_last_read_age_seconds", { reader: "mailboxes" })).toBeLessThan(25)
})
