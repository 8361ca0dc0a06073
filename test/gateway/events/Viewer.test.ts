/** One viewer's stream: every event once and in order (J4), the result with the end (J5), and the end of the stream. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { randomUUID } from "node:crypto"
import { connect } from "node:net"
import * as EventStream from "../../harness/EventStream.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, field, read } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { metric, simulatedOnly, start, until } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

let redis: RedisServer.RedisServer
let env: Environment
let gateway: Serving
let hand: HandWorker.HandWorker
let ann: Client

beforeAll(async () => {
  redis = await RedisServer.start()
  env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url }
  gateway = await start("gateway", env)
  hand = await HandWorker.start(redis.url)
  ann = client(gateway)
})
afterAll(async () => {
  await gateway.stop()
  await hand.stop()
  await redis.stop()
})

const own = { headers: { "x-user-id": "ann" } }
const whole = [
  "queued/started",
  ...["vision", "rule", "answer", "reward"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
  "done/completed"
]
const viewers = (serving: Serving) => metric(serving, "eco2_viewers")
const free = (serving: Serving) =>
  until(
    () => viewers(serving),
    (count) => count === 0
  )
/** A gateway with other settings, for one test. */
const withGateway = async (settings: Environment, use: (serving: Serving, ann: Client) => Promise<void>) => {
  const serving = await start("gateway", { ...env, ...settings })
  try {
    await use(serving, client(serving))
  } finally {
    await serving.stop()
  }
}

describe("a viewer from submit to end", () => {
  it("J4 J5 a viewer sees the stages in order with 25, 50, 75, 100 %, the reward before done, and done with the result", async () => {
    const id = await ann.accepted()
    const stream = await EventStream.open(ann.eventsUrl(id), own)
    await stream.waitFor(({ event }) => event === "queued")
    const worker = await start("scan-worker", env)
    const done = await stream.waitFor(({ event }) => event === "done")
    expect(await stream.ended).toBe("ended")
    await worker.stop()

    expect(stream.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8")
    expect(stream.response.headers.get("cache-control")).toContain("no-cache")
    expect(stream.response.headers.get("x-accel-buffering")).toBe("no")
    expect(EventStream.told(stream.events)).toEqual(whole)
    expect(EventStream.seqs(stream.events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    // what the answer stage shows while it writes is beside the history (RunningText.test)
    const isText = ({ data }: EventStream.Event) => data.status === "delta"
    for (const { data, event, id: seq } of stream.events.filter((one) => !isText(one))) {
      expect(data).toEqual({
        job_id: id,
        stage: event,
        status: expect.stringMatching(/^(started|completed)$/),
        seq,
        ts: expect.any(Number),
        progress: expect.any(Number),
        result:
          event === "done" || (data.status === "completed" && (event === "vision" || event === "rule"))
            ? expect.anything()
            : null
      })
    }
    expect(stream.events.filter((one) => !isText(one)).map(({ data }) => data.progress)).toEqual([
      0, 0, 25, 25, 50, 50, 75, 75, 100, 100
    ])
    expect(done.data.result).toEqual((await ann.result(id)).body)
    // epoch seconds, with a fraction
    expect(Math.abs(Number(done.data.ts) - Date.now() / 1000)).toBeLessThan(60)
  })

  it("J4 a viewer that comes at any moment sees each seq once, in order", async () => {
    const id = await ann.accepted()
    const streams = [await EventStream.open(ann.eventsUrl(id), own)]
    for (let stage = 0; stage < 4; stage++) {
      const holding = await hand.begin(id)
      streams.push(await EventStream.open(ann.eventsUrl(id), own))
      await hand.commit(holding)
      streams.push(await EventStream.open(ann.url(`/api/v1/stream?job_id=${id}`), own))
    }
    for (const stream of streams) {
      expect(await stream.ended).toBe("ended")
      expect(EventStream.told(stream.events)).toEqual(whole)
      expect(EventStream.seqs(stream.events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    }
    await free(gateway)
  })

  it("a viewer sees a retry with its code, the attempt and the time of the next", async () => {
    const id = await ann.accepted()
    const stream = await EventStream.open(ann.eventsUrl(id), own)
    const before = Date.now() / 1000
    await hand.putOff(await hand.begin(id), "ModelUnavailable")
    const { data } = await stream.waitFor(({ data }) => data.status === "retrying")
    await stream.close()
    expect(data).toMatchObject({ stage: "vision", progress: 0 })
    expect(data.result).toEqual({ code: "MODEL_UNAVAILABLE", attempt: 1, next_at: expect.any(Number) })
    expect(Number(field(data.result, "next_at")) - before).toBeGreaterThan(30)
  })

  it("J5 a viewer sees a failed job end with `failed` and its result", async () => {
    const id = await ann.accepted()
    const stream = await EventStream.open(ann.eventsUrl(id), own)
    await hand.work(id, 2)
    await hand.giveUp(await hand.begin(id), "ModelRefused")
    expect(await stream.ended).toBe("ended")
    const end = stream.events.at(-1)
    expect(end).toMatchObject({ event: "failed", data: { status: "failed" } })
    expect(end?.data.result).toEqual((await ann.result(id)).body)
    expect(end?.data.result).toMatchObject({ status: "failed", error: { code: "MODEL_REFUSED", stage: "answer" } })
  })

  it("J1 J4 a redriven job reads as processing again, and its viewers see the new run once", async () => {
    const id = await ann.accepted()
    await hand.work(id, 2)
    await hand.giveUp(await hand.begin(id), "ModelRefused")
    const first = await EventStream.watch(ann.eventsUrl(id), own)
    expect(EventStream.seqs(first)).toEqual([1, 2, 3, 4, 5, 6, 7])
    await hand.redrive(id)
    const again = await ann.result(id)
    expect([again.status, again.body]).toEqual([
      202,
      { status: "processing", message: expect.any(String), current_stage: "answer", progress: 50 }
    ])
    const fresh = await EventStream.open(ann.eventsUrl(id), own)
    const resumed = await EventStream.open(ann.eventsUrl(id), { ...own, after: 7 })
    // disconnected since before the first run failed: that run's end no longer counts
    const late = await EventStream.open(ann.eventsUrl(id), { ...own, after: 3 })
    await hand.work(id, 2)
    for (const stream of [fresh, resumed, late]) {
      expect(await stream.ended).toBe("ended")
      expect(EventStream.told(stream.events)).toEqual([
        "queued/started",
        "answer/started",
        "answer/completed",
        "reward/started",
        "reward/completed",
        "done/completed"
      ])
      expect(EventStream.seqs(stream.events)).toEqual([8, 9, 10, 11, 12, 13])
    }
    expect((await ann.result(id)).body).toMatchObject({ status: "completed", error: null })
  })

  it("J5 J7 a viewer sees a cancelled job end with `cancelled` and its result", async () => {
    const id = await ann.accepted()
    const stream = await EventStream.open(ann.eventsUrl(id), own)
    await hand.work(id, 1)
    await ann.remove(`/api/v1/scan/${id}`)
    expect(await stream.ended).toBe("ended")
    const end = stream.events.at(-1)
    expect(end).toMatchObject({ event: "cancelled", data: { status: "cancelled" } })
    expect(end?.data.result).toEqual((await ann.result(id)).body)
  })
})

describe("a viewer that resumes", () => {
  it("J4 a viewer that resumes by Last-Event-ID or ?last_event_id= gets exactly the events after it", async () => {
    const id = await ann.accepted()
    await hand.work(id)
    for (let after = 0; after < 10; after++) {
      const rest = Array.from({ length: 10 - after }, (_, i) => after + 1 + i)
      const byHeader = await EventStream.open(ann.eventsUrl(id), { ...own, after })
      const byQuery = await EventStream.open(`${ann.eventsUrl(id)}?last_event_id=${after}`, own)
      const older = await EventStream.open(ann.url(`/api/v1/stream?job_id=${id}&last_event_id=${after}`), own)
      for (const stream of [byHeader, byQuery, older]) {
        expect(await stream.ended).toBe("ended")
        expect(EventStream.seqs(stream.events)).toEqual(rest)
      }
    }
  })

  it("J4 a viewer that resumes an open job gets the rest of its history, then the live events", async () => {
    const id = await ann.accepted()
    await hand.work(id, 2)
    const stream = await EventStream.open(ann.eventsUrl(id), { ...own, after: 3 })
    await stream.waitFor(({ id }) => id === 5)
    await hand.work(id, 2)
    expect(await stream.ended).toBe("ended")
    expect(EventStream.seqs(stream.events)).toEqual([4, 5, 6, 7, 8, 9, 10])
  })

  it("J4 a viewer that resumes beyond an open job's history gets the events from its end on, to the job's end", async () => {
    const id = await ann.accepted()
    const stream = await EventStream.open(ann.eventsUrl(id), { ...own, after: 7 })
    await hand.work(id)
    expect(await stream.ended).toBe("ended")
    // where that was when it was looked at is not seen from outside
    const seqs = EventStream.seqs(stream.events)
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => 11 - seqs.length + i))
    expect(seqs.length).toBeGreaterThanOrEqual(3)
  })

  it("J1 a viewer that resumes beyond the end of a finished job gets its terminal event, and nothing else", async () => {
    const id = await ann.accepted()
    await hand.work(id)
    for (const after of [11, 99]) {
      const events = await EventStream.watch(ann.eventsUrl(id), { ...own, after })
      expect(EventStream.told(events)).toEqual(["done/completed"])
      expect(events[0]?.data.result).toEqual((await ann.result(id)).body)
    }
  })

  it("a viewer whose id is no number starts from the beginning", async () => {
    const id = await ann.accepted()
    await hand.work(id)
    for (const given of ["", "x", "-1", "1.5", "99999999999999999999"]) {
      const { events, ended } = await EventStream.open(ann.eventsUrl(id), {
        headers: { ...own.headers, "last-event-id": given }
      })
      await ended
      expect([given, EventStream.seqs(events).length]).toEqual([given, 10])
    }
  })

  it("a viewer that resumes at the end of a finished job gets 204, so that EventSource stops", async () => {
    const id = await ann.accepted()
    await hand.work(id)
    const stream = await EventStream.open(ann.eventsUrl(id), { ...own, after: 10 })
    expect([stream.response.status, stream.text()]).toEqual([204, ""])
  })
})

/** A master's failover to a replica that lacks the last events of a job, whose history is a list. */
const lose = async (id: string, count: number) => {
  const { events } = await hand.keys(id)
  for (let n = 0; n < count; n++) await hand.send("RPOP", events)
}

describe("a viewer that has seen more than Redis still has", () => {
  it("J1 a viewer sees the job's end although its seq is one already seen", async () => {
    for (const [lost, cancelledAt] of [
      [1, 5],
      [2, 4],
      [4, 2]
    ] as const) {
      const id = await ann.accepted()
      const stream = await EventStream.open(ann.eventsUrl(id), own)
      await hand.handBack(await hand.begin(id))
      await hand.work(id, 2)
      await stream.waitFor(({ id }) => id === 5)
      await lose(id, lost)
      await ann.remove(`/api/v1/scan/${id}`)
      expect(await stream.ended).toBe("ended")
      expect(EventStream.told(stream.events).at(-1)).toBe("cancelled/cancelled")
      expect(EventStream.seqs(stream.events)).toEqual([1, 2, 3, 4, 5, cancelledAt])
    }
  })

  it("J1 a viewer that left and comes back – the job's end has the number of an event that it had seen and Redis has lost – gets the end, and 204 once it has it", async () => {
    for (const [lost, cancelledAt] of [
      [1, 5],
      [3, 3]
    ] as const) {
      const id = await ann.accepted()
      const stream = await EventStream.open(ann.eventsUrl(id), own)
      await hand.handBack(await hand.begin(id))
      await hand.work(id, 2)
      await stream.waitFor(({ id }) => id === 5)
      await stream.close()
      await lose(id, lost)
      await ann.remove(`/api/v1/scan/${id}`)
      const again = { ...own, after: cancelledAt }
      const back = await EventStream.open(ann.eventsUrl(id), again)
      expect([back.response.status, await back.ended]).toEqual([200, "ended"])
      expect(EventStream.told(back.events)).toEqual(["cancelled/cancelled"])
      expect(EventStream.seqs(back.events)).toEqual([cancelledAt])
      // an EventSource that ignores the end comes back under its number, and must stop
      const statuses: Array<number> = []
      while (statuses.at(-1) !== 204 && statuses.length < 10) {
        const next = await EventStream.open(ann.eventsUrl(id), again)
        statuses.push(next.response.status)
        await next.close()
      }
      expect(statuses.slice(-2)).toEqual([200, 204])
      expect(statuses.length).toBeLessThanOrEqual(3)
    }
  })

  it("J1 a viewer that saw an event of a gateway that is gone, and comes back to another under the number of the job's end, gets the end", async () => {
    await withGateway({}, async (_, other) => {
      const id = await ann.accepted()
      const stream = await EventStream.open(other.eventsUrl(id), own)
      await hand.handBack(await hand.begin(id))
      await hand.work(id, 2)
      await stream.waitFor(({ id }) => id === 5)
      await stream.close()
      // this gateway has read the tail as far
      const here = await EventStream.open(ann.eventsUrl(id), own)
      await here.waitFor(({ id }) => id === 5)
      await here.close()
      await lose(id, 1)
      await ann.remove(`/api/v1/scan/${id}`)
      const back = await EventStream.watch(ann.eventsUrl(id), { ...own, after: 5 })
      expect(EventStream.told(back)).toEqual(["cancelled/cancelled"])
    })
  })

  it("a viewer that comes back at the end of a job whose events were all told once gets 204 from every gateway", async () => {
    await withGateway({}, async (_, other) => {
      const id = await ann.accepted()
      const stream = await EventStream.open(ann.eventsUrl(id), own)
      await hand.work(id)
      await stream.ended
      for (const at of [ann, other]) {
        const back = await EventStream.open(at.eventsUrl(id), { ...own, after: 10 })
        expect(back.response.status).toBe(204)
        await back.close()
      }
    })
  })

  it("J1 J4 a viewer sees the repeated events from the end of the shorter history on, after a keepalive", async () => {
    await withGateway({ KEEPALIVE: "100 millis" }, async (_, ann) => {
      const id = await ann.accepted()
      const stream = await EventStream.open(ann.eventsUrl(id), own)
      await hand.handBack(await hand.begin(id))
      await hand.work(id, 2)
      await stream.waitFor(({ id }) => id === 5)
      await lose(id, 3)
      const heard = stream.events.length
      await until(
        async () => stream.events.slice(heard).filter(({ event }) => event === "keepalive").length,
        // checked a tick later at most
        (count) => count > 3
      )
      await hand.handBack(await hand.begin(id))
      await hand.work(id, 2)
      expect(await stream.ended).toBe("ended")
      expect(EventStream.told(stream.events.filter(({ event }) => event !== "keepalive")).slice(5)).toEqual([
        "answer/started",
        "answer/completed",
        "reward/started",
        "reward/completed",
        "done/completed"
      ])
    })
  })

  it("J4 an old run's terminal event in the tail does not end the viewers of the new run", async () => {
    const id = await ann.accepted()
    await hand.giveUp(await hand.begin(id), "ModelRefused")
    await hand.redrive(id)
    const stream = await EventStream.open(ann.eventsUrl(id), { ...own, after: 3 })
    await stream.waitFor(({ id }) => id === 4)
    const { events, tail } = await hand.keys(id)
    const [end] = (await hand.send("LRANGE", events, 2, 2)) as [string]
    await hand.send("XADD", tail, "*", "e", `${id} 3\n${end}`)
    await hand.work(id)
    expect(await stream.ended).toBe("ended")
    expect(EventStream.told(stream.events).filter((told) => told.startsWith("failed"))).toEqual([])
    expect(EventStream.told(stream.events).at(-1)).toBe("done/completed")
  })
})

describe("the viewers' places", () => {
  it("a viewer of a finished job gets history and end at once, and its place is free", async () => {
    const id = await ann.accepted()
    await hand.work(id)
    const streams = await Promise.all(Array.from({ length: 20 }, () => EventStream.open(ann.eventsUrl(id), own)))
    for (const stream of streams) {
      expect(await stream.ended).toBe("ended")
      expect(EventStream.told(stream.events)).toEqual(whole)
    }
    await free(gateway)
  })

  it("a viewer that disconnects without a word frees its place", async () => {
    const id = await ann.accepted()
    const streams = await Promise.all(Array.from({ length: 10 }, () => EventStream.open(ann.eventsUrl(id), own)))
    expect(await viewers(gateway)).toBe(10)
    await Promise.all(streams.map((stream) => stream.close()))
    await free(gateway)
  })

  it("a refused viewer takes no place", async () => {
    await ann.get(`/api/v1/scan/${randomUUID()}/events`)
    expect(await viewers(gateway)).toBe(0)
  })

  it("a viewer that is connected but does not read frees its place at VIEW_TIMEOUT", async () => {
    await withGateway({ VIEW_TIMEOUT: "300 millis", KEEPALIVE: "100 millis" }, async (serving, ann) => {
      const id = await ann.accepted()
      const socket = connect(Number(new URL(serving.address).port), "127.0.0.1")
      socket.pause()
      socket.write(`GET /api/v1/scan/${id}/events HTTP/1.1\r\nhost: x\r\nx-user-id: ann\r\n\r\n`)
      await until(
        () => viewers(serving),
        (count) => count === 1
      )
      await hand.work(id, 3)
      await free(serving)
      socket.destroy()
      const resumed = await EventStream.open(ann.eventsUrl(id), own)
      await hand.work(id, 1)
      await resumed.ended
      expect(EventStream.told(resumed.events)).toEqual(whole)
    })
  })
})

describe("limits of a stream", () => {
  it("a stream that is silent for KEEPALIVE sends an event without an id", async () => {
    await withGateway({ KEEPALIVE: "100 millis" }, async (_, ann) => {
      const stream = await EventStream.open(ann.eventsUrl(await ann.accepted()), own)
      const { data, id } = await stream.waitFor(({ event }) => event === "keepalive")
      await stream.close()
      expect(id).toBeNull()
      expect(data).toEqual({ timestamp: expect.any(Number) })
      expect(Math.abs(Number(data.timestamp) - Date.now() / 1000)).toBeLessThan(10)
    })
  })

  it("a stream ends after VIEW_TIMEOUT with an error event, and can be resumed", async () => {
    await withGateway({ VIEW_TIMEOUT: "200 millis" }, async (serving, ann) => {
      const id = await ann.accepted()
      const stream = await EventStream.open(ann.eventsUrl(id), own)
      expect(await stream.ended).toBe("ended")
      expect(stream.events.at(-1)).toMatchObject({
        id: null,
        event: "error",
        data: { type: "error", error: "timeout" }
      })
      await free(serving)
      const all = EventStream.watch(ann.eventsUrl(id), { ...own, after: EventStream.seqs(stream.events).at(-1) ?? 0 })
      await hand.work(id)
      expect([...EventStream.seqs(stream.events), ...EventStream.seqs(await all)]).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10
      ])
    })
  })

  it("a stream beyond MAX_VIEWERS is refused with 503 and Retry-After, and accepted once another has ended", async () => {
    await withGateway({ MAX_VIEWERS: "2" }, async (serving, ann) => {
      const id = await ann.accepted()
      const streams = await Promise.all([1, 2].map(() => EventStream.open(ann.eventsUrl(id), own)))
      const refused = await read(await fetch(ann.eventsUrl(id), own))
      expect([refused.status, refused.body]).toEqual([503, { detail: expect.any(String), code: "TOO_MANY_VIEWERS" }])
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
      await streams[0]?.close()
      await until(
        () => viewers(serving),
        (count) => count === 1
      )
      const third = await EventStream.open(ann.eventsUrl(id), own)
      expect(third.response.status).toBe(200)
      await Promise.all([third.close(), streams[1]?.close()])
    })
  })

  it("a stream beyond USER_VIEWERS is refused with 429 for that user, and for no other", async () => {
    await withGateway({ USER_VIEWERS: "2" }, async (serving, ann) => {
      const id = await ann.accepted()
      const streams = await Promise.all([1, 2].map(() => EventStream.open(ann.eventsUrl(id), own)))
      const refused = await read(await fetch(ann.eventsUrl(id), own))
      expect([refused.status, refused.body]).toEqual([429, { detail: expect.any(String), code: "TOO_MANY_STREAMS" }])
      const bob = client(serving, "bob")
      const other = await EventStream.open(bob.eventsUrl(await bob.accepted()), { headers: { "x-user-id": "bob" } })
      expect(other.response.status).toBe(200)
      await other.close()
      await streams[0]?.close()
      await until(
        () => viewers(serving),
        (count) => count === 1
      )
      const third = await EventStream.open(ann.eventsUrl(id), own)
      expect(third.response.status).toBe(200)
      await Promise.all([third.close(), streams[1]?.close()])
    })
  })

  it("of thirty streams opened at once five are accepted with MAX_VIEWERS=5", async () => {
    await withGateway({ MAX_VIEWERS: "5" }, async (_, ann) => {
      const id = await ann.accepted()
      const streams = await Promise.all(Array.from({ length: 30 }, () => EventStream.open(ann.eventsUrl(id), own)))
      const statuses = streams.map(({ response }) => response.status)
      await Promise.all(streams.map((stream) => stream.close()))
      expect(statuses.filter((status) => status === 200)).toHaveLength(5)
      expect(statuses.filter((status) => status === 503)).toHaveLength(25)
    })
  })

  it("A5 a stream ends in order when the gateway stops, long before its job does", async () => {
    const serving = await start("gateway", env)
    const id = await client(serving).accepted()
    const streams = await Promise.all(
      Array.from({ length: 5 }, () => EventStream.open(client(serving).eventsUrl(id), own))
    )
    await Promise.all(streams.map((stream) => stream.waitFor(({ event }) => event === "queued")))
    await serving.stop()
    expect(await Promise.all(streams.map((stream) => stream.ended))).toEqual(Array(5).fill("ended"))
    // its viewers continue elsewhere
    const rest = EventStream.watch(ann.eventsUrl(id), { ...own, after: 1 })
    await hand.work(id)
    expect(EventStream.seqs(await rest)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
  })
})
