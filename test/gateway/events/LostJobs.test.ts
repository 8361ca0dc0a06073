/** Jobs that Redis has lost: their streams end with JOB_LOST within seconds, and those of jobs that come back go on. */
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as EventStream from "../../harness/EventStream.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, field } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { metric, simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const own = { headers: { "x-user-id": "ann" } }
const other = { major_category: "재활용폐기물", middle_category: "캔류", minor_category: null }
const said = "redis has lost jobs whose streams are open; the streams end"

let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker
let ann: Client

beforeEach(async () => {
  redis = await RedisServer.start()
  // nothing is handed in again here; keepalives every fifteen seconds: what is told sooner was not found by a loss check
  const env = { ...simulatedOnly, AUTH_MODE: "header", SUBMIT_MEMORY: "0", REDIS_URL: redis.url }
  gateway = await start("gateway", env)
  hand = await HandWorker.start(redis.url)
  ann = client(gateway)
})
afterEach(async () => {
  await gateway.stop()
  await hand.stop()
  await redis.stop()
})

/** Streams of a job that waits, and of one whose second stage is due. */
const watched = async () => {
  const ids = [await ann.accepted(), await ann.accepted()]
  const streams = await Promise.all(ids.map((id) => EventStream.open(ann.eventsUrl(id), own)))
  await Promise.all(streams.map((stream) => stream.waitFor(({ event }) => event === "queued")))
  await hand.work(ids[1]!, 1)
  await streams[1]!.waitFor(({ id }) => id === 3)
  return { ids, streams }
}
const endsAsLost = async ({ ids, streams }: Awaited<ReturnType<typeof watched>>) => {
  for (const [i, stream] of streams.entries()) {
    expect(await stream.ended).toBe("ended")
    const [seen, progress] = [[1, 0] as const, [3, 25] as const][i]!
    const last = stream.events.findLast(EventStream.isTerminal)
    expect(last).toMatchObject({
      id: seen + 1,
      event: "failed",
      data: {
        job_id: ids[i],
        stage: "failed",
        status: "failed",
        seq: seen + 1,
        progress,
        result: { task_id: ids[i], status: "failed", error: { code: "JOB_LOST" } }
      }
    })
    expect(stream.events.filter(EventStream.isTerminal)).toEqual([last])
    const answer = await ann.result(ids[i]!)
    expect([answer.status, field(answer.body, "code")]).toEqual([404, "RESULT_NOT_FOUND"])
  }
  const lines = gateway.logs.filter(({ msg }) => msg === said)
  expect(lines.flatMap(({ job_ids }) => job_ids)).toEqual(expect.arrayContaining([...ids]))
  expect(await metric(gateway, "eco2_viewed_jobs_lost_total")).toBe(2)
  expect(gateway.logs.filter(({ msg }) => msg === "redis has lost its data").length).toBe(1)
}

describe("a job that Redis has lost", () => {
  it("J1 the streams of jobs in a Redis that was flushed end with failed and JOB_LOST, and their results are 404", async () => {
    const open = await watched()
    await hand.send("FLUSHALL")
    await endsAsLost(open)
  })

  it("J1 the streams of jobs in a Redis that restarted empty end with failed and JOB_LOST", async () => {
    const open = await watched()
    await redis.kill9()
    await redis.restart()
    await endsAsLost(open)
  })

  it("J4 the stream of a job that is back after a moment goes on to the job's end", async () => {
    const { ids, streams } = await watched()
    const [id = ""] = ids
    const { job } = await hand.keys(id)
    const looks = async () =>
      Number(/cmdstat_exists:calls=(\d+)/.exec(String(await hand.send("INFO", "commandstats")))?.[1] ?? 0)
    const before = await looks()
    await hand.send("RENAME", job, `${job}-away`)
    // a gap makes the router look at once
    await hand.send("HDEL", keyNames.meta, "data")
    await until(looks, (count) => count >= before + 3)
    await hand.send("RENAME", `${job}-away`, job)
    await hand.work(id)
    expect(await streams[0]!.ended).toBe("ended")
    expect(streams[0]!.events.findLast(EventStream.isTerminal)?.event).toBe("done")
    expect(gateway.logs.filter(({ msg }) => msg === said)).toEqual([])
    await streams[1]!.close()
  })

  it.each([
    ["after", true],
    ["during", false]
  ])(
    "J1 J4 a job that Redis has lost %s its answer, and its gateway hands in again, is told anew, with the text that is written anew",
    async (_, isCommitted) => {
      const remembering = await start("gateway", { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url })
      onTestFinished(() => remembering.stop())
      const ann = client(remembering)
      const id = await ann.accepted()
      const stream = await EventStream.open(ann.eventsUrl(id), own)
      const writes = async (text: string) => {
        const holding = await hand.begin(id)
        ;(await hand.writer(holding, 3)).send(text)
        await stream.waitFor(({ data }) => field(data["result"], "text") === text)
        return holding
      }
      await hand.work(id, 2)
      const holding = await writes("the first answer")
      if (isCommitted) {
        await hand.commit(holding)
        await stream.waitFor(({ id }) => id === 7)
      }

      await hand.send("FLUSHALL")
      const { job } = await hand.keys(id)
      await until(
        () => hand.send("EXISTS", job),
        (there) => there === 1
      )
      await hand.commit(await hand.begin(id), {
        result: { classification: other, situation_tags: [], meta: { user_input: "?" } },
        use: { provider: "simulated", model: "simulated", simulated: true }
      })
      await hand.work(id, 1)
      const completed = (stage: string) =>
        stream.events.filter(({ data }) => data["stage"] === stage && data["status"] === "completed")
      await until(
        async () => completed("rule").length,
        (count) => count === 2
      )
      expect(field(completed("vision")[1]?.data["result"], "classification")).toEqual(other)
      await hand.commit(await writes("another"))
      await hand.work(id, 1)
      expect(await stream.ended).toBe("ended")
      const answers = stream.events.filter(({ data, event }) => event === "answer" && data["status"] !== "started")
      expect(answers.map(({ data }) => [data["status"], field(data["result"], "text")])).toEqual([
        ["delta", "the first answer"],
        ...(isCommitted ? [["completed", undefined]] : []),
        ["restarted", ""],
        ["delta", "another"],
        ["completed", undefined]
      ])
    }
  )
})
