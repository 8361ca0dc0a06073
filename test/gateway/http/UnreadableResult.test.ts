/** The response for a scan whose stored parts this version cannot read: an end, never a reason to keep asking. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as EventStream from "../../harness/EventStream.ts"
import * as HandWorker from "../HandWorker.ts"
import { client } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker
let ann: Client

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await start("gateway", { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url })
  hand = await HandWorker.start(redis.url)
  ann = client(gateway)
})
afterAll(async () => {
  await gateway.stop()
  await hand.stop()
  await redis.stop()
})

const lastOf = async (id: string) =>
  (await EventStream.watch(ann.eventsUrl(id), { headers: { "x-user-id": "ann" } })).at(-1)

it("a failed scan with an unreadable checkpoint keeps its own error, has no pipeline_result, and is logged", async () => {
  const id = await ann.accepted()
  await hand.commit(await hand.begin(id), { pounds: 4 })
  await hand.giveUp(await hand.begin(id), "CheckpointUnreadable")
  const answer = await ann.result(id)
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({
    status: "failed",
    pipeline_result: null,
    error: { code: "CHECKPOINT_UNREADABLE", stage: "rule", attempts: 1 },
    metadata: { llm_model: "simulated" }
  })
  expect(await lastOf(id)).toMatchObject({ event: "failed", data: { result: answer.body } })
  expect(gateway.logs).toContainEqual(
    expect.objectContaining({ level: "Error", msg: "part of a result is unreadable", part: "vision", job_id: id })
  )
})

it("a done scan with an unreadable checkpoint is failed with RESULT_UNREADABLE, in its result and its stream's end", async () => {
  const id = await ann.accepted()
  await hand.work(id, 2)
  await hand.commit(await hand.begin(id), { pounds: 4 })
  await hand.work(id, 1)
  const answer = await ann.result(id)
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({
    status: "failed",
    pipeline_result: null,
    reward: { name: "페이피" },
    error: { code: "RESULT_UNREADABLE", message: expect.any(String), stage: "answer" }
  })
  expect(await lastOf(id)).toMatchObject({ event: "done", data: { result: answer.body } })
})

it("a done scan of which only the input is unreadable is completed: its answer does not need it", async () => {
  const id = await ann.accepted()
  await hand.work(id)
  await hand.send("HSET", (await hand.keys(id)).job, "input", '{"pounds":4}')
  const answer = await ann.result(id)
  expect(answer.body).toMatchObject({
    status: "completed",
    pipeline_result: { final_answer: { user_answer: "묶어서 냅니다." } },
    error: null
  })
  expect(await lastOf(id)).toMatchObject({ event: "done", data: { result: answer.body } })
})

it("a job whose fence is unreadable is answered with 404, not 500", async () => {
  const id = await ann.accepted()
  await hand.spoil(id)
  expect((await ann.result(id)).status).toBe(404)
  expect((await ann.remove(`/api/v1/scan/${id}`)).status).toBe(404)
  expect((await fetch(ann.eventsUrl(id), { headers: ann.headers })).status).toBe(404)
})
