/**
 * The transitions that settle a stage: all or nothing (J3), the same answer when sent twice; a former holder's late success
 * counts, and its late failure does not (J1).
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { EventLog, JobStore } from "@eco2/core"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import { fenceWith } from "../../harness/JobHash.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

/** Sorted: Redis may shuffle a hash as it grows. */
const fieldsOf = (reply: unknown) => {
  const flat = Schema.decodeUnknownSync(Schema.Array(Schema.String))(reply)
  return flat.flatMap((name, i) => (i % 2 === 0 ? [`${name}=${flat[i + 1]}`] : [])).toSorted()
}

/** What a job looks like from outside: its hash, history, and everything that waits anywhere. */
const picture = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>) {
  const seen: Record<string, unknown> = {}
  for (const key of yield* Fleet.keysOf(process)) {
    const type = yield* process.send("TYPE", key)
    if (key.includes("{fleet}")) continue
    if (type === "stream") {
      seen[key] = yield* process.send("XRANGE", key, "-", "+")
      if (key.includes(":mailbox:parcel")) seen[`${key} pending`] = yield* process.send("XPENDING", key, "workers")
    } else if (type === "hash") seen[key] = fieldsOf(yield* process.send("HGETALL", key))
    else if (type === "list") seen[key] = yield* process.send("LRANGE", key, 0, -1)
    else if (type === "zset") seen[key] = yield* process.send("ZRANGE", key, 0, -1, "WITHSCORES")
    seen[`${key} ttl`] = Number(yield* process.send("PTTL", key)) >= 0
  }
  return seen
})

const oneBegun = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const hand = yield* Fleet.byHand(client, "hand")
  const id = yield* client.run(Fleet.submit())
  const holding = yield* hand.take("weigh")
  return { client, hand, id, holding }
})

/** Another process has taken the entry over from "hand", which is not dead but late. */
const takenOver = Effect.gen(function* () {
  const begun = yield* oneBegun
  const heir = yield* Fleet.joined(redis.url, { clockOffsetMillis: 60_000 })
  yield* heir.run(Lease.Lease.use((lease) => lease.condemn(["hand"], Fleet.ever)))
  const [second] = yield* Fleet.inherit(heir, "hand", "heir", "weigh")
  yield* heir.run(Fleet.begin(second!, "run"))
  return { ...begun, heir, second: second! }
})

const tell = { mailbox: "receipts", type: "Print", body: '{"n":1}' }

describe("transitions of a stage", () => {
  it.live("J3 a commit writes checkpoint, events, tells, next entry and acknowledgement together", () =>
    Effect.gen(function* () {
      const { client, hand, holding, id } = yield* oneBegun
      const tells = [tell, { ...tell, mailbox: "copies" }]
      expect(yield* client.run(Fleet.commit(holding, { tells }))).toMatchObject({ outcome: "committed" })
      expect(yield* client.send("XLEN", holding.partition.mailbox("copies"))).toBe(1)
      const job = yield* client.run(Fleet.jobOf(id))
      expect(job).toMatchObject({ state: "waiting", at: "label", progress: 30, attempts: 0 })
      expect(job.outputs.get("weigh")).toBe('{"grams":2000}')
      expect((yield* client.run(Fleet.toldOf(id))).at(-1)).toBe("weigh/completed")
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
      expect(yield* client.send("XPENDING", holding.partition.mailbox("parcel.weigh"), "workers")).toEqual([
        0,
        null,
        null,
        null
      ])
      expect(yield* client.send("XRANGE", holding.partition.mailbox("receipts"), "-", "+")).toMatchObject([
        [expect.any(String), ["type", "Print", "body", '{"n":1}', "ts", expect.any(String)]]
      ])
      expect((yield* hand.read("label")).map((next) => next.id)).toEqual([id])
    })
  )

  for (const [why, change] of [
    ["stands at another stage", { stage: "label" }],
    ["is represented by another entry", { entry: "1-1" }],
    ["came through another mailbox", { mailbox: "parcel.ship" }]
  ] as const) {
    it.live(`J3 a commit, defer or bury for a job that ${why} is lost and writes nothing, no tells either`, () =>
      Effect.gen(function* () {
        const { client, holding } = yield* oneBegun
        const before = yield* picture(client)
        const fenced = { ...holding, ...change }
        expect(yield* client.run(Fleet.commit(fenced, { tells: [tell] }))).toMatchObject({ outcome: "lost" })
        expect(yield* client.run(Fleet.defer(fenced))).toBe("lost")
        expect(yield* client.run(Fleet.bury(fenced))).toBe("lost")
        expect(yield* picture(client)).toEqual(before)
      })
    )
  }

  it.live("J3 no transition writes to a job whose hash is not there", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* oneBegun
      yield* client.send("DEL", holding.partition.job(id), holding.partition.jobEvents(id))
      const before = yield* picture(client)
      expect(yield* client.run(Fleet.commit(holding, { tells: [tell] }))).toMatchObject({ outcome: "gone" })
      expect(yield* client.run(Fleet.defer(holding))).toBe("gone")
      expect(yield* client.run(Fleet.bury(holding))).toBe("gone")
      expect(yield* client.run(Fleet.cancel(id))).toBe("missing")
      expect(yield* picture(client)).toEqual(before)
    })
  )

  for (const [how, words] of [
    ["its first half", 3],
    ["its second half", 14]
  ] as const) {
    it.live(`J3 no transition writes to a job whose fence breaks off in ${how}; only its timer is removed`, () =>
      Effect.gen(function* () {
        const { client, holding, id } = yield* oneBegun
        const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 7_200_000 })
        const key = holding.partition.job(id)
        const fence = String(yield* client.send("HGET", key, "now"))
        yield* client.send("HSET", key, "now", fence.split(" ").slice(0, words).join(" "))
        const before = yield* picture(client)
        expect(yield* client.run(Fleet.commit(holding, { tells: [tell] }))).toMatchObject({ outcome: "gone" })
        expect(yield* client.run(Fleet.defer(holding))).toBe("gone")
        expect(yield* client.run(Fleet.bury(holding))).toBe("gone")
        expect(yield* client.run(Fleet.cancel(id))).toBe("missing")
        expect(yield* client.run(JobStore.JobStore.use((store) => store.redrive(id)))).toBe("missing")
        expect(yield* picture(client)).toEqual(before)
        expect(yield* late.run(Fleet.promote)).toBe(0)
        expect(yield* client.send("EXISTS", holding.partition.timers)).toBe(0)
      })
    )
  }

  it.live("a job's hash says since when it is delayed, waiting, parked or ended", () =>
    Effect.gen(function* () {
      const { client, hand, holding, id } = yield* oneBegun
      const start = yield* Fleet.timeOf(client)
      /** The same fleet, so many minutes later. */
      const at = (minutes: number) => Fleet.joined(redis.url, { clockOffsetMillis: minutes * 60_000 })
      const since = Effect.map(Fleet.hashOf(client, id), (hash) => [
        hash.state,
        Math.floor((Number(hash.since) - start) / 60_000)
      ])
      yield* (yield* at(1)).run(Fleet.defer(holding, { delayMillis: 60_000 }))
      expect(yield* since).toEqual(["delayed", 1])
      yield* (yield* at(3)).run(Fleet.promote)
      expect(yield* since).toEqual(["waiting", 3])
      yield* (yield* at(5)).run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 1))
      expect(yield* since).toEqual(["parked", 5])
      yield* (yield* at(7)).run(Fleet.cancel(id))
      expect(yield* since).toEqual(["cancelled", 7])
      const { ended } = yield* client.run(Fleet.jobOf(id))
      expect(Math.floor((ended! - start) / 60_000)).toBe(7)
    })
  )

  it.live("a fence's time that is unreadable or in the future counts as zero waited or worked time", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const ahead = String(Math.round(yield* Fleet.timeOf(client)) + 600_000)
      for (const words of [{ since: "soon", wait: "long" }, { since: ahead }]) {
        const id = yield* client.run(Fleet.submit())
        const [holding] = yield* hand.read("weigh")
        const key = holding!.partition.job(id)
        const damage = Effect.gen(function* () {
          const fence = String(yield* client.send("HGET", key, "now"))
          yield* client.send("HSET", key, "now", fenceWith(fence, words))
        })
        yield* damage
        expect(yield* client.run(Fleet.begin(holding!))).toMatchObject({
          _tag: "Run",
          waitedMillis: 0,
          job: { wait: 0 }
        })
        if (words.since === ahead) continue
        yield* damage
        expect(yield* client.run(Fleet.commit(holding!))).toEqual({ outcome: "committed", workMillis: 0 })
      }
    })
  )

  it.live("a begin sent twice answers as the first time, and counts one attempt, one delivery, one started", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* oneBegun
      const before = yield* picture(client)
      const again = yield* client.run(Fleet.begin(holding))
      expect(again).toMatchObject({ _tag: "Run", job: { attempts: 1, tries: 1 } })
      expect(yield* picture(client)).toEqual(before)
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "weigh/started"])
    })
  )

  it.live(
    "a begin sent again answers as the first time while its entry's new holder has not begun, and is dropped afterwards",
    () =>
      Effect.gen(function* () {
        const { client, holding, id } = yield* oneBegun
        const [second] = yield* Fleet.inherit(client, "hand", "heir", "weigh")
        expect(yield* client.run(Fleet.begin(holding))).toMatchObject({
          _tag: "Run",
          waitedMillis: 0,
          job: { attempts: 1 }
        })
        expect(yield* client.run(Fleet.begin(second!, "run"))).toMatchObject({
          _tag: "Run",
          waitedMillis: 0,
          job: { attempts: 1, tries: 2 }
        })
        expect(yield* client.run(Fleet.begin(holding))).toEqual({ _tag: "Dropped", reason: "moved" })
        expect((yield* Fleet.hashOf(client, id)).by).toBe(second!.token)
      })
  )

  for (const [name, settle, answer] of [
    ["commit", (h: JobStore.Holding) => Fleet.commit(h, { tells: [tell] }), { outcome: "committed" }],
    ["defer", (h: JobStore.Holding) => Fleet.defer(h), "deferred"],
    ["defer without delay", (h: JobStore.Holding) => Fleet.defer(h, { delayMillis: 0 }), "deferred"],
    ["defer that gives the attempt back", (h: JobStore.Holding) => Fleet.defer(h, { giveBack: true }), "deferred"],
    ["bury", (h: JobStore.Holding) => Fleet.bury(h), "buried"]
  ] as const) {
    it.live(`a ${name} sent twice answers as the first time and changes nothing the second`, () =>
      Effect.gen(function* () {
        const { client, holding } = yield* oneBegun
        const settled = Effect.suspend((): Effect.Effect<unknown> => client.run<unknown, never>(settle(holding)))
        const first = yield* settled
        expect(first).toEqual(typeof answer === "string" ? answer : expect.objectContaining(answer))
        const before = yield* picture(client)
        expect(yield* settled).toEqual(typeof answer === "string" ? first : expect.objectContaining(answer))
        expect(yield* picture(client)).toEqual(before)
      })
    )
  }

  it.live("the last stage's commit sent twice answers ended twice, and writes one terminal event", () =>
    Effect.gen(function* () {
      const { client, hand, holding, id } = yield* oneBegun
      yield* client.run(Fleet.commit(holding))
      yield* client.run(Fleet.commit(yield* hand.take("label")))
      const last = yield* hand.take("ship")
      for (let i = 0; i < 2; i++) {
        expect(yield* client.run(Fleet.commit(last))).toMatchObject({ outcome: "ended" })
      }
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["done"])
    })
  )

  it.live("J1 a former holder's late failure changes nothing: only the present holder may defer or bury", () =>
    Effect.gen(function* () {
      const { client, holding, second } = yield* takenOver
      const before = yield* picture(client)
      expect(yield* client.run(Fleet.defer(holding))).toBe("lost")
      expect(yield* client.run(Fleet.bury(holding))).toBe("lost")
      expect(yield* picture(client)).toEqual(before)
      expect(yield* client.run(Fleet.defer(second))).toBe("deferred")
    })
  )

  it.live("a former holder's late success counts while the job still stands at that stage", () =>
    Effect.gen(function* () {
      const { client, heir, holding, second } = yield* takenOver
      expect((yield* client.run(Fleet.commit(holding))).outcome).toBe("committed")
      expect((yield* heir.run(Fleet.commit(second))).outcome).toBe("lost")
      expect(yield* heir.run(Fleet.defer(second))).toBe("lost")
      expect(yield* heir.run(Fleet.bury(second))).toBe("lost")
    })
  )

  it.live("a former holder's success after the present one deferred the stage is lost: the job stays delayed", () =>
    Effect.gen(function* () {
      const { client, holding, id, second } = yield* takenOver
      yield* client.run(Fleet.defer(second))
      expect((yield* client.run(Fleet.commit(holding))).outcome).toBe("lost")
      expect((yield* client.run(Fleet.jobOf(id))).state).toBe("delayed")
    })
  )

  it.live("a deferred stage comes back when its timer is due, not before, and once however many processes look", () =>
    Effect.gen(function* () {
      const { client, hand, holding, id } = yield* oneBegun
      yield* client.run(Fleet.defer(holding, { delayMillis: 30_000 }))
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
      yield* client.run(Fleet.promote)
      expect(yield* hand.read("weigh")).toEqual([])
      const after = yield* Fleet.joined(redis.url, { clockOffsetMillis: 31_000 })
      yield* Effect.all([after.run(Fleet.promote), after.run(Fleet.promote)], { concurrency: 2 })
      const back = yield* hand.read("weigh")
      expect(back.map((entry) => entry.id)).toEqual([id])
      expect((yield* client.run(Fleet.begin(back[0]!)))._tag).toBe("Run")
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ attempts: 2, tries: 2 })
    })
  )

  it.live("a stage deferred without a delay waits again at once, with its attempt given back", () =>
    Effect.gen(function* () {
      const { client, hand, holding, id } = yield* oneBegun
      yield* client.run(Fleet.defer(holding, { delayMillis: 0, giveBack: true, cause: "" }))
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", attempts: 0 })
      const back = yield* hand.take("weigh")
      expect(back.entry).not.toBe(holding.entry)
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ attempts: 1 })
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "weigh/started"])
    })
  )

  it.live("a retry writes one retrying event for each cause, with its next time in epoch seconds", () =>
    Effect.gen(function* () {
      const { client, hand, holding, id } = yield* oneBegun
      yield* client.run(Fleet.defer(holding, { delayMillis: 0, cause: "ScaleBroken" }))
      yield* client.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 0, cause: "ScaleBroken" }))
      yield* client.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 0, cause: "ScaleBusy" }))
      const retrying = (yield* client.run(Fleet.historyOf(id))).filter(({ status }) => status === "retrying")
      expect(retrying.map(({ result }) => result)).toEqual([
        { code: "ScaleBroken", attempt: 1, next_at: retrying[0]!.ts },
        { code: "ScaleBusy", attempt: 1, next_at: retrying[1]!.ts }
      ])
    })
  )

  it.live("a buried job has failed with its cause, and leaves one letter with cause, attempts and stage", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* oneBegun
      yield* client.run(Fleet.bury(holding))
      const job = yield* client.run(Fleet.jobOf(id))
      expect(job.state).toBe("failed")
      expect(job.error).toEqual({ code: "ScaleBroken", message: "the scale is broken", stage: "weigh", attempts: 1 })
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "weigh/started", "failed/failed"])
      expect(yield* Fleet.lettersOf(client, "parcel.weigh")).toMatchObject([
        { job: id, stage: "weigh", cause: "ScaleBroken", message: "the scale is broken", attempts: "1", run: "1" }
      ])
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
      expect(yield* client.run(EventLog.EventLog.use((log) => log.length(id)))).toBe(3)
    })
  )
})
