/** The operators' list of jobs: found by timers and by the lists of ended jobs, page by page, within bounds. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { JobStore } from "@eco2/core/client"
import { Keys, Keyspace } from "@eco2/core/redis"
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
const count = (process: Fleet.Process<Fleet.Services>, wanted: Omit<JobList.Wanted, "limit" | "cursor">) =>
  process.run(
    Effect.provide(
      JobList.JobList.use((list) => Effect.orDie(list.count(wanted))),
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

  it.live("a page of jobs ends at its limit, and its cursor goes on behind it: no job twice, none left out", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const submitted = yield* Effect.forEach(Array.from({ length: 7 }), () =>
        client.run(Fleet.submit({ owner: null }))
      )
      const pages = Effect.fnUntraced(function* (state: JobList.Wanted["state"]) {
        const seen: Array<string> = []
        let cursor: string | null = null
        do {
          const page: JobList.Found = yield* find(client, { state, limit: 3, ...(cursor === null ? {} : { cursor }) })
          expect(page.jobs.length).toBeLessThanOrEqual(3)
          expect(page.complete).toBe(page.next === null)
          seen.push(...ids(page))
          cursor = page.next
        } while (cursor !== null)
        return seen
      })
      expect((yield* pages("open")).toSorted()).toEqual(submitted.toSorted())
      yield* Effect.forEach(submitted, (id) => client.run(JobStore.JobStore.use((store) => store.cancel(id))), {
        concurrency: "unbounded"
      })
      expect((yield* pages("ended")).toSorted()).toEqual(submitted.toSorted())
      expect(yield* pages("open")).toEqual([])
    })
  )

  it.live("a job is found by the beginning of its id, its owner, its tag, and by why it failed", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const heavy = yield* client.run(Fleet.submit({ weight: 70 }))
      yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 0))
      const light = yield* client.run(Fleet.submit({ owner: "bob" }))
      for (const [filter, id] of [
        [{ state: "failed", cause: "ScaleBroken" }, heavy],
        [{ state: "ended", tag: "heavy" }, heavy],
        [{ state: "ended", id: heavy.slice(0, 8) }, heavy],
        [{ state: "ended", pipeline: "parcel", stage: "weigh" }, heavy],
        [{ state: "open", owner: "bob" }, light],
        [{ state: "open", id: light.slice(0, 8) }, light]
      ] as const) {
        expect(ids(yield* find(client, { ...filter, limit: 10 })), JSON.stringify(filter)).toEqual([id])
      }
      for (const filter of [
        { state: "failed", cause: "ScaleOld" },
        { state: "open", tag: "heavy" },
        { state: "ended", owner: "bob" },
        { state: "done" },
        { state: "ended", since: Date.now() + 1_000 }
      ] as const) {
        expect(ids(yield* find(client, { ...filter, limit: 10 })), JSON.stringify(filter)).toEqual([])
      }
    })
  )

  it.live("a failed job that was redriven is in no list of ended jobs, and is counted once when it failed again", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 0))
      const failed = { state: "failed", limit: 10 } as const
      expect(yield* find(client, failed)).toMatchObject({ jobs: [{ id, cause: "ScaleBroken", state: "failed" }] })
      yield* client.run(JobStore.JobStore.use((store) => store.redrive(id)))
      expect(ids(yield* find(client, failed))).toEqual([])
      yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleOld", 0))
      expect(yield* find(client, failed)).toMatchObject({ jobs: [{ id, cause: "ScaleOld", run: 2 }], next: null })
      const counted = yield* count(client, { state: "ended" })
      expect(counted).toEqual({
        jobs: 1,
        states: new Map([["failed", 1]]),
        causes: new Map([["ScaleOld", 1]]),
        complete: true
      })
    })
  )

  it.live("a search of open jobs ends within its cost, and its cursor goes on with the rest", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const partition = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
      const gone = (i: number) => `00000000-0000-4000-8000-${i.toString().padStart(12, "0")}`
      const strangers = Array.from({ length: 25_500 }, (_, i) => [4_000_000_000_000 + i, gone(i)])
      yield* Effect.forEach([0, 1, 2, 3, 4], (part) =>
        client.send("ZADD", partition.timers, ...strangers.slice(part * 5_100, (part + 1) * 5_100).flat())
      )
      const first = yield* find(client, { state: "open", limit: 10 })
      expect(first).toMatchObject({ complete: false, jobs: [] })
      expect(yield* find(client, { state: "open", limit: 10, cursor: first.next! })).toMatchObject({
        complete: true,
        jobs: [{ id }]
      })
    })
  )
})
