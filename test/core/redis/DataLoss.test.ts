/** A Redis that lost its data: it is noticed, said once, and `{fleet}:meta` is written again by whoever is there. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { Client, CoreConfig, JobEnds, Pipeline } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Readiness } from "@eco2/core/telemetry"
import * as Fleet from "../CoreFixture.ts"
import { until } from "../Until.ts"
import * as LogLines from "./LogLines.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const said = "redis has lost its data"

const metaOf = (process: Pick<Fleet.Process<never>, "send">) =>
  Effect.map(process.send("HGETALL", keyNames.meta), (flat) => {
    const fields = Array.isArray(flat) ? flat.map(String) : []
    return Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? ""]] : [])))
  })
const isWhole = (meta: Readonly<Record<string, string>>) => Object.keys(meta).length === 3

/** A process without a heartbeat, as a gateway is. */
const guarded = Effect.gen(function* () {
  const logs = LogLines.make()
  const context = yield* Client.dataGuard.pipe(
    Layer.provideMerge(Client.layer),
    Layer.provideMerge(Layer.mergeAll(RedisClient.layerUrl(redis.url), CoreConfig.layerWith({}), Readiness.layer)),
    Layer.provideMerge(logs.layer),
    Layer.fresh,
    Layer.build
  )
  const client = Context.get(context, RedisClient.RedisClient)
  return {
    keyspace: Context.get(context, Keyspace),
    logs,
    send: (command: string, ...args: ReadonlyArray<string | number | Buffer>) =>
      Effect.orDie(client.send(command, ...args))
  }
})

describe("a Redis that lost its data", () => {
  it.live(
    "a flushed Redis has PARTITIONS and format again with the next beat of a worker, and another id of its data",
    () =>
      Effect.gen(function* () {
        const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
        const before = yield* metaOf(worker)
        expect(before).toEqual({ PARTITIONS: "4", format: "2", data: expect.any(String) })
        yield* redis.flush
        const after = yield* until(metaOf(worker), isWhole)
        expect(after).toEqual({ ...before, data: expect.any(String) })
        expect(after.data).not.toBe(before.data)
      })
  )

  it.live("a process without a heartbeat writes PARTITIONS and format again too, and logs the loss once", () =>
    Effect.gen(function* () {
      const { keyspace, logs, send } = yield* guarded
      yield* send("FLUSHALL")
      yield* until(metaOf({ send }), isWhole)
      yield* logs.said(said)
      yield* keyspace.confirm
      expect(logs.of(said).length).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live("a process whose lost Redis was taken by one with other PARTITIONS is not ready, and says both numbers", () =>
    Effect.gen(function* () {
      const { keyspace, send } = yield* guarded
      yield* send("DEL", keyNames.meta)
      yield* send("HSET", keyNames.meta, "PARTITIONS", "8", "format", "2", "data", "of another process")
      yield* keyspace.confirm
      expect(keyspace.trouble()).toContain("under eco2: with PARTITIONS=8, this process is set to PARTITIONS=4;")
    }).pipe(Effect.scoped)
  )

  it.live("a Redis that keeps its data keeps the id of its data, whoever starts, beats and leaves", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const before = yield* metaOf(worker)
      const other = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      yield* other.stop
      expect(yield* metaOf(worker)).toEqual(before)
    })
  )

  it.live("a wait for the result of a job that a flush took away ends with JobMissing, long before its deadline", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Layer.empty)
      const id = yield* worker.run(Fleet.submit())
      const result = Pipeline.result(Fleet.ParcelPipeline, id, { deadline: "10 minutes" })
      const waiting = yield* Effect.forkChild(Effect.flip(worker.run(result)))
      yield* until(worker.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=xread "))
      yield* redis.flush
      expect(yield* Effect.timeout(Fiber.join(waiting), "20 seconds")).toEqual(new JobEnds.JobMissing({ id }))
    })
  )
})
