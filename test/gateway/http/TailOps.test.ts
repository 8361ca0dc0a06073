/** The operators' live tail: the events of all jobs as they come, filtered, for whoever may read. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import * as HandWorker from "../HandWorker.ts"
import { client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "who looks knows this"
let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await start("gateway", {
    ...simulatedOnly,
    AUTH_MODE: "header",
    REDIS_URL: redis.url,
    INTERNAL_SECRET: "only operators know this",
    VIEWER_SECRET: secret
  })
  hand = await HandWorker.start(redis.url)
})
afterAll(async () => {
  await gateway?.stop()
  await hand?.stop()
  await redis?.stop()
})

const open = (query: string, signal: AbortSignal) =>
  fetch(`${gateway.address}/api/v1/internal/ops/tail${query}`, { headers: { "x-internal-secret": secret }, signal })

/** Reads until the text has what is waited for. */
const reading = (response: Response) => {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  return async (wanted: string): Promise<string> => {
    while (!text.includes(wanted)) {
      const { done, value } = await reader.read()
      if (done) throw new Error(`the stream ended without ${wanted}: ${text}`)
      text += value
    }
    return text
  }
}

describe("the operators' tail", { timeout: 30_000 }, () => {
  it("a viewer sees the events of all jobs with pipeline and owner, or of one owner alone, and nothing of their results", async () => {
    const ended = new AbortController()
    const [all, bobs] = [await open("", ended.signal), await open("?owner=bob", ended.signal)]
    expect([all.status, all.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"])
    const [ofAll, ofBob] = [reading(all), reading(bobs)]
    await Promise.all([ofAll("event: open"), ofBob("event: open")])
    const anns = await client(gateway, "ann").accepted()
    await hand.giveUp(await hand.begin(anns), "ModelRefused")
    const bob = await client(gateway, "bob").accepted()
    await hand.giveUp(await hand.begin(bob), "ModelRefused")
    const seen = await ofAll(`"job_id":"${bob}","pipeline":"scan","owner":"bob","seq":3`)
    expect(seen).toContain(`"job_id":"${anns}","pipeline":"scan","owner":"ann","seq":3`)
    expect(seen).not.toContain("result")
    const own = await ofBob('"seq":3')
    expect(own).toContain(bob)
    expect(own).not.toContain(anns)
    ended.abort()
  })

  it("a watcher too many is refused, and may watch once another has gone", async () => {
    const others = Array.from({ length: 16 }, () => new AbortController())
    for (const { signal } of others) {
      // the gateway may not have heard yet that the watcher of the test before has gone
      const stream = await vi.waitFor(async () => {
        const answer = await open("", signal)
        if (answer.status !== 200) throw new Error(`${answer.status}`)
        return answer
      }, 20_000)
      await reading(stream)("event: open")
    }
    const last = new AbortController()
    expect((await open("", last.signal)).status).toBe(503)
    for (const one of others) one.abort()
    await expect.poll(async () => (await open("", last.signal)).status, { timeout: 20_000 }).toBe(200)
    last.abort()
  })

  it("the tail is refused without the secret", async () => {
    expect((await fetch(`${gateway.address}/api/v1/internal/ops/tail`)).status).toBe(403)
  })
})
