/** Waiting for a job's end and taking its result: what a caller is told, and what waiting costs. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { JobEnds, Pipeline } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import { FaultProxy } from "@eco2/core/testing"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const deadline = { deadline: "60 seconds" } as const
const result = (id: Fleet.JobId, options: { readonly deadline: "60 seconds" | "50 millis" } = deadline) =>
  Pipeline.result(Fleet.ParcelPipeline, id, options)
const clients = (process: Fleet.Process<Fleet.Services>) =>
  Effect.map(process.send("CLIENT", "LIST"), (text) =>
    Schema.decodeUnknownSync(Schema.String)(text)
      .split("\n")
      .filter((line) => line.includes("name=eco2-reader"))
  )
/** Stages that stand still until they are let go. */
const gated = Effect.gen(function* () {
  const begun = yield* Deferred.make<void>()
  const gate = yield* Deferred.make<void>()
  const behaviors = Fleet.parcelBehaviors({
    weigh: () => Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.as({ grams: 7 }))
  })
  return { begun, gate, behaviors }
})

describe("Pipeline.result", () => {
  it.live("a job's result has every stage's output, whichever process ran the stage", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const id = yield* client.run(Fleet.submit())
      expect(yield* client.run(result(id))).toEqual({
        weigh: { grams: 2000 },
        label: { text: "2000 g" },
        ship: { tracking: "2000 g" }
      })
      // and again, without waiting
      expect((yield* client.run(result(id))).ship.tracking).toBe("2000 g")
    })
  )

  it.live("a wait for a job's result lasts while stages run, and ends with the last of them", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const { begun, behaviors, gate } = yield* gated
      yield* Fleet.working(redis.url, behaviors)
      const id = yield* client.run(Fleet.submit())
      const waiting = yield* Effect.forkChild(client.run(result(id)))
      yield* Deferred.await(begun)
      expect(waiting.pollUnsafe()).toBe(undefined)
      yield* Deferred.succeed(gate, undefined)
      expect((yield* Fiber.join(waiting)).weigh).toEqual({ grams: 7 })
    })
  )

  it.live("the result is JobFailed for a failed job, JobCancelled for a cancelled, JobMissing for an unknown one", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const failed = yield* client.run(Fleet.submit())
      const waiting = yield* Effect.forkChild(Effect.flip(client.run(result(failed))))
      yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 0))
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "JobFailed", id: failed, code: "ScaleBroken" })

      const cancelled = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.cancel(cancelled))
      expect(yield* Effect.flip(client.run(result(cancelled)))).toMatchObject({ _tag: "JobCancelled" })

      yield* redis.flush
      expect(yield* Effect.flip(client.run(result(cancelled)))).toMatchObject({ _tag: "JobMissing", id: cancelled })
    })
  )

  it.live("the result of a job still open at the wait's deadline is JobStillOpen with its progress", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.commit(yield* hand.take("weigh")))
      expect(yield* Effect.flip(client.run(result(id, { deadline: "50 millis" })))).toMatchObject({
        _tag: "JobStillOpen",
        progress: 30
      })
    })
  )
})

describe("waiting for results", () => {
  it.live.skipIf(Fleet.onCluster)("two hundred waits share one connection, which closes with their process", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const watcher = yield* Fleet.joined(redis.url)
      // each process has a reader of its topics
      yield* Fleet.until(clients(watcher), (found) => found.length === 2)
      const hand = yield* Fleet.byHand(watcher, "hand")
      const ids = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => `owner ${i}`),
        (owner) => client.run(Fleet.submit({ owner })),
        { concurrency: 20 }
      )
      const waiting = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => ids[i % 20]!),
        (id) => Effect.forkChild(client.run(JobEnds.JobEnds.use((ends) => ends.wait(id, deadline))))
      )
      yield* Fleet.until(clients(watcher), (found) => found.length === 3)
      for (const stage of ["weigh", "label", "ship"]) {
        for (const holding of yield* hand.read(stage)) {
          yield* watcher.run(Fleet.begin(holding))
          yield* watcher.run(Fleet.commit(holding))
        }
      }
      for (const fiber of waiting) expect((yield* Fiber.join(fiber)).state).toBe("done")
      yield* client.stop
      yield* Fleet.until(clients(watcher), (found) => found.length === 1)
    })
  )

  it.skipIf(Fleet.onCluster)("A4 a wait for a result ends although its connection was cut when the job ended", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { begun, behaviors, gate } = yield* gated
          const worker = yield* Fleet.working(redis.url, behaviors)
          const proxy = yield* Effect.acquireRelease(
            Effect.promise(() => FaultProxy.start(Number(new URL(redis.url).port))),
            (open) => Effect.promise(() => open.close())
          )
          const client = yield* Fleet.joined(proxy.url)
          const id = yield* client.run(Fleet.submit())
          const waiting = yield* Effect.forkChild(client.run(result(id)))
          yield* Deferred.await(begun)
          // the worker's for work and topics, the client's for topics, and the one that waits
          yield* Fleet.until(clients(worker), (found) => found.length === 4)
          proxy.refuse()
          yield* Deferred.succeed(gate, undefined)
          yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
          // what told of the end is no longer there to be read
          for (const { events } of (yield* worker.run(Keyspace)).partitions)
            yield* worker.send("XTRIM", events, "MAXLEN", 0)
          yield* worker.run(Fleet.eventful())
          proxy.heal()
          expect((yield* Fiber.join(waiting)).ship).toEqual({ tracking: "7 g" })
        })
      )
    )
  )
})
