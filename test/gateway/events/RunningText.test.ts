/**
 * What viewers see of the text that a running stage writes: events `answer`, status `delta` or `restarted`, beside the history.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { JobStore } from "@eco2/core"
import { RedisServer } from "@eco2/core/testing"
import * as EventStream from "../../harness/EventStream.ts"
import * as HandWorker from "../HandWorker.ts"
import { client } from "../ScanClient.ts"
import type { Client as ScanClient } from "../ScanClient.ts"
import { simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const own = { headers: { "x-user-id": "ann" } }

interface Told {
  readonly status: string
  readonly attempt: number
  readonly offset: number
  readonly text: string
}
/** The text events of a stream, as a client reads them. */
const toldOf = (events: ReadonlyArray<EventStream.Event>): ReadonlyArray<Told> =>
  events
    .filter(({ data }) => data["status"] === "delta" || data["status"] === "restarted")
    .map(({ data }) => ({ status: String(data["status"]), ...(data["result"] as Omit<Told, "status">) }))
/** What a client shows that puts the pieces where they belong. */
const shownBy = (events: ReadonlyArray<EventStream.Event>) =>
  toldOf(events).reduce((shown, { offset, status, text }) => {
    if (status === "restarted") return ""
    expect(offset).toBe(shown.length)
    return shown + text
  }, "")

describe("the text of a running stage", () => {
  let redis: RedisServer.RedisServer
  let gateway: Serving
  let hand: HandWorker.HandWorker
  let ann: ScanClient

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

  /** A job whose answer is being written. */
  const writing = async () => {
    const id = await ann.accepted()
    await hand.work(id, 2)
    return id
  }
  const open = (id: string, after?: number) =>
    EventStream.open(ann.eventsUrl(id), after === undefined ? own : { ...own, after })
  const has = (stream: EventStream.EventStream, text: string) =>
    until(
      () => Promise.resolve(shownBy(stream.events)),
      (shown) => shown === text
    )
  const finish = async (holding: JobStore.Holding, id: string) => {
    await hand.commit(holding)
    await hand.work(id, 1)
  }

  it("the text grows for a viewer piece by piece, without id and seq, and ends with the commit", async () => {
    const id = await writing()
    const stream = await open(id)
    const holding = await hand.begin(id)
    await stream.waitFor(({ data, event }) => event === "answer" && data["status"] === "started")
    const writer = await hand.writer(holding, 3)
    writer.send("깨끗이 ")
    await has(stream, "깨끗이 ")
    writer.send('깨끗이 씻어 "따로"\n버립니다.')
    await has(stream, '깨끗이 씻어 "따로"\n버립니다.')
    await finish(holding, id)
    expect(await stream.ended).toBe("ended")
    const texts = stream.events.filter(({ data }) => data["status"] === "delta")
    expect(texts.map(({ event, id: seq }) => [event, seq])).toEqual([
      ["answer", null],
      ["answer", null]
    ])
    expect(texts[0]!.data).toMatchObject({
      job_id: id,
      stage: "answer",
      progress: 50,
      result: { attempt: 1, offset: 0 }
    })
    expect(texts[0]!.data).not.toHaveProperty("seq")
    // J4 holds as without it
    expect(EventStream.seqs(stream.events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it("`completed` events of vision and rule carry what they found, also for a late viewer", async () => {
    const id = await ann.accepted()
    const live = await open(id)
    await hand.work(id, 2)
    await live.waitFor(({ data, event }) => event === "rule" && data["status"] === "completed")
    const late = await open(id)
    await late.waitFor(({ data, event }) => event === "rule" && data["status"] === "completed")
    for (const { events } of [live, late]) {
      const found = events.filter(({ data }) => data["status"] === "completed").map(({ data }) => data["result"])
      expect(found).toMatchObject([{ classification: { middle_category: "종이" } }, null])
    }
    await hand.work(id, 2)
    for (const stream of [live, late]) expect(await stream.ended).toBe("ended")
  })

  it("the text comes in one piece to a viewer that joins late, and goes on from there", async () => {
    const id = await writing()
    const first = await open(id)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 3)
    writer.send("one ")
    await has(first, "one ")
    writer.send("one two ")
    await has(first, "one two ")
    const late = await open(id)
    await has(late, "one two ")
    expect(toldOf(late.events)).toHaveLength(1)
    writer.send("one two three")
    await has(late, "one two three")
    await has(first, "one two three")
    await finish(holding, id)
    for (const stream of [first, late]) expect(await stream.ended).toBe("ended")
  })

  it("text that is stored still, and read only after its stage's commit, is told to nobody", async () => {
    const id = await writing()
    const keys = await hand.keys(id)
    const stream = await open(id)
    const holding = await hand.begin(id)
    ;(await hand.writer(holding, 3)).send("one")
    await has(stream, "one")
    const text = `${keys.job}:partial`
    const stored = String(await hand.send("GET", text))
    await hand.send("SET", text, `${stored} two`, "PX", 60_000)
    await hand.commit(holding)
    await stream.waitFor(({ data, event }) => event === "answer" && data["status"] === "completed")
    // a part of the text whose beginning the gateway does not know, so that it has to read the whole
    const part = { ts: 1.5, stage: "answer", progress: 50, attempt: 1, offset: 7, text: "!" }
    await hand.send(
      "XADD",
      keys.tail.replace(/:events$/, ":partials"),
      "*",
      "d",
      `${id} ${stored.split(" ")[0]} ${JSON.stringify(part)}`
    )
    await hand.work(id, 1)
    expect(await stream.ended).toBe("ended")
    expect(toldOf(stream.events)).toEqual([{ status: "delta", attempt: 1, offset: 0, text: "one" }])
  })

  it("the text begins anew with `restarted` when a later attempt writes", async () => {
    const id = await writing()
    const stream = await open(id)
    const lost = await hand.begin(id)
    ;(await hand.writer(lost, 3)).send("half an ans")
    await has(stream, "half an ans")
    await hand.handBack(lost)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 4)
    writer.send("Another")
    await has(stream, "Another")
    expect(toldOf(stream.events)).toEqual([
      { status: "delta", attempt: 1, offset: 0, text: "half an ans" },
      { status: "restarted", attempt: 2, offset: 0, text: "" },
      { status: "delta", attempt: 2, offset: 0, text: "Another" }
    ])
    await finish(holding, id)
    await stream.ended
  })

  it("a text that an attempt begins anew is told with `restarted`, and a late viewer sees the new one alone", async () => {
    const id = await writing()
    const stream = await open(id)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 3)
    writer.send("the first model's half")
    await has(stream, "the first model's half")
    writer.send("the sec")
    await has(stream, "the sec")
    writer.send("the second model's")
    await has(stream, "the second model's")
    const late = await open(id)
    await has(late, "the second model's")
    expect(toldOf(stream.events).map(({ attempt, status }) => [status, attempt])).toEqual([
      ["delta", 1],
      ["restarted", 1],
      ["delta", 1],
      ["delta", 1]
    ])
    expect(toldOf(late.events)).toHaveLength(1)
    await finish(holding, id)
    for (const one of [stream, late]) await one.ended
  })

  it("the text of an attempt that no longer holds the job is shown to nobody", async () => {
    const id = await writing()
    const stream = await open(id)
    const lost = await hand.begin(id)
    await hand.handBack(lost)
    const holding = await hand.begin(id)
    const scripts = async () =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(String(await hand.send("INFO", "commandstats")))?.[1] ?? 0)
    const before = await scripts()
    ;(await hand.writer(lost, 3)).send("from the dead")
    await until(scripts, (calls) => calls > before)
    expect(await hand.send("EXISTS", `${(await hand.keys(id)).job}:partial`)).toBe(0)
    const writer = await hand.writer(holding, 4)
    writer.send("alive")
    await has(stream, "alive")
    await finish(holding, id)
    await stream.ended
    expect(stream.text()).not.toContain("from the dead")
  })

  it("the text is not told again to a viewer that resumes after the stage's commit", async () => {
    const id = await writing()
    const stream = await open(id)
    const holding = await hand.begin(id)
    ;(await hand.writer(holding, 3)).send("written")
    await has(stream, "written")
    await hand.commit(holding)
    const reward = await hand.begin(id)
    const resumed = await open(id, 7)
    await resumed.waitFor(({ event }) => event === "reward")
    await hand.commit(reward)
    await resumed.ended
    expect(toldOf(resumed.events)).toEqual([])
  })

  it("the text costs no key while nobody watches, and a viewer who comes gets all of it", async () => {
    const id = await writing()
    const { job } = await hand.keys(id)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 3)
    const calls = async () =>
      Number(/cmdstat_set:calls=(\d+)/.exec(String(await hand.send("INFO", "commandstats")))?.[1])
    const before = await calls()
    writer.send("nobody ")
    writer.send("nobody reads ")
    // the writer looks at once, and again a second later
    const looks = async () =>
      Number(/cmdstat_exists:calls=(\d+)/.exec(String(await hand.send("INFO", "commandstats")))?.[1] ?? 0)
    const seen = await looks()
    await until(looks, (count) => count > seen)
    expect(await hand.send("EXISTS", `${job}:partial`)).toBe(0)
    expect(await calls()).toBe(before)
    const stream = await open(id)
    await has(stream, "nobody reads ")
    writer.send("nobody reads this")
    await has(stream, "nobody reads this")
    await finish(holding, id)
    await stream.ended
  })

  it("the text reaches a viewer at most ten times a second, whole", async () => {
    const id = await writing()
    const stream = await open(id)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 3)
    const from = performance.now()
    let text = ""
    for (let n = 0; n < 60; n++) {
      text += `word${n} `
      writer.send(text)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await has(stream, text)
    const tenths = Math.ceil((performance.now() - from) / 100)
    expect(toldOf(stream.events).length).toBeLessThanOrEqual(tenths + 1)
    await finish(holding, id)
    await stream.ended
  })

  it("a text beyond 32 KiB stays what it was until the commit", async () => {
    const id = await writing()
    const stream = await open(id)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 3)
    writer.send("short")
    await has(stream, "short")
    writer.send(`short${"x".repeat(33 * 1024)}`)
    await finish(holding, id)
    await stream.ended
    expect(shownBy(stream.events)).toBe("short")
  })

  it("a piece of text never ends in half a character", async () => {
    const id = await writing()
    const stream = await open(id)
    const holding = await hand.begin(id)
    const writer = await hand.writer(holding, 3)
    writer.send("ok \uD83D")
    await has(stream, "ok ")
    writer.send("ok \uD83D\uDE00!")
    await has(stream, "ok 😀!")
    await finish(holding, id)
    await stream.ended
  })
})
