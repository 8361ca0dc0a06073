/**
 * The router without a gateway: when it sends keepalives, checks for losses and ends streams; and defects in its loops (a loop
 * restarts; if it fails too often, the gateway is not ready and ends).
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Client, CoreConfig, Job } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Readiness } from "@eco2/core/telemetry"
import { RedisServer } from "@eco2/core/testing"
import { Context, Duration, Effect, Layer, Option, Queue, References, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Router from "../../../packages/gateway/src/events/EventRouter.ts"
import * as BrokenRedis from "../../core/BrokenRedis.ts"
import { until } from "../../core/Until.ts"
import * as SignalQueue from "./SignalQueue.ts"

let redis: RedisServer.RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.stop())

const started = Effect.fnUntraced(function* (
  breaking: BrokenRedis.Breaking,
  maxViewers = 10,
  times = { keepalive: Duration.millis(20), viewTimeout: Duration.minutes(5) }
) {
  const config = {
    corsOrigins: [],
    imageHosts: [],
    ...times,
    signInUrl: null,
    publicUrl: null,
    internalSecret: Option.none(),
    viewerSecret: Option.none(),
    maxViewers,
    userViewers: 200,
    uploadMemory: 1024,
    userUploadMemory: 1024,
    submitMemory: 0
  }
  const context = yield* Router.layer(config).pipe(
    Layer.provideMerge(Client.layer),
    Layer.provideMerge(Layer.merge(BrokenRedis.layer(redis.url, breaking), Readiness.layer)),
    Layer.provide(CoreConfig.layerWith({})),
    Layer.fresh,
    Layer.build,
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  const client = Context.get(context, RedisClient.RedisClient)
  const stream = Context.get(context, Keyspace).of(id).events
  return {
    router: Context.get(context, Router.EventRouter),
    readiness: Context.get(context, Readiness),
    /** An event of the job comes from Redis. */
    happens: (seq: number) =>
      client.send(
        "XADD",
        stream,
        "*",
        "e",
        `${id} ${seq}\n{"ts":1.5,"stage":"vision","status":"retrying","progress":0,"result":null}`
      )
  }
})
const id = Schema.decodeUnknownSync(Job.JobId)("9b2f0f7e-5b7f-4c63-9c52-000000000000")

const viewer = { user: "ann", whenWithdrawn: () => () => undefined }

describe("EventRouter", () => {
  it.live("loss checks go on after a defect in one of them", () =>
    Effect.gen(function* () {
      let checks = 0
      const { readiness, router } = yield* started(
        new Map([["history-lengths", () => (++checks === 1 ? ("before" as const) : undefined)]])
      )
      const place = yield* SignalQueue.subscribed(router, id, viewer)
      while (checks < 3) expect(yield* Queue.take(place.signals)).toEqual({ _tag: "Keepalive" })
      expect(readiness.troubles()).toEqual([])
    })
  )

  it.live("every viewer's stream gets keepalives while Redis answers no loss check", () =>
    Effect.gen(function* () {
      const { router } = yield* started(new Map([["history-lengths", () => "never" as const]]), 200)
      const places = yield* Effect.forEach(Array.from({ length: 200 }), () =>
        SignalQueue.subscribed(router, id, viewer)
      )
      for (let n = 0; n < 3; n++) {
        for (const place of places) {
          expect(yield* Queue.take(place.signals)).toEqual({ _tag: "Keepalive" })
        }
      }
    })
  )

  it.live(
    "J1 the viewers of a lost job learn of it while another partition answers no loss check, whose viewers do not",
    () =>
      Effect.gen(function* () {
        let silent = ""
        let calls = 0
        // the first partition that is asked for answers once, and nothing from then on
        const { router } = yield* started(
          new Map([
            [
              "history-lengths",
              (key: string) => ((silent ||= key) === key && ++calls > 1 ? ("unavailable" as const) : undefined)
            ]
          ])
        )
        // no job of these is in Redis; they are in different partitions
        const ids = ["9b2f0f7e-5b7f-4c63-9c52-000000000000", "9b2f0f7e-5b7f-4c63-9c52-000000000001"]
        const signals = yield* Effect.forEach(ids, (one) =>
          Effect.map(SignalQueue.subscribed(router, Schema.decodeUnknownSync(Job.JobId)(one), viewer), ({ signals }) =>
            Stream.fromQueue(signals).pipe(Stream.map(({ _tag }) => _tag))
          )
        )
        const [unasked, asked] = [signals[0]!, signals[1]!]
        const told: Array<string> = []
        yield* Effect.forkScoped(Stream.runForEach(unasked, (tag) => Effect.sync(() => void told.push(tag))))
        yield* Stream.runDrain(Stream.takeUntil(asked, (tag) => tag === "Lost"))
        // it has been missing for as long; it is looked for several times more
        const before = told.length
        yield* until(
          Effect.sync(() => told.length),
          (count) => count > before + 50
        )
        expect(new Set(told)).toEqual(new Set(["Keepalive"]))
      })
  )

  it.effect("a viewer gets a keepalive KEEPALIVE after the last that it was told, an event or a keepalive", () =>
    Effect.gen(function* () {
      const { happens, router } = yield* started(new Map(), 10, {
        keepalive: Duration.seconds(4),
        viewTimeout: Duration.minutes(5)
      })
      const place = yield* SignalQueue.subscribed(router, id, viewer)
      const { signals } = place
      const toldBy = (passed: Duration.Input) =>
        TestClock.adjust(passed).pipe(
          Effect.andThen(Queue.clear(signals)),
          Effect.map((all) => all.map(({ _tag }) => _tag))
        )
      expect(yield* toldBy("3 seconds")).toEqual([])
      yield* happens(1)
      expect(yield* TestClock.withLive(Queue.take(signals))).toMatchObject({ _tag: "Events" })
      expect(yield* toldBy("3750 millis")).toEqual([])
      expect(yield* toldBy("250 millis")).toEqual(["Keepalive"])
      // the loss check after it finds no job, and asks again for five seconds; that is told later
      expect(yield* toldBy("3750 millis")).toEqual([])
      expect(yield* toldBy("250 millis")).toEqual(["Keepalive"])
    })
  )

  it.live("a stream that is shorter than KEEPALIVE ends at its own time", () =>
    Effect.gen(function* () {
      const times = { keepalive: Duration.hours(1), viewTimeout: Duration.millis(50) }
      const { router } = yield* started(new Map(), 10, times)
      const place = yield* SignalQueue.subscribed(router, id, viewer)
      expect(yield* Queue.take(place.signals)).toEqual({ _tag: "Timeout" })
    })
  )

  it.live("a viewer that has left is looked at no more, and no loss check asks for its job", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const { router } = yield* started(
        new Map([
          [
            "history-lengths",
            (key: string) => {
              asked.push(key)
              return undefined
            }
          ]
        ])
      )
      const leaving = yield* SignalQueue.subscribed(router, id, viewer)
      // in another partition; its keepalives tell the time
      const other = Schema.decodeUnknownSync(Job.JobId)("9b2f0f7e-5b7f-4c63-9c52-000000000001")
      const staying = yield* SignalQueue.subscribed(router, other, viewer)
      yield* until(
        Effect.sync(() => new Set(asked).size),
        (partitions) => partitions === 2
      )
      const [own = ""] = asked
      leaving.leave()
      const keepalives = (count: number) => Stream.runDrain(Stream.take(Stream.fromQueue(staying.signals), count))
      yield* keepalives(5)
      const before = asked.filter((key) => key === own).length
      yield* keepalives(20)
      expect(asked.filter((key) => key === own).length).toBe(before)
    })
  )

  it.live("a viewer whose access was withdrawn is ended, and no other", () =>
    Effect.gen(function* () {
      const { router } = yield* started(new Map())
      const ends = new Set<() => void>()
      const whenWithdrawn = (end: () => void) => {
        ends.add(end)
        return () => void ends.delete(end)
      }
      const one = yield* SignalQueue.subscribed(router, id, { ...viewer, whenWithdrawn })
      const other = yield* SignalQueue.subscribed(router, id, viewer)
      expect(yield* Queue.take(one.signals)).toEqual({ _tag: "Keepalive" })
      for (const end of ends) end()
      const rest = yield* Stream.runCollect(Stream.fromQueue(one.signals))
      expect(rest.every(({ _tag }) => _tag === "Keepalive")).toBe(true)
      yield* Queue.clear(other.signals)
      expect(yield* Queue.take(other.signals)).toEqual({ _tag: "Keepalive" })
      one.leave()
      expect(ends.size).toBe(0)
    })
  )

  it.live("A5 a router that is closed – streams are open, and more come – ends all of them, what waits first", () =>
    Effect.gen(function* () {
      const { router } = yield* started(new Map())
      const open = yield* SignalQueue.subscribed(router, id, viewer)
      expect(yield* Queue.take(open.signals)).toEqual({ _tag: "Keepalive" })
      router.close()
      const late = yield* SignalQueue.subscribed(router, id, viewer)
      for (const { signals } of [open, late]) {
        const rest = yield* Effect.timeout(Stream.runCollect(Stream.fromQueue(signals)), "2 seconds")
        expect(rest.every(({ _tag }) => _tag === "Keepalive")).toBe(true)
      }
      open.leave()
      late.leave()
      expect(router.viewers()).toBe(0)
    })
  )

  for (const [loop, call, name] of [
    ["events", "XREAD", "events"],
    ["loss checks", "history-lengths", "keepalives"]
  ] as const) {
    it.live(`an event router whose ${loop} die six times makes its process unready and end`, () =>
      Effect.gen(function* () {
        const { readiness, router } = yield* started(new Map([[call, "before" as const]]))
        router.subscribe(id, viewer)
        expect(yield* Effect.flip(readiness.failed).pipe(Effect.timeout("15 seconds"))).toMatchObject({ loop })
        expect(readiness.troubles()).toEqual([{ name, trouble: `${loop} failed too often: 6 times within 1m` }])
      })
    )
  }
})
