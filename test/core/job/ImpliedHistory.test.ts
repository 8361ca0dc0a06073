/**
 * The history of a job on its usual way follows from its hash, and no list is written (scripts/history.lua). The state machine's
 * test compares every history with the live stream; here is when the list begins, and that nobody who reads can tell.
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { EventLog, JobStore } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import { fenceWith } from "../../harness/JobHash.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
type Client = Fleet.Process<Fleet.Services>
type Id = JobStore.Holding["id"]

const partitionOf = (client: Client, id: Id) => Effect.map(client.run(Keyspace), (keyspace) => keyspace.of(id))
/** Events in the job's list; 0: there is none. */
const listed = Effect.fnUntraced(function* (client: Client, id: Id) {
  return Number(yield* client.send("LLEN", (yield* partitionOf(client, id)).jobEvents(id)))
})
const told = (client: Client, id: Id) => client.run(EventLog.EventLog.use((log) => log.length(id)))
const steps = (events: ReadonlyArray<{ readonly stage: string; readonly status: string }>) =>
  events.map(({ stage, status }) => `${stage}/${status}`)

describe("an implied history", () => {
  it.live("J4 a job that is handed off from stage to stage has all events at every step, and no list", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const expected = ["queued/started"]
      expect(yield* told(client, id)).toBe(0)
      for (const stage of ["weigh", "label", "ship"]) {
        const holding = yield* hand.take(stage)
        expected.push(`${stage}/started`)
        expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual(expected)
        yield* client.run(Fleet.commit(holding))
        expected.push(`${stage}/completed`, ...(stage === "ship" ? ["done/completed"] : []))
        expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual(expected)
        expect(yield* told(client, id)).toBe(expected.length)
      }
      expect((yield* client.run(Fleet.historyOf(id, 6))).map(({ seq }) => seq)).toEqual([7, 8])
      expect(yield* listed(client, id)).toBe(0)
    })
  )

  it.live("J4 a success whose begin Redis has lost, as after a failover, is told after the stage's start", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      // read, and for this Redis never begun
      const [holding] = yield* hand.read("weigh")
      expect((yield* client.run(Fleet.commit(holding!))).outcome).toBe("committed")
      const expected = ["queued/started", "weigh/started", "weigh/completed"]
      expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual(expected)
      expect(yield* told(client, id)).toBe(expected.length)
      // its start has the time of its commit, so its history is a list
      expect(yield* listed(client, id)).toBe(expected.length)
      yield* client.run(Fleet.commit(yield* hand.take("label")))
      expected.push("label/started", "label/completed")
      expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual(expected)
    })
  )

  it.live("J4 lengths of many jobs come in the order asked for, of implied, listed and missing histories alike", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const begun = yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      const put = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.defer(yield* hand.take("weigh")))
      const queued = yield* client.run(Fleet.submit())
      // more than one call of each partition takes
      const missing = Array.from(
        { length: 1_200 },
        (_, i) => `9b2f0f7e-5b7f-4c63-9c52-${String(i).padStart(12, "0")}` as Id
      )
      const ids = [begun, ...missing.slice(0, 600), put, ...missing.slice(600), queued, begun]
      const lengths = yield* client.run(EventLog.EventLog.use((log) => log.lengths(ids)))
      expect([lengths[0], lengths[601], lengths.at(-2), lengths.at(-1)]).toEqual([2, 3, 0, 2])
      expect(lengths.filter((length) => length === null)).toHaveLength(missing.length)
      expect(yield* listed(client, put)).toBe(3)
      const often = yield* client.run(
        EventLog.EventLog.use((log) => log.lengths(Array.from({ length: 600 }, () => begun)))
      )
      expect(new Set(often)).toEqual(new Set([2]))
      yield* client.run(Fleet.commit(holding))
    })
  )

  it.live("J4 a job that one process keeps to its end has all events, and no list", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      let holding = yield* hand.take("weigh")
      for (let n = 0; n < 2; n++) {
        const { kept, outcome } = yield* client.run(Fleet.keep(holding))
        expect(outcome).toBe("kept")
        holding = kept
      }
      yield* client.run(Fleet.commit(holding))
      expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual([
        "queued/started",
        ...["weigh", "label", "ship"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
        "done/completed"
      ])
      expect(yield* listed(client, id)).toBe(0)
    })
  )

  for (const [what, change, next] of [
    ["is put off for a retry", (holding) => Fleet.defer(holding), ["label/retrying"]],
    ["is handed back by a process that stops", (holding) => Fleet.defer(holding, { delayMillis: 0, cause: "" }), []],
    ["is given up", (holding) => Fleet.bury(holding), ["failed/failed"]],
    ["is cancelled", ({ id }) => Fleet.cancel(id), ["cancelled/cancelled"]],
    [
      "is begun again after its process died",
      (holding) =>
        JobStore.JobStore.use((store) =>
          Effect.orDie(store.begin([{ ...holding, token: holding.token.replace(/[^:]*$/, "again") }], ["run"]))
        ),
      []
    ]
  ] as ReadonlyArray<
    readonly [
      string,
      (holding: JobStore.Holding) => Effect.Effect<unknown, never, JobStore.JobStore>,
      ReadonlyArray<string>
    ]
  >) {
    it.live(`J4 a job that ${what} has the same events as before, to the millisecond, and from then on a list`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        const id = yield* client.run(Fleet.submit())
        yield* client.run(Fleet.commit(yield* hand.take("weigh")))
        const holding = yield* hand.take("label")
        const before = yield* client.run(Fleet.historyOf(id))
        expect(yield* listed(client, id)).toBe(0)
        yield* client.run(change(holding))
        const after = yield* client.run(Fleet.historyOf(id))
        expect(after.slice(0, before.length)).toEqual(before)
        expect(steps(after.slice(before.length))).toEqual(next)
        expect(yield* listed(client, id)).toBe(after.length)
        expect(yield* told(client, id)).toBe(after.length)
      })
    )
  }

  it.live("J4 a job that fails at its deadline while it waits has its events and its end in a list", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { jobDeadline: Duration.millis(1) })
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.commit(yield* hand.take("weigh")))
      yield* Fleet.until(client.run(Effect.andThen(Fleet.promote, Fleet.jobOf(id))), ({ state }) => state === "failed")
      expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual([
        "queued/started",
        "weigh/started",
        "weigh/completed",
        "failed/failed"
      ])
      expect(yield* listed(client, id)).toBe(4)
    })
  )

  it.live("J4 a job accepted by an earlier version keeps its list", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const key = (yield* partitionOf(client, id)).job(id)
      const fence = String(yield* client.send("HGET", key, "now"))
      yield* client.send("HSET", key, "now", fenceWith(fence, { started: "-" }))
      expect(yield* told(client, id)).toBe(0)
      expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual(["queued/started"])
      yield* client.run(Fleet.commit(yield* hand.take("weigh")))
      expect(yield* listed(client, id)).toBe(3)
      const { kept } = yield* client.run(Fleet.keep(yield* hand.take("label")))
      yield* client.run(Fleet.commit(kept))
      expect(steps(yield* client.run(Fleet.historyOf(id)))).toEqual([
        "queued/started",
        ...["weigh", "label", "ship"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
        "done/completed"
      ])
      expect(yield* listed(client, id)).toBe(8)
    })
  )
})
