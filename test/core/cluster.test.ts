/** The same pipeline on the other topologies a URL may name: a Cluster of three masters, and a master behind Sentinel. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer, Schedule, Schema, Scope } from "effect"
import { EventLog, JobEvent, Pipeline, Stage, StageBehavior } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import * as Fleet from "./CoreFixture.ts"
import * as RedisCluster from "./RedisCluster.ts"
import * as RedisSentinel from "./RedisSentinel.ts"

const narrow = Stage.make("narrow", {
  needs: { input: Schema.String },
  output: Schema.String,
  progress: 100,
  concurrency: 1
})
const Narrow = Pipeline.make("narrow", { input: Schema.String }).add(narrow)

/** Jobs in every partition run to their end, live events included, and a stage with fewer slots than partitions too. */
const works = Effect.fnUntraced(function* (url: string) {
  const told: Array<string> = []
  const worker = yield* Fleet.working(
    url,
    Layer.merge(
      Fleet.parcelBehaviors(),
      StageBehavior.layer(
        Narrow,
        "narrow",
        Effect.succeed(({ input }) => Effect.succeed(input))
      )
    )
  )
  const scope = yield* Effect.scope
  yield* worker.run(
    EventLog.EventLog.use((log) =>
      log.tail({
        events: (id, events) => {
          if (events.some(JobEvent.isTerminal)) told.push(id)
        },
        gap: () => undefined,
        answered: () => undefined
      })
    ).pipe(Effect.provideService(Scope.Scope, scope))
  )
  const owners = Array.from({ length: 16 }, (_, i) => `owner ${i}`)
  const ids = yield* Effect.forEach(owners, (owner) => worker.run(Fleet.submit({ owner, image: new Uint8Array([1]) })))
  const { of, partitions } = yield* worker.run(Keyspace)
  expect(new Set(ids.map(of)).size).toBe(partitions.length)
  const start = performance.now()
  const blockMillis = 20_000
  for (const id of ids) {
    yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
  }
  // each was found by its wake-up, and not by the end of a blocking read
  expect(performance.now() - start).toBeLessThan(blockMillis)
  yield* Fleet.until(
    Effect.sync(() => new Set(told)),
    (seen) => seen.size === ids.length
  )
  const narrowly = yield* Effect.forEach(owners.slice(0, 6), (owner) =>
    worker.run(Effect.map(Pipeline.submit(Narrow, owner, { owner, key: null }), ({ id }) => id))
  )
  for (const id of narrowly) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
})

describe("a Sentinel failover", () => {
  it.live(
    "J1 J2 A4 a failover by Sentinel loses nothing that the replica has: stages in work are recorded and jobs complete",
    () =>
      Effect.gen(function* () {
        const { master, url } = yield* RedisSentinel.pair
        const gate = yield* Deferred.make<void>()
        const weighed: Array<string> = []
        const worker = yield* Fleet.working(
          url,
          Fleet.parcelBehaviors({
            weigh: (_, job) =>
              Effect.suspend(() => {
                weighed.push(job.id)
                return Effect.as(Deferred.await(gate), { grams: 1 })
              })
          }),
          // outlives the failover: nobody else is there to take anything over
          { lease: Duration.seconds(15) }
        )
        const owners = Array.from({ length: 8 }, (_, i) => `owner-${i}`)
        const ids = yield* Effect.forEach(owners, (owner) => worker.run(Fleet.submit({ owner })))
        yield* Fleet.until(
          Effect.sync(() => weighed.length),
          (count) => count === ids.length
        )
        expect(Number(yield* worker.send("WAIT", 1, 5_000))).toBe(1)
        yield* Effect.promise(() => master.kill9())
        yield* Deferred.succeed(gate, undefined)
        // connections may break more than once until the new master is everybody's
        const again = { schedule: Schedule.spaced("50 millis"), times: 400 }
        for (const id of ids) {
          yield* Effect.retry(
            Effect.filterOrFail(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done"),
            again
          )
          expect(yield* Effect.retry(worker.run(Fleet.terminalsOf(id)), again)).toEqual(["done"])
        }
        expect(weighed.toSorted()).toEqual(ids.toSorted())
        const next = yield* worker.run(Fleet.submit())
        yield* Fleet.until(worker.run(Fleet.jobOf(next)), ({ state }) => state === "done")
      }),
    60_000
  )
})

describe("parcel jobs", () => {
  it.live("a pipeline's jobs are done on a Cluster of three masters, in every partition at once", () =>
    Effect.flatMap(RedisCluster.start(), ({ url }) => works(url))
  )
  it.live("a pipeline's job is done on a master found through Sentinel", () =>
    Effect.gen(function* () {
      const master = yield* RedisServer.scoped()
      const { url } = yield* RedisSentinel.watching(master.port)
      yield* works(url)
    })
  )
})
