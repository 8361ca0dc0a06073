/** The live tail says when it may have missed something, and one unreadable event ends neither tail nor history (J4). */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, References, Scope } from "effect"
import { Client, CoreConfig, EventLog } from "@eco2/core"
import type { JobEvent } from "@eco2/core"
import { EntryId, Keyspace } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

/** Follows all partitions and keeps what it is told. */
const follow = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>) {
  const told: Array<readonly [job: string, event: JobEvent.JobEvent]> = []
  const gaps: Array<number> = []
  const tail = EventLog.EventLog.use((log) =>
    log.tail({
      events: (job, events) => told.push(...events.map((event) => [job, event] as const)),
      gap: (partitions: ReadonlyArray<Keys.Partition>) => gaps.push(...partitions.map(({ index }) => index)),
      answered: () => undefined
    })
  )
  const scope = yield* Effect.scope
  yield* process.run(Effect.provideService(tail, Scope.Scope, scope))
  return { told, gaps }
})

/** Who reads: the tail, and the process's topics, which are one connection more; on a Cluster they are spread over its nodes. */
const reading = (process: Fleet.Process<Fleet.Services>) =>
  Fleet.until(
    process.send("CLIENT", "LIST"),
    (list) => [...String(list).matchAll(/cmd=xread /g)].length >= (Fleet.onCluster ? 1 : 2)
  )
const cut = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>) {
  const list = yield* reading(process)
  for (const [, id = ""] of String(list).matchAll(/id=(\d+)[^\n]*cmd=xread /g))
    yield* process.send("CLIENT", "KILL", "ID", id)
})

describe("EventLog.tail", () => {
  it.live("J4 a tail that is cut and resumed, with nothing trimmed, tells every event and no gap", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      // one owner a partition: no stream is empty when the tail begins
      const owners = ["ann", "a", "9b2f0f7e-5b7f-4c63-9c52-000000000000", "user 2", "user 3", "user 5", "user 7"]
      for (const owner of owners) yield* client.run(Fleet.eventful({ owner }))
      const { gaps, told } = yield* follow(client)
      yield* cut(client)
      const id = yield* client.run(Fleet.eventful())
      yield* Fleet.until(
        Effect.sync(() => told.filter(([job]) => job === id).length),
        (length) => length === 2
      )
      expect(told.filter(([job]) => job === id).map(([, { seq }]) => seq)).toEqual([1, 2])
      const own = (yield* client.run(Keyspace)).of(id).index
      expect(gaps.filter((index) => index === own)).toEqual([])
    })
  )

  it.live.skipIf(Fleet.onCluster)("J4 a tail whose cursor was trimmed away tells a gap of that partition", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const before = yield* client.run(Fleet.eventful())
      const partition = (yield* client.run(Keyspace)).of(before)
      const { gaps, told } = yield* follow(client)
      yield* cut(client)
      yield* client.send("XTRIM", partition.events, "MAXLEN", 0)
      const id = yield* client.run(Fleet.eventful())
      yield* Fleet.until(
        Effect.sync(() => gaps.includes(partition.index)),
        (seen) => seen
      )
      yield* Fleet.until(
        Effect.sync(() => told.some(([job]) => job === id)),
        (seen) => seen
      )
      yield* reading(client)
      const next = yield* client.run(Fleet.eventful())
      yield* Fleet.until(
        Effect.sync(() => told.some(([job]) => job === next)),
        (seen) => seen
      )
    })
  )

  it.live("J4 a tail whose server lost its data tells a gap, and then the events that follow", () =>
    Effect.gen(function* () {
      const own = yield* RedisServer.scoped()
      const client = yield* Fleet.joined(own.url)
      const before = yield* client.run(Fleet.eventful())
      const partition = (yield* client.run(Keyspace)).of(before)
      const { gaps, told } = yield* follow(client)
      yield* reading(client)
      yield* Effect.promise(() => own.restart())
      yield* Fleet.until(
        Effect.sync(() => gaps.includes(partition.index)),
        (seen) => seen
      )
      const id = yield* Fleet.until(Effect.option(client.run(Fleet.eventful())), (one) => one._tag === "Some")
      yield* Fleet.until(
        Effect.sync(() => id._tag === "Some" && told.some(([job]) => job === id.value)),
        (seen) => seen
      )
    })
  )

  it.live.skipIf(Fleet.onCluster)(
    "J4 a tail whose stream begins anew with smaller ids tells a gap, and then the events that follow",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const before = yield* client.run(Fleet.eventful())
        const { events, index } = (yield* client.run(Keyspace)).of(before)
        const { gaps, told } = yield* follow(client)
        yield* reading(client)
        yield* client.send("DEL", events)
        yield* client.send("XADD", events, "1-1", "e", "nobody 1")
        yield* cut(client)
        yield* Fleet.until(
          Effect.sync(() => gaps.includes(index)),
          (seen) => seen
        )
        const event = '{"ts":1.000,"stage":"queued","status":"started","progress":0,"result":null}'
        yield* client.send("XADD", events, "1-2", "e", `somebody 1\n${event}`)
        yield* Fleet.until(
          Effect.sync(() => told.some(([job]) => job === "somebody")),
          (seen) => seen
        )
        // those of other tests have later ids
        yield* client.send("DEL", events)
      })
  )

  it.live("J4 a tail that a defect has ended tells a gap when it begins again: it may have lost what it had read", () =>
    Effect.gen(function* () {
      const gaps: Array<number> = []
      let isBroken = false
      const context = yield* Client.layer.pipe(
        Layer.provideMerge(
          BrokenRedis.layer(redis.url, new Map([["XREAD", () => (isBroken ? ("before" as const) : undefined)]]))
        ),
        Layer.provide(CoreConfig.layerWith({})),
        Layer.fresh,
        Layer.build,
        Effect.provideService(References.MinimumLogLevel, "None")
      )
      // the process's topics are read by now; what is broken is the tail, until it begins again
      isBroken = true
      yield* EventLog.EventLog.use((log) =>
        log.tail({
          events: () => undefined,
          gap: (partitions) => {
            isBroken = false
            gaps.push(partitions.length)
          },
          answered: () => undefined
        })
      ).pipe(Effect.provideContext(context))
      yield* Fleet.until(
        Effect.sync(() => gaps),
        (told) => told.length > 0
      )
      expect(gaps[0]).toBe(Fleet.onCluster ? 1 : 4)
    })
  )

  it.live("J4 a tail tells an unreadable event as a gap, and goes on after it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const { gaps, told } = yield* follow(client)
      const partition = (yield* client.run(Keyspace)).of("ann")
      yield* client.send("XADD", partition.events, "*", "e", 'x 1\n{"of":"another version"}')
      yield* client.send("XADD", partition.events, "*", "odd", "one")
      const id = yield* client.run(Fleet.eventful())
      yield* Fleet.until(
        Effect.sync(() => told.some(([job]) => job === id)),
        (seen) => seen
      )
      expect(gaps.filter((index) => index === partition.index)).toHaveLength(2)
    })
  )
})

describe("EventLog.history", () => {
  it.live("J4 a history leaves an unreadable event out, and every other event keeps its seq", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      // a job that was put off has its history as a list
      yield* client.run(Fleet.defer(yield* hand.take("weigh"), { cause: "" }))
      const list = (yield* client.run(Keyspace)).of(id).jobEvents(id)
      yield* client.send("RPUSH", list, '{"of":"another version"}', "not json")
      yield* client.run(Fleet.cancel(id))
      const history = yield* client.run(Fleet.historyOf(id))
      expect(history.map(({ seq, stage }) => [seq, stage])).toEqual([
        [1, "queued"],
        [2, "weigh"],
        [5, "cancelled"]
      ])
      expect((yield* client.run(Fleet.historyOf(id, 3))).map(({ seq }) => seq)).toEqual([5])
      expect(yield* client.run(Fleet.historyOf(id, 5))).toEqual([])
      expect(yield* client.run(EventLog.EventLog.use((log) => log.length(id)))).toBe(5)
    })
  )

  it.live("J4 a job with no event yet has one queued event in its history, at the time of its submit", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const { created } = yield* client.run(Fleet.jobOf(id))
      const queued = { seq: 1, stage: "queued", status: "started", progress: 0, result: null, ts: created / 1000 }
      expect(yield* client.run(Fleet.historyOf(id))).toEqual([queued])
      expect(yield* client.run(Fleet.historyOf(id, 1))).toEqual([])
      yield* client.run(Fleet.cancel(id))
      expect((yield* client.run(Fleet.historyOf(id)))[0]).toEqual(queued)
    })
  )

  it.live("an unknown job has an empty history", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      expect(yield* client.run(Fleet.historyOf("9b2f0f7e-5b7f-4c63-9c52-000000000000" as never))).toEqual([])
    })
  )

  it("entry ids are compared as Redis orders them", () => {
    for (const [a, b] of [
      ["0-0", "0-1"],
      ["9-9", "10-0"],
      ["10-9", "10-10"]
    ] as const) {
      expect(EntryId.isBefore(a, b)).toBe(true)
      expect(EntryId.isBefore(b, a)).toBe(false)
      expect(EntryId.isBefore(a, a)).toBe(false)
    }
  })
})
