/** The operators' list of jobs: found by timers or keys, within bounds, and marked when it is incomplete. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Keys, Keyspace, RedisClient } from "@eco2/core/redis"
import { JobList } from "@eco2/core/operations"
import { fenceWith } from "../../harness/JobHash.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const find = (process: Fleet.Process<Fleet.Services>, wanted: JobList.Wanted) =>
  process.run(
    Effect.provide(
      JobList.JobList.use((list) => Effect.orDie(list.find(wanted))),
      Layer.fresh(JobList.layer)
    )
  )
const ids = (found: JobList.Found) => found.jobs.map(({ id }) => id)

describe("JobList", () => {
  it.live("a job with a damaged number in its fence is left out of the list, which has the others", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const [damaged, sound] = [yield* client.run(Fleet.submit()), yield* client.run(Fleet.submit())]
      const { of } = yield* client.run(Keyspace)
      const key = of(damaged).job(damaged)
      yield* client.send(
        "HSET",
        key,
        "now",
        fenceWith(String(yield* client.send("HGET", key, "now")), { progress: "odd" })
      )
      expect(ids(yield* find(client, { state: "open", limit: 100 }))).toEqual([sound])
    })
  )

  it.live("the list of open jobs has each of them, of all partitions and states, and no ended one", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 3 })
      const hand = yield* Fleet.byHand(client, "hand")
      const running = yield* client.run(Fleet.submit())
      const held = yield* hand.take("weigh")
      const parked = yield* client.run(Fleet.submit())
      const parking = yield* hand.take("weigh")
      yield* client.run(Fleet.bury(parking, "ScaleBroken", 3))
      const waiting = yield* client.run(Fleet.submit())
      const lane = yield* client.run(Fleet.submit())
      const over = yield* client.run(Fleet.eventful({ owner: "bob" }))
      expect(held.id).toBe(running)
      const all = yield* find(client, { state: "open", limit: 100 })
      expect(all.complete).toBe(true)
      expect(Object.fromEntries(all.jobs.map(({ id, state }) => [id, state]))).toEqual({
        [running]: "running",
        [parked]: "parked",
        [waiting]: "waiting",
        [lane]: "lane"
      })
      expect(ids(yield* find(client, { state: "ended", limit: 100 }))).toEqual([over])
      for (const [state, id] of [
        ["lane", lane],
        ["parked", parked],
        ["cancelled", over]
      ] as const) {
        expect(ids(yield* find(client, { state, limit: 100 }))).toEqual([id])
      }
    })
  )

  it.live("the job list leaves out delayed messages, unreadable hashes and jobs that are gone", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const partition = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
      const gone = id.replace(/^./, (first) => (first === "0" ? "1" : "0"))
      yield* client.send("ZADD", partition.timers, 1, `m:${id}`, 2, gone)
      yield* client.send("HSET", partition.job(gone), "now", "nonsense", "about", "{")
      for (const state of ["open", "ended"] as const)
        expect(ids(yield* find(client, { state, limit: 10 }))).toEqual(state === "open" ? [id] : [])
    })
  )

  it.live("a sweep of keys stops at the number of keys it was allowed, and says that it is incomplete", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Effect.forEach(
        Array.from({ length: 6_000 }, (_, i) => i),
        (i) => client.send("SET", `stranger ${i}`, ""),
        { concurrency: "unbounded", discard: true }
      )
      const sweep = (most: number) =>
        client.run(RedisClient.RedisClient.use((redis) => Effect.orDie(redis.sweep("stranger *", most))))
      const some = yield* sweep(1_000)
      expect([some.complete, some.keys.length < 6_000]).toEqual([false, true])
      const all = yield* sweep(1_000_000)
      expect([all.complete, new Set(all.keys).size]).toEqual([true, 6_000])
    })
  )

  it.live("the job list looks at the youngest 5,000 timers and says when there are more", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const partition = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
      const strangers = Array.from({ length: 5_001 }, (_, i) => [i + 1, `m:${i}`]).flat()
      yield* client.send("ZADD", partition.timers, ...strangers)
      expect(yield* find(client, { state: "open", limit: 10 })).toMatchObject({ complete: false, jobs: [{ id }] })
      yield* client.send("ZREMRANGEBYRANK", partition.timers, 0, 1)
      expect(yield* find(client, { state: "open", limit: 10 })).toMatchObject({ complete: true })
    })
  )
})
