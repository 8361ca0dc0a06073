/** One viewer without a gateway: how it writes to its response, which here is the test's. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { characters } from "@eco2/actors/characters"
import { Client, CoreConfig, Job } from "@eco2/core"
import type { JobEvent, PartialText } from "@eco2/core"
import { Postgres } from "@eco2/core/postgres"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Cause, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import type { Scope } from "effect"
import type { RunningText } from "../../../packages/gateway/src/events/EventRouter.ts"
import { Signals } from "../../../packages/gateway/src/events/Signals.ts"
import * as Viewer from "../../../packages/gateway/src/events/Viewer.ts"
import * as ResultView from "../../../packages/gateway/src/http/ResultView.ts"
import { until } from "../../core/Until.ts"

let redis: RedisServer.RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.stop())

const id = Schema.decodeUnknownSync(Job.JobId)("9b2f0f7e-5b7f-4c63-9c52-000000000000")
const event = (seq: number): JobEvent.JobEvent => ({
  seq,
  ts: seq,
  stage: "vision",
  status: "retrying",
  progress: 0,
  result: null
})

/** A viewer of a job without a history, which follows the signals. */
const following = Effect.fnUntraced(function* (write: (text: string) => boolean) {
  const view = yield* Viewer.make
  const signals = new Signals()
  const drained: Array<() => void> = []
  let seen = 0
  let isRead = false
  let running: RunningText | null = null
  const outlet = { destroyed: false, write, once: (_: "drain", listener: () => void) => void drained.push(listener) }
  const subscription = {
    signals,
    seen: (seq: number) => {
      seen = seq
      isRead = true
    },
    partial: () => running,
    knows: (read: PartialText.Partial) => void (running = { ...read, ts: 1, progress: 50 }),
    heard: () => undefined
  }
  const fiber = yield* Effect.forkScoped(Stream.runDrain(view(id, null, subscription, null, outlet)))
  yield* until(
    Effect.sync(() => isRead),
    (yes) => yes
  )
  return { signals, outlet, drained, fiber, seen: () => seen, runs: (text: RunningText) => void (running = text) }
})

const layer = ResultView.layer.pipe(
  Layer.provide(characters),
  Layer.provide(Layer.succeed(Postgres.Postgres, Postgres.absent)),
  Layer.provideMerge(Layer.merge(Client.layer, Keyspace.layer)),
  Layer.provide(CoreConfig.layerWith({}))
)
type Services = Layer.Success<typeof layer> | RedisClient.RedisClient | Scope.Scope
const withRedis = <A, E>(test: Effect.Effect<A, E, Services>) =>
  Effect.provide(test, Layer.provideMerge(layer, RedisClient.layerUrl(redis.url)))
const seqs = (text = "") => [...text.matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq))

describe("a viewer's stream", () => {
  it.live("J4 a viewer whose client takes nothing writes nothing, and then all that waits in one piece", () =>
    withRedis(
      Effect.gen(function* () {
        const written: Array<string> = []
        const { drained, seen, signals } = yield* following((text) => written.push(text) > 1)
        signals.add({ _tag: "Events", events: [event(1)] })
        for (const seq of [2, 3, 4]) signals.add({ _tag: "Events", events: [event(seq)] })
        expect([written.map(seqs), seen(), drained.length]).toEqual([[[1]], 1, 1])
        drained[0]?.()
        expect([written.map(seqs), seen(), drained.length]).toEqual([[[1], [2, 3, 4]], 4, 1])
        signals.add({ _tag: "Events", events: [event(5)] })
        expect(written.map(seqs)).toEqual([[1], [2, 3, 4], [5]])
      })
    )
  )

  it.live("a bug in a viewer ends its own stream, and not the router that calls it", () =>
    withRedis(
      Effect.gen(function* () {
        const { fiber, signals } = yield* following(() => {
          throw new Error("a bug in a viewer")
        })
        signals.add({ _tag: "Keepalive" })
        const exit = yield* Fiber.await(fiber)
        expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
        signals.add({ _tag: "Keepalive" })
      })
    )
  )

  it.live("a bug in a viewer that tells what it has read ends its own stream, and not the process", () =>
    withRedis(
      Effect.gen(function* () {
        const { fiber, signals } = yield* following(() => {
          throw new Error("a bug in a viewer")
        })
        // the job is not there: what its signals tell takes a read
        signals.add({ _tag: "Lost" })
        const exit = yield* Fiber.await(fiber)
        expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      })
    )
  )

  it.live("a viewer's stream is over once its client has taken the end, and its place is held until then", () =>
    withRedis(
      Effect.gen(function* () {
        const { drained, fiber, signals } = yield* following(() => false)
        signals.add({ _tag: "Timeout" })
        expect([fiber.pollUnsafe(), drained.length]).toEqual([undefined, 1])
        drained[0]?.()
        expect(yield* Fiber.await(fiber)).toEqual(Exit.void)
      })
    )
  )

  it.live("a client that has left is written nothing, and a stream that is over writes nothing", () =>
    withRedis(
      Effect.gen(function* () {
        const written: Array<string> = []
        const { fiber, outlet, signals } = yield* following((text) => written.push(text) > 0)
        outlet.destroyed = true
        signals.add({ _tag: "Keepalive" })
        outlet.destroyed = false
        yield* Fiber.interrupt(fiber)
        signals.add({ _tag: "Keepalive" })
        expect(written).toEqual([])
      })
    )
  )

  it.live("a viewer whose signals end tells what waits, and its stream ends", () =>
    withRedis(
      Effect.gen(function* () {
        const written: Array<string> = []
        const { drained, fiber, signals } = yield* following((text) => written.push(text) > 1)
        for (const seq of [1, 2]) signals.add({ _tag: "Events", events: [event(seq)] })
        signals.end()
        expect(fiber.pollUnsafe()).toBeUndefined()
        drained[0]?.()
        expect(yield* Fiber.await(fiber)).toEqual(Exit.void)
        expect(written.map(seqs)).toEqual([[1], [2]])
      })
    )
  )

  it.live("a viewer whose router has not heard a text from its beginning reads the whole of it", () =>
    withRedis(
      Effect.gen(function* () {
        const written: Array<string> = []
        const { runs, signals } = yield* following((text) => written.push(text) > 0)
        const keyspace = yield* Keyspace
        yield* RedisClient.RedisClient.use((client) =>
          client.send("SET", keyspace.of(id).jobPartial(id), "3 answer 1 read from Redis")
        )
        runs({ stage: "answer", order: 3, attempt: 1, text: null, ts: 1, progress: 50 })
        signals.add({ _tag: "Text" })
        yield* until(
          Effect.sync(() => written.join("")),
          (text) => text.includes("read from Redis")
        )
      })
    )
  )
})

describe("signals that wait for a viewer", () => {
  const keepalive = { _tag: "Keepalive" } as const

  it("J4 signals that have ended, by their bound or by the router, take no other: a stream has no hole", () => {
    const [full, closed] = [new Signals(), new Signals()]
    for (let n = 0; n < 257; n++) full.add(keepalive)
    closed.add(keepalive)
    closed.end()
    for (const [signals, waiting] of [
      [full, 256],
      [closed, 1]
    ] as const) {
      signals.add(keepalive)
      expect([signals.isOver, signals.take().length]).toEqual([false, waiting])
      signals.add(keepalive)
      expect([signals.isOver, signals.take()]).toEqual([true, []])
    }
  })
})
