/**
 * Losses of the live stream: of connections, entries, the stream itself, the server. Each seq still reaches a viewer once (J4).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Client, CoreConfig, EventLog, Job, JobStore, PartialText } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Readiness } from "@eco2/core/telemetry"
import { Postgres } from "@eco2/core/postgres"
import { RedisServer } from "@eco2/core/testing"
import { characters } from "@eco2/actors/characters"
import { Duration, Effect, Layer, Option, Schema, Stream } from "effect"
import * as Router from "../../../packages/gateway/src/events/EventRouter.ts"
import * as ResultView from "../../../packages/gateway/src/http/ResultView.ts"
import * as Viewer from "../../../packages/gateway/src/events/Viewer.ts"
import * as EventStream from "../../harness/EventStream.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, field, photo } from "../ScanClient.ts"
import type { Client as ScanClient } from "../ScanClient.ts"
import { simulatedOnly, start, until } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"
import * as SignalQueue from "./SignalQueue.ts"

const own = { headers: { "x-user-id": "ann" } }
const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

const withoutDatabase = ResultView.layer.pipe(
  Layer.provide(characters),
  Layer.provide(Layer.succeed(Postgres.Postgres, Postgres.absent))
)

describe("the live stream of events", () => {
  let redis: RedisServer.RedisServer
  let env: Environment
  let gateway: Serving
  let hand: HandWorker.HandWorker
  let ann: ScanClient

  beforeAll(async () => {
    redis = await RedisServer.start()
    // keepalives every fifteen seconds: what is told sooner was not found by a loss check
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

  /** Three viewers of one job, before its first stage. */
  const watched = async (ann: ScanClient) => {
    const id = await ann.accepted()
    const streams = await Promise.all([1, 2, 3].map(() => EventStream.open(ann.eventsUrl(id), own)))
    await Promise.all(streams.map((stream) => stream.waitFor(({ event }) => event === "queued")))
    return { id, streams, keys: await hand.keys(id) }
  }
  const eachSawAll = async (streams: ReadonlyArray<EventStream.EventStream>) => {
    for (const stream of streams) {
      expect(await stream.ended).toBe("ended")
      expect(EventStream.seqs(stream.events)).toEqual(all)
    }
  }
  /** Cuts the gateway's tail connection and its topics' connections; returns how many there were. */
  const cutTail = async () => {
    const clients = String(await hand.send("CLIENT", "LIST"))
    const ids = clients.split("\n").flatMap((line) => (/ cmd=xread /.test(line) ? [/\bid=(\d+)/.exec(line)?.[1]] : []))
    for (const id of ids) await hand.send("CLIENT", "KILL", "ID", Number(id))
    return ids.length
  }

  it("J4 a live stream trimmed to nothing between two events costs no viewer an event", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.work(id, 2)
    await hand.send("XTRIM", keys.tail, "MAXLEN", 0)
    await hand.work(id, 2)
    await eachSawAll(streams)
  })

  it("J4 a live stream that is deleted costs no viewer an event", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.work(id, 1)
    await hand.send("DEL", keys.tail)
    await hand.work(id, 3)
    await eachSawAll(streams)
  })

  it("J4 a tail whose connection is cut goes on from its place, and viewers see every event", async () => {
    const { id, streams } = await watched(ann)
    expect(await cutTail()).toBeGreaterThan(0)
    for (let stage = 0; stage < 4; stage++) {
      const holding = await hand.begin(id)
      await cutTail()
      await hand.commit(holding)
    }
    await eachSawAll(streams)
  })

  it("J4 a live stream trimmed while the tail was cut off: viewers get the missing events from the history", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.work(id, 1)
    await cutTail()
    await hand.work(id, 1)
    await hand.send("XTRIM", keys.tail, "MAXLEN", 0)
    await hand.work(id, 2)
    await hand.send("XTRIM", keys.tail, "MAXLEN", 0)
    await eachSawAll(streams)
  })

  it("J4 a live stream that is deleted and has smaller ids afterwards costs no viewer an event", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.work(id, 1)
    await cutTail()
    await hand.work(id, 3)
    await hand.send("DEL", keys.tail)
    await hand.send("XADD", keys.tail, "1-1", "e", "nobody 1")
    await eachSawAll(streams)
    await hand.send("DEL", keys.tail)
  })

  it("J4 an event that was never in the live stream reaches viewers within a keepalive", async () => {
    const quick = await start("gateway", { ...env, KEEPALIVE: "100 millis" })
    const { id, keys, streams } = await watched(client(quick))
    await hand.handBack(await hand.begin(id))
    await hand.work(id, 1)
    const lost = '{"ts":1.5,"stage":"rule","status":"retrying","progress":25,"result":null}'
    await hand.send("RPUSH", keys.events, lost)
    for (const stream of streams) await stream.waitFor(({ id }) => id === 4)
    await hand.work(id, 3)
    for (const stream of streams) {
      await stream.ended
      expect(EventStream.seqs(stream.events)).toEqual([...all, 11])
    }
    await quick.stop()
  })

  it("J4 an event after a lost one is sent after it, in the order of seq", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.handBack(await hand.begin(id))
    await hand.send("RPUSH", keys.events, '{"ts":1.5,"stage":"vision","status":"retrying","progress":0,"result":null}')
    await hand.work(id)
    for (const stream of streams) {
      await stream.ended
      expect(EventStream.seqs(stream.events)).toEqual([...all, 11])
    }
  })

  it("J4 an event that comes twice is sent once", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.work(id, 2)
    const entries = await hand.send("XRANGE", keys.tail, "-", "+")
    for (const entry of Array.isArray(entries) ? entries : []) {
      await hand.send("XADD", keys.tail, "*", ...(entry as readonly [string, ReadonlyArray<string>])[1])
    }
    await hand.work(id, 2)
    await eachSawAll(streams)
  })

  it("an unreadable entry of the live stream is logged, and its viewers read the history", async () => {
    const { id, keys, streams } = await watched(ann)
    await hand.work(id, 1)
    await hand.send("XADD", keys.tail, "*", "e", `${id} 4\n{`)
    await hand.work(id, 3)
    await eachSawAll(streams)
    expect(gateway.logs.map(({ msg }) => msg)).toContain("an event is unreadable; viewers read the history")
  })
})

const viewer = { user: "ann", whenWithdrawn: () => () => undefined }

describe("a slow viewer", () => {
  const program = <A, E>(
    url: string,
    effect: Effect.Effect<
      A,
      E,
      | Router.EventRouter
      | EventLog.EventLog
      | JobStore.JobStore
      | PartialText.PartialText
      | Keyspace
      | RedisClient.RedisClient
    >
  ) => {
    const config = {
      corsOrigins: [],
      imageHosts: [],
      viewTimeout: Duration.minutes(5),
      keepalive: Duration.seconds(15),
      signInUrl: null,
      publicUrl: null,
      internalSecret: Option.none(),
      viewerSecret: Option.none(),
      maxViewers: 10,
      userViewers: 10,
      uploadMemory: 1,
      userUploadMemory: 1,
      submitMemory: 0
    }
    return Effect.runPromise(
      Effect.provide(
        effect,
        Router.layer(config).pipe(
          Layer.provideMerge(Client.layer),
          Layer.provideMerge(Layer.merge(RedisClient.layerUrl(url), Readiness.layer)),
          Layer.provide(CoreConfig.layerWith({})),
          Layer.fresh
        )
      )
    )
  }

  it("J4 a viewer whose queue is full is ended, and sees each seq once by resuming", async () => {
    const redis = await RedisServer.start()
    const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url }
    const gateway = await start("gateway", env)
    const hand = await HandWorker.start(redis.url)
    const ann = client(gateway)
    const id = Schema.decodeUnknownSync(Job.JobId)(await ann.accepted())
    const { tail } = await hand.keys(id)
    const seqs = await program(
      redis.url,
      Effect.gen(function* () {
        const router = yield* Router.EventRouter
        const slow = router.subscribe(id, viewer)
        const other = yield* SignalQueue.subscribed(router, id, viewer)
        if (typeof slow === "string") return yield* Effect.die(new Error("there was room for both"))
        const told = JSON.stringify({ ts: 1, stage: "queued", status: "started", progress: 0, result: null })
        yield* Effect.promise(async () => {
          for (let n = 0; n < 300; n++) await hand.send("XADD", tail, "*", "e", `${id} 1\n${told}`)
        })
        const { signals } = slow.subscription
        yield* Stream.runDrain(Stream.take(Stream.fromQueue(other.signals), 300))
        // what waits can be taken, and then it is over
        expect([signals.isOver, signals.take().length, signals.isOver]).toEqual([false, 256, true])
        expect(router.viewers()).toBe(2)
        slow.leave()
        slow.leave()
        expect(router.viewers()).toBe(1)
        yield* Effect.promise(() => hand.work(id))
        const again = router.subscribe(id, viewer)
        if (typeof again === "string") return yield* Effect.die(new Error("there was room again"))
        const view = yield* Effect.provide(Viewer.make, withoutDatabase)
        let text = ""
        const outlet = {
          destroyed: false,
          write: (piece: string) => {
            text += piece
            return true
          },
          once: () => undefined
        }
        yield* Stream.runDrain(view(id, 1, again.subscription, null, outlet))
        return [...text.matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq))
      })
    )
    expect(seqs).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
    await gateway.stop()
    await hand.stop()
    await redis.stop()
  })
})

describe("a gateway while Redis is away", () => {
  let redis: RedisServer.RedisServer
  let env: Environment
  let gateway: Serving

  beforeAll(async () => {
    redis = await RedisServer.start({ args: ["--appendonly", "yes", "--appendfsync", "always"] })
    env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url }
    gateway = await start("gateway", env)
  })
  afterAll(async () => {
    await gateway.stop()
    await redis.stop()
  })

  it("J4 while Redis is away every call answers 503 with Retry-After; afterwards each viewer sees each seq once", async () => {
    const ann = client(gateway)
    const id = await ann.accepted()
    const watching = [1, 2, 3].map(async () => {
      const seen: Array<EventStream.Event> = []
      while (!seen.some(EventStream.isTerminal)) {
        const after = EventStream.seqs(seen).at(-1)
        const stream = await EventStream.open(ann.eventsUrl(id), after === undefined ? own : { ...own, after })
        await stream.ended
        if (stream.response.status === 200) seen.push(...stream.events)
        else expect(stream.response.status).toBe(503)
      }
      return seen
    })
    await redis.kill9()
    const refused = await Promise.all([
      ann.submit({ image_url: photo }),
      ann.result(id),
      ann.get(`/api/v1/scan/${id}/events`),
      ann.remove(`/api/v1/scan/${id}`)
    ])
    for (const answer of refused) {
      expect([answer.status, answer.body]).toEqual([503, { detail: expect.any(String), code: "UNAVAILABLE" }])
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0)
    }
    expect((await ann.get("/healthz")).status).toBe(200)
    await redis.restart()
    const hand = await HandWorker.start(redis.url)
    await hand.work(id)
    for (const seen of await Promise.all(watching)) expect(EventStream.seqs(seen)).toEqual(all)
    await until(
      () => ann.submit({ image_url: photo }),
      ({ status }) => status === 202
    )
    expect(field((await ann.result(id)).body, "status")).toBe("completed")
    await hand.stop()
  })
})
