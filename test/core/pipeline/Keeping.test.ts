/**
 * A process with a free slot keeps a job for its next stage: one call commits and begins, the entry stays where it was
 * taken. Nothing else changes: every end, death and race of a kept job leads where that of any other does.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Schema } from "effect"
import { Pipeline, Stage, StageBehavior } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const mailboxes = Fleet.ParcelPipeline.plan.map(({ mailbox }) => mailbox)

/** Entries and entries in work, of each stage's mailbox. */
const standing = (process: Fleet.Process<Fleet.Services>) =>
  Effect.forEach(mailboxes, (mailbox) =>
    Effect.all([
      process.run(Fleet.depthOf(mailbox)),
      Effect.map(Fleet.consumersOf(process, mailbox), (held) => Object.values(held).reduce((sum, n) => sum + n, 0))
    ])
  )
const nowhere = [
  [0, 0],
  [0, 0],
  [0, 0]
]

/** "hand" has committed weigh and kept the job for label. */
const oneKept = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const hand = yield* Fleet.byHand(client, "hand")
  const id = yield* client.run(Fleet.submit())
  const holding = yield* hand.take("weigh")
  const { again, kept, outcome } = yield* client.run(Fleet.keep(holding))
  expect(outcome).toBe("kept")
  return { client, hand, id, holding, kept, again }
})
/** The dead process's entries, by their heir: what becomes of each. */
const inherited = Effect.fnUntraced(function* (client: Fleet.Process<Fleet.Services>, dead: string, stage: string) {
  yield* client.send("ZREM", "eco2:{fleet}:alive", dead)
  yield* client.run(Lease.Lease.use((lease) => Effect.orDie(lease.condemn([dead], Fleet.ever))))
  const holdings = yield* Fleet.inherit(client, dead, "heir", stage)
  return yield* Effect.forEach(holdings, (holding) => client.run(Fleet.begin(holding, "run")))
})
const entriesEver = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>, mailbox: string) {
  const { partitions } = yield* process.run(Keyspace)
  let sum = 0
  for (const partition of partitions) {
    const reply = yield* process.send("XINFO", "STREAM", partition.mailbox(mailbox))
    const flat = Schema.decodeUnknownSync(Schema.Array(Schema.Unknown))(reply)
    sum += Number(flat[flat.indexOf("entries-added") + 1])
  }
  return sum
})

describe("a kept job", () => {
  it.live("J3 J4 a commit that keeps its job writes completed and started together, seq without a hole", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* oneKept
      const [, last] = Schema.decodeUnknownSync(
        Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
      )(yield* client.send("XREVRANGE", holding.partition.events, "+", "-", "COUNT", 1))[0]!
      expect(last[1]?.split("\n")[0]).toBe(`${id} 3`)
      expect(last.join("\n").match(/"stage":"\w+","status":"\w+"/g)).toEqual([
        '"stage":"weigh","status":"completed"',
        '"stage":"label","status":"started"'
      ])
      expect(yield* client.send("XLEN", holding.partition.events)).toBe(2)
      const history = yield* client.run(Fleet.historyOf(id))
      expect(history.map(({ progress, seq, stage, status }) => `${seq} ${stage}/${status} ${progress}`)).toEqual([
        "1 queued/started 0",
        "2 weigh/started 0",
        "3 weigh/completed 30",
        "4 label/started 30"
      ])
    })
  )

  it.live("J3 a kept job's entry stays in its first mailbox; its hash names the new stage, holder and checkpoint", () =>
    Effect.gen(function* () {
      const { client, holding, id, kept } = yield* oneKept
      expect(yield* standing(client)).toEqual([
        [1, 1],
        [0, 0],
        [0, 0]
      ])
      expect(yield* Fleet.hashOf(client, id)).toMatchObject({
        at: "label",
        state: "running",
        cur: `parcel.weigh:${holding.entry}`,
        by: kept.token,
        "o:weigh": '{"grams":2000}',
        attempts: "1",
        tries: "2"
      })
    })
  )

  it.live("J3 a kept job keeps its first entry up to the last stage, whose commit removes it", () =>
    Effect.gen(function* () {
      const { client, id, kept } = yield* oneKept
      const second = yield* client.run(Fleet.keep(kept))
      expect(second.outcome).toBe("kept")
      expect((yield* client.run(Fleet.commit(second.kept))).outcome).toBe("ended")
      expect(yield* standing(client)).toEqual(nowhere)
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "done", progress: 100, tries: 3 })
      expect(yield* client.run(Fleet.toldOf(id))).toEqual([
        "queued/started",
        ...["weigh", "label", "ship"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
        "done/completed"
      ])
    })
  )

  it.live("J4 a job begun ten times or more is handed off, not kept: its history may lack room for two events", () =>
    Effect.gen(function* () {
      for (const [tries, outcome] of [
        [9, "kept"],
        [10, "committed"]
      ] as const) {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        const id = yield* client.run(Fleet.submit())
        let holding = yield* hand.take("weigh")
        for (let i = 1; i < tries; i++) {
          yield* client.run(Fleet.defer(holding, { delayMillis: 0 }))
          holding = yield* hand.take("weigh")
        }
        expect((yield* client.run(Fleet.jobOf(id))).tries).toBe(tries)
        expect((yield* client.run(Fleet.keep(holding))).outcome).toBe(outcome)
      }
    })
  )

  it.live("J2 only the present holder keeps a job: a former holder's success counts, and the job is handed off", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const slow = yield* Fleet.byHand(client, "slow")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* slow.take("weigh")
      const [second] = yield* Fleet.inherit(client, "slow", "heir", "weigh")
      yield* client.run(Fleet.begin(second!))
      expect((yield* client.run(Fleet.keep(holding))).outcome).toBe("committed")
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", at: "label", attempts: 0 })
      expect((yield* client.run(Fleet.keep(second!))).outcome).toBe("lost")
      expect(yield* standing(client)).toEqual([
        [0, 0],
        [1, 0],
        [0, 0]
      ])
    })
  )

  it.live("a repeated commit that kept its job answers kept again, and committed once another process holds it", () =>
    Effect.gen(function* () {
      const { again, client, hand, id } = yield* oneKept
      const before = [yield* Fleet.hashOf(client, id), yield* client.run(Fleet.toldOf(id)), yield* standing(client)]
      expect((yield* client.run(again)).outcome).toBe("kept")
      expect([yield* Fleet.hashOf(client, id), yield* client.run(Fleet.toldOf(id)), yield* standing(client)]).toEqual(
        before
      )
      expect(yield* inherited(client, "hand", "weigh")).toEqual([{ _tag: "Dropped", reason: "rehomed" }])
      expect((yield* client.run(again)).outcome).toBe("committed")
      yield* hand.take("label")
      const held = yield* Fleet.hashOf(client, id)
      expect((yield* client.run(again)).outcome).toBe("committed")
      expect(yield* Fleet.hashOf(client, id)).toEqual(held)
    })
  )

  it.live("J1 J2 a kept job whose process died resumes at its stage, and the committed stage does not run again", () =>
    Effect.gen(function* () {
      const { client, id } = yield* oneKept
      yield* client.send("ZREM", "eco2:{fleet}:alive", "hand")
      let weighed = 0
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({ weigh: () => Effect.sync(() => ({ grams: weighed++ })) })
      )
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(weighed).toBe(0)
      expect((yield* client.run(Fleet.toldOf(id))).filter((told) => told === "label/started").length).toBe(1)
      expect(yield* standing(client)).toEqual(nowhere)
    })
  )

  it.live("A2 a kept job whose process died goes to its stage's mailbox, and the crash is counted", () =>
    Effect.gen(function* () {
      const { client, hand, id, kept } = yield* oneKept
      expect(yield* inherited(client, "hand", "weigh")).toEqual([{ _tag: "Dropped", reason: "rehomed" }])
      expect(yield* Fleet.hashOf(client, id)).toMatchObject({ at: "label", by: "", deliveries: "1", state: "waiting" })
      expect(yield* standing(client)).toEqual([
        [0, 0],
        [1, 0],
        [0, 0]
      ])
      // its old holder is too late for anything
      expect((yield* client.run(Fleet.commit(kept))).outcome).toBe("lost")
      expect(yield* client.run(Fleet.bury(kept))).toBe("lost")
      const [label] = yield* hand.read("label")
      expect(yield* client.run(Fleet.begin(label!))).toEqual({ _tag: "Suspect", record: 1, fresh: false })
    })
  )

  it.live(
    "J4 a kept job whose process died – it begins anew in its stage's mailbox – keeps its events, to the millisecond",
    () =>
      Effect.gen(function* () {
        const { client, hand, id } = yield* oneKept
        const before = yield* client.run(Fleet.historyOf(id))
        expect(before.map(({ stage }) => stage)).toEqual(["queued", "weigh", "weigh", "label"])
        expect(yield* inherited(client, "hand", "weigh")).toEqual([{ _tag: "Dropped", reason: "rehomed" }])
        expect(yield* client.run(Fleet.historyOf(id))).toEqual(before)
        const [label] = yield* hand.read("label")
        expect(yield* client.run(Fleet.begin(label!, "run"))).toMatchObject({ _tag: "Run" })
        expect(yield* client.run(Fleet.historyOf(id))).toEqual(before)
      })
  )

  for (const about of ["?", '{"pipeline":7}', "{}"]) {
    it.live(`J1 a kept job whose process died, and whose about field reads ${about}, is sent to no other mailbox`, () =>
      Effect.gen(function* () {
        const { client, holding, id } = yield* oneKept
        yield* client.send("HSET", holding.partition.job(id), "about", about)
        expect(yield* inherited(client, "hand", "weigh")).toMatchObject([{ _tag: "Unreadable" }])
        expect((yield* Fleet.keysOf(client)).filter((key) => /mailbox:(?!parcel)/.test(key))).toEqual([])
      })
    )
  }

  it.live("a kept job that is deferred comes back to its own stage's mailbox, at once or when its timer is due", () =>
    Effect.gen(function* () {
      for (const delayMillis of [0, 60_000]) {
        const { client, hand, id, kept } = yield* oneKept
        expect(yield* client.run(Fleet.defer(kept, { delayMillis, giveBack: true }))).toBe("deferred")
        const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 61_000 })
        if (delayMillis > 0) {
          expect(yield* standing(client)).toEqual(nowhere)
          yield* late.run(Fleet.promote)
        }
        expect(yield* standing(client)).toEqual([
          [0, 0],
          [1, 0],
          [0, 0]
        ])
        expect((yield* client.run(Fleet.jobOf(id))).attempts).toBe(0)
        yield* client.run(Fleet.commit(yield* hand.take("label")))
        yield* client.run(Fleet.commit(yield* hand.take("ship")))
        expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["done"])
      }
    })
  )

  it.live("a kept job that is parked or failed leaves its letter in its own stage's mailbox", () =>
    Effect.gen(function* () {
      for (const rounds of [0, 1]) {
        const { client, id, kept } = yield* oneKept
        expect(yield* client.run(Fleet.bury(kept, "ScaleBroken", rounds))).toBe(rounds === 0 ? "buried" : "parked")
        expect(yield* Fleet.lettersOf(client, "parcel.weigh")).toEqual([])
        expect((yield* Fleet.lettersOf(client, "parcel.label")).at(-1)).toMatchObject({ job: id, stage: "label" })
        expect(yield* standing(client)).toEqual(nowhere)
        if (rounds === 0) yield* redis.flush
        else {
          const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 301_000 })
          yield* late.run(Fleet.promote)
          expect((yield* standing(client))[1]).toEqual([1, 0])
        }
      }
    })
  )

  for (const end of ["cancelled", "failed"] as const) {
    it.live(
      `J7 a kept job that is ${end === "failed" ? "past its deadline" : end} leaves its mailbox and runs no further`,
      () =>
        Effect.gen(function* () {
          const { client, id, kept } = yield* oneKept
          const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 7_200_000 })
          if (end === "cancelled") yield* client.run(Fleet.cancel(id))
          else expect(yield* late.run(Fleet.promote)).toBe(1)
          expect(yield* standing(client)).toEqual(nowhere)
          expect((yield* client.run(Fleet.commit(kept))).outcome).toBe("lost")
          expect((yield* client.run(Fleet.keep(kept))).outcome).toBe("lost")
          expect(yield* client.run(Fleet.terminalsOf(id))).toEqual([end])
        })
    )
  }
})

describe("a process that keeps jobs", () => {
  const submitMany = (process: Fleet.Process<Fleet.Services>, count: number) =>
    Effect.forEach(
      Array.from({ length: count }, (_, i) => `owner ${i}`),
      (owner) => process.run(Fleet.submit({ owner })),
      { concurrency: 25 }
    )
  const allDone = (process: Fleet.Process<Fleet.Services>, ids: ReadonlyArray<Job.JobId>) =>
    Effect.forEach(ids, (id) => Fleet.until(process.run(Fleet.jobOf(id)), ({ state }) => state === "done"))

  it.live("J1 J2 a process that serves all stages runs each once for every job, most without another entry", () =>
    Effect.gen(function* () {
      const labelled: Array<string> = []
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ labelled: (id) => labelled.push(id) }))
      const ids = yield* submitMany(worker, 200)
      for (const job of yield* allDone(worker, ids)) expect(job.tries).toBe(3)
      expect(labelled.toSorted()).toEqual(ids.toSorted())
      expect(yield* entriesEver(worker, "parcel.weigh")).toBe(200)
      expect(yield* entriesEver(worker, "parcel.ship")).toBeLessThan(150)
      expect(yield* standing(worker)).toEqual(nowhere)
    })
  )

  it.live("a process that does not serve the next stage hands its jobs off to it", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Fleet.ParcelPipeline,
          "weigh",
          Effect.succeed(() => Effect.succeed({ grams: 1 }))
        )
      )
      const client = yield* Fleet.joined(redis.url)
      yield* Fleet.byHand(client, "hand")
      const ids = yield* submitMany(client, 20)
      yield* Fleet.until(client.run(Fleet.depthOf("parcel.label")), (depth) => depth === 20)
      yield* worker.stop
      for (const id of ids) {
        expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", at: "label" })
      }
    })
  )

  it.live("kept and read jobs together never exceed a stage's concurrency, and both are completed", () =>
    Effect.gen(function* () {
      const Text = Schema.String
      const wide = Stage.make("wide", { needs: { input: Text }, output: Text, progress: 50, concurrency: 30 })
      const slim = Stage.make("slim", { needs: { wide: Text }, output: Text, progress: 100, concurrency: 8 })
      const Funnel = Pipeline.make("funnel", { input: Text }).add(wide).add(slim)
      let now = 0
      let most = 0
      const wideBehavior = StageBehavior.layer(
        Funnel,
        "wide",
        Effect.succeed(({ input }) => Effect.succeed(input))
      )
      const slimBehavior = StageBehavior.layer(
        Funnel,
        "slim",
        Effect.succeed(({ wide }) =>
          Effect.gen(function* () {
            most = Math.max(most, ++now)
            yield* Effect.yieldNow
            yield* Effect.sleep("1 millis")
            now--
            return wide
          })
        )
      )
      const one = (owner: string) => Effect.map(Pipeline.submit(Funnel, owner, { owner, key: null }), ({ id }) => id)
      const many = (process: Fleet.Process<Fleet.Services>, who: string) =>
        Effect.forEach(
          Array.from({ length: 60 }, (_, i) => `${who} ${i}`),
          (owner) => process.run(one(owner)),
          {
            concurrency: 20
          }
        )
      // another process leaves sixty in the slim stage's mailbox
      const other = yield* Fleet.working(redis.url, wideBehavior)
      const waiting = yield* many(other, "waits")
      yield* Fleet.until(other.run(Fleet.depthOf("funnel.slim")), (depth) => depth === 60)
      yield* other.stop
      const worker = yield* Fleet.working(redis.url, Layer.merge(wideBehavior, slimBehavior))
      const kept = yield* many(worker, "kept")
      yield* allDone(worker, [...waiting, ...kept])
      expect(most).toBeLessThanOrEqual(8)
      expect(most).toBeGreaterThan(1)
    })
  )

  it.live.skipIf(Fleet.onCluster)(
    "A5 a process that stops while a keeping commit is on its way hands the job back, its next stage not begun",
    () =>
      Effect.gen(function* () {
        const labelled = new Set<string>()
        const begun = yield* Deferred.make<void>()
        const gate = yield* Deferred.make<void>()
        const client = yield* Fleet.joined(redis.url)
        const worker = yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({
            weigh: (_, job) =>
              job.owner === "last"
                ? Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.as({ grams: 1 }))
                : Effect.succeed({ grams: 1 }),
            labelled: (id) => labelled.add(id)
          }),
          { shutdownGrace: Duration.millis(10) }
        )
        const id = yield* client.run(Fleet.submit({ owner: "last" }))
        yield* Deferred.await(begun)
        // so that a slot of the next stage is known to be wanted for keeping
        yield* allDone(client, yield* submitMany(client, 40))
        // longer than the last read and the grace period together, shorter than handing back may take
        yield* client.send("CLIENT", "PAUSE", 2_400, "WRITE")
        yield* Deferred.succeed(gate, undefined)
        yield* worker.stop
        expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", at: "label", attempts: 0 })
        expect((yield* client.run(Fleet.toldOf(id))).at(-1)).toBe("label/started")
        expect(labelled.has(id)).toBe(false)
        expect(yield* standing(client)).toEqual([
          [0, 0],
          [1, 0],
          [0, 0]
        ])
      })
  )

  it.live("A5 a process that stops in order keeps no job: what it commits then is handed off", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const client = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, job) =>
            job.owner === "last"
              ? Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.as({ grams: 1 }))
              : Effect.succeed({ grams: 1 })
        }),
        { shutdownGrace: Duration.seconds(10) }
      )
      const id = yield* client.run(Fleet.submit({ owner: "last" }))
      yield* Deferred.await(begun)
      yield* allDone(client, yield* submitMany(client, 40))
      const stopping = yield* Effect.forkChild(worker.stop, { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(stopping)
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", at: "label" })
      expect((yield* client.run(Fleet.toldOf(id))).at(-1)).toBe("weigh/completed")
    })
  )
})
