/** One terminal event a run, whatever crashes and whoever races (J1); a committed stage is never computed again (J2). */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Schedule } from "effect"
import { Retry } from "@eco2/core"
import type { JobStore } from "@eco2/core"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import { fenceWith } from "../../harness/JobHash.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const whole = [
  "queued/started",
  ...["weigh", "label", "ship"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
  "done/completed"
]
/** Commits of one tick leave together at its end: what is to race with one waits for that. */
const afterThisTick = <A>(effect: Effect.Effect<A>) =>
  Effect.andThen(
    Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
    Effect.asVoid(effect)
  )
/** Looks at the fleet an hour late: every lease is over, every timer due, but no deadline passed. */
const later = { clockOffsetMillis: 1_800_000 }

describe("the life of a job", () => {
  it.live("a job's wait is the time in mailboxes until each stage was begun, and begin answers the last", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const [holding] = yield* hand.read("weigh")
      const minuteLater = yield* Fleet.joined(redis.url, { clockOffsetMillis: 60_000 })
      const begun = yield* minuteLater.run(Fleet.begin(holding!))
      const waited = begun._tag === "Run" ? begun.waitedMillis : 0
      expect(Math.floor(waited / 20_000)).toBe(3)
      yield* minuteLater.run(Fleet.commit(holding!))
      const [next] = yield* hand.read("label")
      const thirdMinute = yield* Fleet.joined(redis.url, { clockOffsetMillis: 180_000 })
      yield* thirdMinute.run(Fleet.begin(next!))
      const { wait } = yield* client.run(Fleet.jobOf(id))
      expect(Math.floor(wait / 20_000)).toBe(9)
    })
  )

  it.live("J1 a submitted job runs its stages in order and ends with one terminal event", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const id = yield* worker.run(Fleet.submit())
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(Fleet.toldOf(id))).toEqual(whole)
      expect(Object.fromEntries(job.outputs)).toEqual({
        weigh: '{"grams":2000}',
        label: '{"text":"2000 g"}',
        ship: '{"tracking":"2000 g"}'
      })
      expect(job.progress).toBe(100)
      expect(yield* worker.run(Fleet.depthOf("parcel.ship"))).toBe(0)
    })
  )

  it.live("J1 a job whose submitter died at once, with no worker running yet, is completed by a later worker", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      yield* client.stop
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
    })
  )

  for (const point of ["after reading the entry", "after begin", "after committing the first stage"] as const) {
    it.live(`J1 J2 a process that dies ${point} loses no committed stage, and the job still ends`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const victim = yield* Fleet.byHand(client, "victim")
        const id = yield* client.run(Fleet.submit())
        if (point === "after reading the entry") yield* victim.read("weigh")
        else {
          const holding = yield* victim.take("weigh")
          if (point === "after committing the first stage") {
            yield* client.run(Fleet.commit(holding))
            yield* victim.take("label")
          }
        }
        let weighed = 0
        const worker = yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({ weigh: () => Effect.sync(() => ({ grams: 2000 + weighed++ })) })
        )
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        expect(weighed).toBe(point === "after committing the first stage" ? 0 : 1)
        expect(yield* worker.run(Fleet.toldOf(id))).toEqual(whole)
      })
    )
  }

  it.live("J1 cancel, commit, bury and deadline at once leave one terminal event, which agrees with the state", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 7_200_000 })
      const hand = yield* Fleet.byHand(client, "hand")
      const ends: Array<string> = []
      for (let round = 0; round < 12; round++) {
        const id = yield* client.run(Fleet.submit())
        for (const stage of ["weigh", "label"]) yield* client.run(Fleet.commit(yield* hand.take(stage)))
        const holding = yield* hand.take("ship")
        const contenders = [
          Effect.asVoid(client.run(Fleet.commit(holding))),
          afterThisTick(client.run(Fleet.bury(holding))),
          afterThisTick(client.run(Fleet.cancel(id))),
          afterThisTick(late.run(Fleet.promote))
        ]
        // each contender is first three times, through the same connection
        const order = [0, 1, 2, 3].map((i) => contenders[(i + round) % 4]!)
        yield* Effect.all(order, { concurrency: "unbounded" })
        const { state } = yield* client.run(Fleet.jobOf(id))
        expect(yield* client.run(Fleet.terminalsOf(id))).toEqual([state])
        expect(yield* client.run(Fleet.depthOf("parcel.ship"))).toBe(0)
        ends.push(state)
      }
      expect(new Set(ends)).toEqual(new Set(["done", "failed", "cancelled"]))
    })
  )

  it.live("J1 once a job has ended in any way, every later transition is refused and writes no event", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 7_200_000 })
      const hand = yield* Fleet.byHand(client, "hand")
      const enders = {
        done: (holding: JobStore.Holding) => Effect.asVoid(client.run(Fleet.commit(holding))),
        failed: (holding: JobStore.Holding) => Effect.asVoid(client.run(Fleet.bury(holding))),
        cancelled: (holding: JobStore.Holding) => Effect.asVoid(client.run(Fleet.cancel(holding.id)))
      }
      for (const [state, end] of Object.entries(enders)) {
        const id = yield* client.run(Fleet.submit())
        for (const stage of ["weigh", "label"]) yield* client.run(Fleet.commit(yield* hand.take(stage)))
        const holding = yield* hand.take("ship")
        yield* end(holding)
        const told = yield* client.run(Fleet.toldOf(id))
        const other = { ...holding, token: "somebody:else" }
        expect((yield* client.run(Fleet.commit(other))).outcome).toBe("lost")
        expect(yield* client.run(Fleet.bury(other))).toBe("lost")
        expect(yield* client.run(Fleet.defer(other))).toBe("lost")
        expect(yield* client.run(Fleet.begin(other))).toEqual({ _tag: "Dropped", reason: "over" })
        expect(yield* client.run(Fleet.cancel(id))).toBe(state === "cancelled" ? "already" : "finished")
        expect(yield* late.run(Fleet.promote)).toBe(0)
        expect(yield* client.run(Fleet.toldOf(id))).toEqual(told)
        expect((yield* client.run(Fleet.jobOf(id))).state).toBe(state)
      }
    })
  )

  it.live(
    "J2 a committed stage's handler never runs again after a retry, a reap and a redelivery of later stages",
    () =>
      Effect.gen(function* () {
        let weighed = 0
        let shipped = 0
        const worker = yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({
            weigh: (_, { attempt }) =>
              attempt === 1
                ? Effect.fail(new Fleet.ScaleBroken())
                : Effect.sync(() => ({ grams: 1000 * (2 + weighed++) })),
            retry: Retry.policy({ otherwise: Schedule.spaced(Duration.millis(5)) }),
            labelled: () => {
              shipped++
              if (shipped === 1) throw new Error("a defect: tried once more")
            }
          })
        )
        const id = yield* worker.run(Fleet.submit())
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        expect([weighed, shipped]).toEqual([1, 2])
        expect(yield* worker.run(Fleet.toldOf(id))).toEqual([
          "queued/started",
          "weigh/started",
          "weigh/retrying",
          "weigh/completed",
          "label/started",
          "label/retrying",
          ...whole.slice(4)
        ])
      })
  )

  it.live("J2 an entry delivered again after its stage was committed is dropped, and its handler does not run", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      yield* client.run(Fleet.commit(holding))
      const again = yield* client.run(Fleet.begin({ ...holding, token: "hand:again" }))
      expect(again).toEqual({ _tag: "Dropped", reason: "moved" })
    })
  )

  it.live("J2 an entry of a job that is over – a failover brought it back – is dropped, and leaves its mailbox", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const [holding] = yield* hand.read("weigh")
      expect(yield* client.run(Fleet.cancel(id))).toBe("cancelled")
      yield* client.send("XADD", holding!.partition.mailbox("parcel.weigh"), "*", "job", id, "ts", 1)
      const [again] = yield* hand.read("weigh")
      expect(yield* client.run(Fleet.begin(again!))).toEqual({ _tag: "Dropped", reason: "over" })
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
    })
  )

  it.live("J1 an entry read from the wrong stage's mailbox is moved to the mailbox of the job's stage", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const [holding] = yield* hand.read("weigh")
      // a process kept the job for its next stage, and died: the hash is ahead of the mailbox
      const key = holding!.partition.job(id)
      const ahead = fenceWith(String(yield* client.send("HGET", key, "now")), { at: "label" })
      yield* client.send("HSET", key, "now", ahead, "o:weigh", '5 {"grams":2000}')
      expect(yield* client.run(Fleet.begin(holding!))).toEqual({ _tag: "Dropped", reason: "rehomed" })
      const next = yield* hand.take("label")
      expect(next.id).toBe(id)
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
    })
  )

  it.live(
    "J1 a reaped job resumes at its stage, its delivery counted; its first holder's late success counts once",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const heir = yield* Fleet.joined(redis.url, later)
        const slow = yield* Fleet.byHand(client, "slow")
        const id = yield* client.run(Fleet.submit())
        const first = yield* slow.take("weigh")
        expect(yield* heir.run(Lease.Lease.use((lease) => lease.condemn(["slow"], Fleet.ever)))).toEqual(["slow"])
        const [second] = yield* Fleet.inherit(heir, "slow", "heir", "weigh")
        expect((yield* heir.run(Fleet.begin(second!, "run")))._tag).toBe("Run")
        expect(second!.entry).toBe(first.entry)
        expect(yield* client.run(Fleet.commit(first))).toMatchObject({ outcome: "committed" })
        expect((yield* heir.run(Fleet.commit(second!, { output: '{"grams":1}' }))).outcome).toBe("lost")
        const job = yield* client.run(Fleet.jobOf(id))
        expect(job.outputs.get("weigh")).toBe('{"grams":2000}')
        expect(yield* client.run(Fleet.toldOf(id))).toEqual(whole.slice(0, 3))
      })
  )
})
