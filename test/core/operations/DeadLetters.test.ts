/**
 * What was given up: a cause that may heal parks its job for a few rounds, one that cannot fails it, and either leaves a
 * letter. An operator may give a failed job another run; one terminal event a run (J1), checkpoints kept (J2).
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Schedule, Schema } from "effect"
import { Actor, Behavior, JobStore, Mailbox, Retry } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import { DeadLetters } from "@eco2/core/operations"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
type Client = Fleet.Process<Fleet.Services>
const fiveMinutes = { clockOffsetMillis: 301_000 }
const image = new Uint8Array(Buffer.from("a picture"))

const letters = <A, E>(
  client: Client,
  use: (service: DeadLetters.DeadLetters["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  client.run(Effect.flatMap(DeadLetters.DeadLetters, use).pipe(Effect.provide(DeadLetters.layer)))
const listed = (client: Client, stage: string, cause?: string) =>
  letters(client, (service) =>
    service.list(`parcel.${stage}`, { limit: 100, ...(cause === undefined ? {} : { cause }) })
  )
const redrive = (id: Job.JobId) => JobStore.JobStore.use((store) => Effect.orDie(store.redrive(id)))
const retryingOf = (id: Job.JobId) =>
  Effect.map(Fleet.historyOf(id), (events) => events.filter(({ status }) => status === "retrying"))
const ttlOf = Effect.fnUntraced(function* (client: Client, id: Job.JobId) {
  const partition = (yield* client.run(Keyspace)).of(id)
  const keys = [partition.job(id), partition.jobEvents(id), partition.jobImage(id)]
  return yield* Effect.forEach(keys, (key) => Effect.map(client.send("PTTL", key), Number))
})
const about = (millis: number) => expect.toSatisfy((seen: number) => seen > millis - 10_000 && seen <= millis)
const week = 7 * 24 * 3_600_000

const oneBegun = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const hand = yield* Fleet.byHand(client, "hand")
  const id = yield* client.run(Fleet.submit({ image }))
  const holding = yield* hand.take("weigh")
  return { client, hand, id, holding }
})
const oneParked = Effect.gen(function* () {
  const begun = yield* oneBegun
  expect(yield* begun.client.run(Fleet.bury(begun.holding, "ScaleBroken", 3))).toBe("parked")
  return begun
})
/** Failed at label, weigh being committed. */
const oneFailed = Effect.gen(function* () {
  const begun = yield* oneBegun
  yield* begun.client.run(Fleet.commit(begun.holding))
  yield* begun.client.run(Fleet.bury(yield* begun.hand.take("label")))
  return begun
})
const finish = Effect.fnUntraced(function* (
  client: Client,
  hand: Effect.Success<ReturnType<typeof Fleet.byHand>>,
  stages: ReadonlyArray<string>
) {
  for (const stage of stages) yield* client.run(Fleet.commit(yield* hand.take(stage)))
})

describe("a parked job", () => {
  it.live("a parked job has one retrying event with its next time, one letter, no terminal event and no expiry", () =>
    Effect.gen(function* () {
      const { client, id } = yield* oneParked
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "parked", at: "weigh", attempts: 0, run: 1 })
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "weigh/started", "weigh/retrying"])
      const [told] = yield* client.run(retryingOf(id))
      const { code, next_at } = Schema.decodeUnknownSync(
        Schema.Struct({ code: Schema.String, next_at: Schema.Finite })
      )(told!.result)
      expect(code).toBe("ScaleBroken")
      expect(next_at - told!.ts).toBeCloseTo(300, 3)
      expect(yield* listed(client, "weigh")).toMatchObject([
        { jobId: id, mailbox: "parcel.weigh", cause: "ScaleBroken", message: "the scale is broken", attempts: 1 }
      ])
      expect(yield* ttlOf(client, id)).toEqual([-1, -1, -1])
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
    })
  )

  it.live("a job that is parked three times has one retrying event for its cause before it fails", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, { attempt }) => {
            attempts.push(attempt)
            return Effect.fail(new Fleet.ScaleBroken())
          },
          retry: Retry.policy({ otherwise: Schedule.spaced(Duration.millis(2)).pipe(Schedule.upTo({ times: 1 })) })
        }),
        { redriveInterval: Duration.millis(20) }
      )
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      // the first, and three more rounds of two attempts each
      expect(attempts).toEqual([1, 2, 1, 2, 1, 2, 1, 2])
      expect(yield* worker.run(Fleet.toldOf(id))).toEqual([
        "queued/started",
        "weigh/started",
        "weigh/retrying",
        "failed/failed"
      ])
      expect(yield* listed(worker, "weigh")).toMatchObject([{ jobId: id, cause: "ScaleBroken", attempts: 2 }])
    })
  )

  it.live("an untyped defect parks a job for one round only, and an error that is never retried for none", () =>
    Effect.gen(function* () {
      let defects = 0
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, { owner }) => {
            if (owner === "never") return Effect.fail(new Fleet.ScaleBroken())
            defects++
            throw new Error("a bug")
          },
          retry: Retry.policy<Fleet.ScaleBroken>({ never: ["ScaleBroken"] })
        }),
        { redriveInterval: Duration.millis(20) }
      )
      const never = yield* worker.run(Fleet.submit({ owner: "never" }))
      const bug = yield* worker.run(Fleet.submit({ owner: "bug" }))
      for (const id of [never, bug]) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(defects).toBe(4)
      expect(yield* worker.run(Fleet.toldOf(never))).toEqual(["queued/started", "weigh/started", "failed/failed"])
      expect((yield* worker.run(Fleet.jobOf(bug))).error).toMatchObject({ code: "Defect", message: "a bug" })
    })
  )

  it.live("a parked job comes back when REDRIVE_INTERVAL has passed, not before, its attempts counted anew", () =>
    Effect.gen(function* () {
      const { client, hand, id } = yield* oneParked
      const before = yield* Fleet.joined(redis.url, { clockOffsetMillis: 299_000 })
      const after = yield* Fleet.joined(redis.url, fiveMinutes)
      yield* before.run(Fleet.promote)
      expect(yield* hand.read("weigh")).toEqual([])
      yield* Effect.all([after.run(Fleet.promote), after.run(Fleet.promote)], { concurrency: 2 })
      yield* hand.take("weigh")
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "running", attempts: 1, tries: 2, run: 1 })
      expect(yield* hand.read("weigh")).toEqual([])
      expect((yield* client.run(Fleet.toldOf(id))).at(-1)).toBe("weigh/retrying")
    })
  )

  it.live("J1 a parked job past its deadline leaves a second letter if an operator discarded its first", () =>
    Effect.gen(function* () {
      const { client, id } = yield* oneParked
      const [letter] = yield* listed(client, "weigh")
      yield* letters(client, (service) => service.discard(letter!))
      const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 3_601_000 })
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect(yield* listed(client, "weigh")).toMatchObject([{ jobId: id, cause: "DEADLINE_EXCEEDED" }])
      expect((yield* client.run(Fleet.jobOf(id))).error).toMatchObject({ code: "DEADLINE_EXCEEDED" })
    })
  )

  it.live(
    "J1 a job is parked three times a run, over all of its stages, then fails with one letter and one terminal event",
    () =>
      Effect.gen(function* () {
        const { client, hand, id } = yield* oneParked
        let after = 0
        const round = Effect.fnUntraced(function* (stage: string) {
          after += 301_000
          const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: after })
          yield* late.run(Fleet.promote)
          const holding = yield* hand.take(stage)
          return { late, holding }
        })
        const second = yield* round("weigh")
        yield* second.late.run(Fleet.commit(second.holding))
        const label = yield* hand.take("label")
        expect(yield* second.late.run(Fleet.bury(label, "NoPaper", 3))).toBe("parked")
        expect(yield* listed(client, "weigh")).toEqual([])
        const third = yield* round("label")
        expect(yield* third.late.run(Fleet.bury(third.holding, "NoPaper", 3))).toBe("parked")
        const last = yield* round("label")
        expect(yield* last.late.run(Fleet.bury(last.holding, "NoPaper", 3))).toBe("buried")
        expect(yield* listed(client, "label")).toMatchObject([{ jobId: id, cause: "NoPaper" }])
        expect((yield* client.run(retryingOf(id))).map(({ stage }) => stage)).toEqual(["weigh", "label"])
        expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed"])
      })
  )

  it.live("a park sent twice answers as the first time, and changes nothing the second", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* oneParked
      const before = [
        yield* Fleet.hashOf(client, id),
        yield* client.run(Fleet.toldOf(id)),
        yield* listed(client, "weigh")
      ]
      expect(yield* client.run(Fleet.bury(holding, "ScaleBroken", 3))).toBe("parked")
      expect([
        yield* Fleet.hashOf(client, id),
        yield* client.run(Fleet.toldOf(id)),
        yield* listed(client, "weigh")
      ]).toEqual(before)
    })
  )

  it.live("J1 a parked job past its deadline fails and keeps its letter, which keeps the job", () =>
    Effect.gen(function* () {
      const { client, id } = yield* oneParked
      const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 3_601_000 })
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect((yield* client.run(Fleet.jobOf(id))).error).toMatchObject({ code: "DEADLINE_EXCEEDED", stage: "weigh" })
      expect(yield* listed(client, "weigh")).toMatchObject([{ jobId: id, cause: "ScaleBroken" }])
      expect(yield* ttlOf(client, id)).toEqual([about(week), about(week), about(3_600_000)])
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed"])
    })
  )

  it.live("a job whose next round would come after its deadline is not parked but fails at once", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { jobDeadline: Duration.minutes(4) })
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      expect(yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 3))).toBe("buried")
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed"])
    })
  )

  it.live("a parked job that succeeds in its next round has no letter and no error any more", () =>
    Effect.gen(function* () {
      const { client, hand, id } = yield* oneParked
      const after = yield* Fleet.joined(redis.url, fiveMinutes)
      yield* after.run(Fleet.promote)
      yield* finish(client, hand, ["weigh", "label", "ship"])
      const job = yield* client.run(Fleet.jobOf(id))
      expect(job.state).toBe("done")
      expect(job.error).toBeUndefined()
      expect(yield* listed(client, "weigh")).toEqual([])
      expect((yield* ttlOf(client, id))[0]).toEqual(about(3_600_000))
    })
  )

  it.live("J7 a parked job that is cancelled loses its letter and does not come back", () =>
    Effect.gen(function* () {
      const { client, hand, id } = yield* oneParked
      const after = yield* Fleet.joined(redis.url, fiveMinutes)
      expect(yield* client.run(Fleet.cancel(id))).toBe("cancelled")
      expect(yield* listed(client, "weigh")).toEqual([])
      yield* after.run(Fleet.promote)
      expect(yield* hand.read("weigh")).toEqual([])
      expect((yield* client.run(Fleet.jobOf(id))).error).toEqual({ code: "CANCELLED" })
      expect((yield* ttlOf(client, id))[0]).toEqual(about(3_600_000))
    })
  )
})

describe("JobStore.redrive", () => {
  it.live(
    "J1 J2 J4 a failed job that is redriven opens a run: queued, seq goes on, the failed stage resumes, one more end",
    () =>
      Effect.gen(function* () {
        const { client, hand, id } = yield* oneFailed
        const before = yield* client.run(Fleet.jobOf(id))
        expect((yield* ttlOf(client, id)).slice(0, 2)).toEqual([about(week), about(week)])
        const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 7_200_000 })
        expect(yield* late.run(redrive(id))).toBe("redriven")
        const job = yield* client.run(Fleet.jobOf(id))
        expect(job).toMatchObject({ state: "waiting", at: "label", run: 2, attempts: 0, progress: 30 })
        expect(job.error).toBeUndefined()
        expect(job.ended).toBeUndefined()
        expect(job.outputs.get("weigh")).toBe('{"grams":2000}')
        expect(job.deadline - before.deadline).toBeGreaterThanOrEqual(7_200_000)
        expect((yield* ttlOf(client, id)).slice(0, 2)).toEqual([-1, -1])
        expect(yield* listed(client, "label")).toEqual([])
        // the new deadline counts, not the old
        expect(yield* late.run(Fleet.promote)).toBe(0)
        yield* finish(late, hand, ["label", "ship"])
        expect(
          (yield* client.run(Fleet.historyOf(id))).map(({ seq, stage, status }) => `${seq} ${stage}/${status}`)
        ).toEqual([
          "1 queued/started",
          "2 weigh/started",
          "3 weigh/completed",
          "4 label/started",
          "5 failed/failed",
          "6 queued/started",
          "7 label/started",
          "8 label/completed",
          "9 ship/started",
          "10 ship/completed",
          "11 done/completed"
        ])
        expect((yield* client.run(Fleet.historyOf(id, 5)))[0]).toMatchObject({ stage: "queued", progress: 30 })
        expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed", "done"])
      })
  )

  it.live("a redrive of a failed job keeps its image where it is still there", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* oneBegun
      yield* client.run(Fleet.bury(holding))
      expect((yield* ttlOf(client, id))[2]).toEqual(about(3_600_000))
      yield* client.run(redrive(id))
      expect(yield* ttlOf(client, id)).toEqual([-1, -1, -1])
    })
  )

  it.live("a redrive brings back a job that failed at its deadline, from the mailbox or the lane", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const late = yield* Fleet.joined(redis.url, { userConcurrency: 1, clockOffsetMillis: 7_200_000 })
      const hand = yield* Fleet.byHand(client, "hand")
      const [first, second] = [yield* client.run(Fleet.submit()), yield* client.run(Fleet.submit())]
      expect(yield* late.run(Fleet.promote)).toBe(2)
      for (const id of [second, first]) {
        expect(yield* late.run(redrive(id))).toBe("redriven")
        // nobody had begun it: its first `queued` was told by its failure, and is not told again
        expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "failed/failed", "queued/started"])
        expect((yield* hand.take("weigh")).id).toBe(id)
      }
    })
  )

  it.live("J1 a failed job redriven by many at once opens one run, with rounds and a deadline of its own", () =>
    Effect.gen(function* () {
      const { client, hand, id } = yield* oneParked
      const after = yield* Fleet.joined(redis.url, fiveMinutes)
      yield* after.run(Fleet.promote)
      expect(yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 1))).toBe("buried")
      const answers = yield* Effect.forEach([1, 2, 3, 4], () => after.run(redrive(id)), { concurrency: "unbounded" })
      expect(answers.toSorted()).toEqual(["open", "open", "open", "redriven"])
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
      // a run's own rounds
      expect(yield* client.run(Fleet.bury(yield* hand.take("weigh"), "NoPaper", 1))).toBe("parked")
      expect(yield* client.run(redrive(id))).toBe("redriven")
      // and its own deadline
      const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 3_602_000 })
      expect(yield* late.run(Fleet.promote)).toBe(1)
      yield* client.run(redrive(id))
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed", "failed", "failed"])
      expect((yield* client.run(Fleet.jobOf(id))).run).toBe(3)
    })
  )

  it.live(
    "a parked job that is redriven starts its round at once: no new run, no event, no letter, no second start by its timer",
    () =>
      Effect.gen(function* () {
        const { client, hand, id } = yield* oneParked
        const told = yield* client.run(Fleet.toldOf(id))
        expect(yield* client.run(redrive(id))).toBe("redriven")
        expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", run: 1, attempts: 0 })
        expect(yield* client.run(Fleet.toldOf(id))).toEqual(told)
        expect(yield* listed(client, "weigh")).toEqual([])
        const after = yield* Fleet.joined(redis.url, fiveMinutes)
        yield* after.run(Fleet.promote)
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
        yield* finish(client, hand, ["weigh", "label", "ship"])
        expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["done"])
      })
  )

  it.live("a redrive of an open, done or cancelled job changes nothing, and an unknown job stays unknown", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const inLane = yield* client.run(Fleet.submit())
      const unchanged = Effect.fnUntraced(function* (one: Job.JobId, state: string) {
        const before = [
          yield* Fleet.hashOf(client, one),
          yield* client.run(Fleet.toldOf(one)),
          yield* ttlOf(client, one)
        ]
        expect((before[0] as { state: string }).state).toBe(state)
        expect(yield* client.run(redrive(one))).toBe("open")
        const after = [
          yield* Fleet.hashOf(client, one),
          yield* client.run(Fleet.toldOf(one)),
          yield* ttlOf(client, one)
        ]
        expect(after.slice(0, 2)).toEqual(before.slice(0, 2))
        expect((after[2] as Array<number>).map((ttl) => ttl < 0)).toEqual(
          (before[2] as Array<number>).map((ttl) => ttl < 0)
        )
      })
      yield* unchanged(inLane, "lane")
      yield* unchanged(id, "waiting")
      const holding = yield* hand.take("weigh")
      yield* unchanged(id, "running")
      yield* client.run(Fleet.defer(holding))
      yield* unchanged(id, "delayed")
      yield* client.run(Fleet.cancel(id))
      yield* unchanged(id, "cancelled")
      yield* finish(client, hand, ["weigh", "label", "ship"])
      yield* unchanged(inLane, "done")
      yield* redis.flush
      expect(yield* client.run(redrive(id))).toBe("missing")
      expect((yield* Fleet.keysOf(client)).filter((key) => key.includes(id))).toEqual([])
    })
  )
})

describe("DeadLetters", () => {
  it.live("the list of one cause's letters finds them behind many newer ones, and is never longer than asked for", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const keyspace = yield* client.run(Keyspace)
      const write = (partition: number, cause: string, last: number) =>
        client.send("XADD", keyspace.partitions[partition]!.dead("parcel.weigh"), "*", "cause", cause, "last", last)
      yield* write(0, "NoPaper", 1)
      yield* write(0, "NoPaper", 2)
      for (let i = 0; i < 450; i++) yield* write(0, "ScaleBroken", 3)
      for (const partition of [1, 2, 3]) yield* write(partition, "ScaleBroken", 10 + partition)
      const list = (limit: number, cause?: string) =>
        letters(client, (service) =>
          Effect.map(service.list("parcel.weigh", { limit, ...(cause === undefined ? {} : { cause }) }), (found) =>
            found.map(({ last }) => last)
          )
        )
      expect(yield* list(2, "NoPaper")).toEqual([2, 1])
      expect(yield* list(1, "NoPaper")).toEqual([2])
      expect(yield* list(2)).toEqual([13, 12])
      expect(yield* list(4, "ScaleBroken")).toEqual([13, 12, 11, 3])
      expect((yield* list(1_000, "ScaleBroken")).length).toBe(453)
      expect((yield* list(1_000)).length).toBe(455)
      expect(yield* list(10, "Unheard")).toEqual([])
    })
  )

  it.live("letters are listed newest first, by mailbox or cause, or shown by id; an unknown id is LetterUnknown", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const ids: Array<string> = []
      for (const [owner, cause] of [
        ["ann", "ScaleBroken"],
        ["bob", "NoPaper"],
        ["cid", "ScaleBroken"]
      ] as const) {
        const later = yield* Fleet.joined(redis.url, { clockOffsetMillis: 1_000 * ids.length })
        ids.unshift(yield* client.run(Fleet.submit({ owner })))
        yield* later.run(Fleet.bury(yield* hand.take("weigh"), cause))
      }
      const all = yield* listed(client, "weigh")
      expect(all.map(({ jobId }) => jobId)).toEqual(ids)
      expect((yield* listed(client, "weigh", "ScaleBroken")).map(({ jobId }) => jobId)).toEqual([ids[0], ids[2]])
      expect(yield* listed(client, "label")).toEqual([])
      const [newest] = all
      expect(yield* letters(client, (service) => service.show("parcel.weigh", newest!.id))).toEqual(newest)
      expect(newest!.fields.get("stage")).toBe("weigh")
      expect(newest!.first).toBeLessThanOrEqual(newest!.last)
      for (const id of ["0/1-1", "9/1-1", "", "0", "0/x", "x/1-1", `${newest!.id}/x`]) {
        const exit = yield* Effect.exit(letters(client, (service) => service.show("parcel.weigh", id)))
        expect(exit, id).toEqual(Exit.fail(new DeadLetters.LetterUnknown({ id })))
      }
    })
  )

  it.live(
    "a letter of a failed job is redriven and gone; a letter of an open job stays, and its redrive answers open",
    () =>
      Effect.gen(function* () {
        const { client, hand, id } = yield* oneParked
        const after = yield* Fleet.joined(redis.url, fiveMinutes)
        yield* after.run(Fleet.promote)
        const holding = yield* hand.take("weigh")
        const [letter] = yield* listed(client, "weigh")
        expect(yield* letters(client, (service) => service.redrive(letter!))).toBe("open")
        expect(yield* listed(client, "weigh")).toEqual([letter])
        yield* client.run(Fleet.bury(holding))
        const [last] = yield* listed(client, "weigh")
        expect(last!.id).not.toBe(letter!.id)
        expect(yield* letters(client, (service) => service.redrive(last!))).toBe("redriven")
        expect(yield* listed(client, "weigh")).toEqual([])
        expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", run: 2 })
      })
  )

  it.live("a letter whose job is gone is removed by a redrive", () =>
    Effect.gen(function* () {
      const { client, holding } = yield* oneBegun
      yield* client.send("DEL", holding.partition.job(holding.id), holding.partition.jobEvents(holding.id))
      expect(yield* client.run(Fleet.begin({ ...holding, token: "hand:again" }))).toMatchObject({ _tag: "Dropped" })
      const [letter] = yield* listed(client, "weigh")
      expect(letter).toMatchObject({ cause: "JobGone", jobId: holding.id })
      expect(yield* letters(client, (service) => service.redrive(letter!))).toBe("missing")
      expect(yield* listed(client, "weigh")).toEqual([])
    })
  )

  it.live("a discarded letter is gone; its job stays as it is, and can still be redriven", () =>
    Effect.gen(function* () {
      const { client, id } = yield* oneFailed
      const [letter] = yield* listed(client, "label")
      const before = yield* Fleet.hashOf(client, id)
      yield* letters(client, (service) => service.discard(letter!))
      expect(yield* listed(client, "label")).toEqual([])
      expect(yield* Fleet.hashOf(client, id)).toEqual(before)
      expect((yield* ttlOf(client, id))[0]).toEqual(about(week))
      expect(yield* client.run(redrive(id))).toBe("redriven")
    })
  )

  it.live(
    "A1 a dead message that is redriven goes back into its mailbox with attempts at zero, and only then loses its letter",
    () =>
      Effect.gen(function* () {
        const Receipts = Actor.make("receipts", {
          Print: Actor.tell({ payload: Schema.Struct({ grams: Schema.Finite }) })
        })
        let heals = false
        const printed: Array<number> = []
        const worker = yield* Fleet.working(
          redis.url,
          Layer.mergeAll(
            Behavior.layer(
              Receipts,
              Effect.succeed({
                Print: ({ grams }) =>
                  heals ? Effect.sync(() => void printed.push(grams)) : Effect.fail(new Fleet.ScaleBroken())
              }),
              { retry: Retry.policy({ never: ["ScaleBroken"] }) }
            )
          )
        )
        const list = letters(worker, (service) => service.list("receipts", { limit: 10 }))
        yield* worker.run(
          Effect.flatMap(Receipts.message("Print", { grams: 3 }), (message) =>
            Mailbox.Mailbox.use((mailbox) => mailbox.append("ann", message))
          )
        )
        const [letter] = yield* Fleet.until(list, (all) => all.length > 0)
        expect(letter).toMatchObject({ jobId: null, cause: "ScaleBroken", attempts: 1 })
        heals = true
        expect(yield* letters(worker, (service) => service.redrive(letter!))).toBe("redriven")
        yield* Fleet.until(
          Effect.sync(() => printed),
          (all) => all.length > 0
        )
        expect(printed).toEqual([3])
        expect(yield* list).toEqual([])
        yield* Fleet.until(worker.run(Fleet.depthOf("receipts")), (depth) => depth === 0)
      })
  )
})
