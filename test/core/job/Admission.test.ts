/**
 * Admission: a user's jobs beyond the limit wait in the user's lane in order of submit, and each job that ends admits the
 * next. So a user with thousands of jobs delays others by no more than the limit.
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Schema } from "effect"
import { JobStore, Pipeline } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Keys, Keyspace } from "@eco2/core/redis"
import { randomInt } from "node:crypto"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
type Client = Fleet.Process<Fleet.Services>

const Texts = Schema.decodeUnknownSync(Schema.Array(Schema.String))
/** Ids in the user's lane, first come first. */
const laneOf = Effect.fnUntraced(function* (client: Client, owner: string) {
  const keyspace = yield* client.run(Keyspace)
  return Texts(yield* client.send("LRANGE", keyspace.of(owner).lane(owner), 0, -1))
})
/** Counts in the user's partition: the user's admitted, and all who wait there. */
const countsOf = Effect.fnUntraced(function* (client: Client, owner: string) {
  const keyspace = yield* client.run(Keyspace)
  const reply = yield* client.send("HMGET", keyspace.of(owner).running, owner, "")
  const [admitted, waiting] = Schema.decodeUnknownSync(Schema.Array(Schema.NullOr(Schema.String)))(reply)
  return { admitted: Number(admitted ?? 0), waiting: Number(waiting ?? 0) }
})
const statesOf = (client: Client, ids: ReadonlyArray<Job.JobId>) =>
  Effect.forEach(ids, (id) => Effect.map(client.run(Fleet.jobOf(id)), ({ state }) => state))
/** Keys that admission leaves while anything waits or is in work. */
const traces = (client: Client) =>
  Effect.map(Fleet.keysOf(client), (keys) => keys.filter((key) => /:lane:|:running$/.test(key)))
const submits = (client: Client, owner: string, count: number) =>
  Effect.forEach(Array.from({ length: count }), () => client.run(Fleet.submit({ owner })))
/** Works a begun weigh to its end. */
const finish = Effect.fnUntraced(function* (
  client: Client,
  hand: Effect.Success<ReturnType<typeof Fleet.byHand>>,
  holding: JobStore.Holding
) {
  yield* client.run(Fleet.commit(holding))
  for (const stage of ["label", "ship"]) yield* client.run(Fleet.commit(yield* hand.take(stage)))
})
/** Other users of ann's partition. */
const neighbours = Array.from({ length: 100 }, (_, i) => `neighbour ${i}`).filter(
  (name) => Keys.partitionOf(name, 4) === Keys.partitionOf("ann", 4)
)
const images = new Uint8Array(Buffer.from("a picture"))

describe("admission", () => {
  it.live("a user's job beyond the limit waits in the lane, while another user's job goes straight to a mailbox", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 2 })
      const ids = yield* submits(client, "ann", 5)
      const other = yield* submits(client, neighbours[0]!, 1)
      expect(yield* statesOf(client, [...ids, ...other])).toEqual([
        "waiting",
        "waiting",
        "lane",
        "lane",
        "lane",
        "waiting"
      ])
      expect(yield* laneOf(client, "ann")).toEqual(ids.slice(2))
      expect(yield* countsOf(client, "ann")).toEqual({ admitted: 2, waiting: 3 })
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(3)
      expect(yield* client.run(Fleet.toldOf(ids[4]!))).toEqual(["queued/started"])
    })
  )

  const short = { userConcurrency: 1, jobDeadline: Duration.minutes(1) }
  for (const end of ["done", "failed", "cancelled", "deadline"] as const) {
    it.live(
      `J1 a job that is ${end === "deadline" ? "past its deadline" : end} admits the next of its lane, in order of submit`,
      () =>
        Effect.gen(function* () {
          const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
          const hasty = yield* Fleet.joined(redis.url, short)
          const late = yield* Fleet.joined(redis.url, { ...short, clockOffsetMillis: 120_000 })
          const hand = yield* Fleet.byHand(client, "hand")
          const [first] = yield* submits(end === "deadline" ? hasty : client, "ann", 1)
          const rest = yield* submits(client, "ann", 3)
          const holding = yield* hand.take("weigh")
          expect(holding.id).toBe(first)
          if (end === "done") yield* finish(client, hand, holding)
          else if (end === "failed") yield* client.run(Fleet.bury(holding))
          else if (end === "cancelled") yield* client.run(Fleet.cancel(holding.id))
          else expect(yield* late.run(Fleet.promote)).toBe(1)
          expect(yield* laneOf(client, "ann")).toEqual(rest.slice(1))
          expect((yield* hand.take("weigh")).id).toBe(rest[0])
          expect(yield* countsOf(client, "ann")).toEqual({ admitted: 1, waiting: 2 })
          yield* client.run(Fleet.cancel(rest[0]!))
          expect((yield* hand.take("weigh")).id).toBe(rest[1])
        })
    )
  }

  it.live("J7 a job cancelled in the lane leaves it and admits no other, and the rest keep their order", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const [first, second, third, fourth] = yield* submits(client, "ann", 4)
      expect(yield* client.run(Fleet.cancel(third!))).toBe("cancelled")
      expect(yield* laneOf(client, "ann")).toEqual([second, fourth])
      expect(yield* countsOf(client, "ann")).toEqual({ admitted: 1, waiting: 2 })
      expect(yield* statesOf(client, [first!, third!])).toEqual(["waiting", "cancelled"])
      expect(yield* client.run(Fleet.terminalsOf(third!))).toEqual(["cancelled"])
    })
  )

  it.live("J1 a job past its deadline in the lane fails there and admits no other", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const hasty = yield* Fleet.joined(redis.url, short)
      const late = yield* Fleet.joined(redis.url, { ...short, clockOffsetMillis: 120_000 })
      const [first] = yield* submits(client, "ann", 1)
      const [second] = yield* submits(hasty, "ann", 1)
      const [third] = yield* submits(client, "ann", 1)
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect(yield* statesOf(client, [first!, second!, third!])).toEqual(["waiting", "failed", "lane"])
      expect(yield* countsOf(client, "ann")).toEqual({ admitted: 1, waiting: 1 })
    })
  )

  it.live(
    "a full lane refuses a submit with LaneFull and stores nothing, not even the upload; a repeated submit passes",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url, { userConcurrency: 1, laneCapacity: 1 })
        yield* submits(client, "ann", 1)
        const id = yield* client.run(Fleet.submit({ key: "waits", image: images }))
        const before = [yield* Fleet.keysOf(client), yield* countsOf(client, "ann")]
        for (const key of [null, "another"]) {
          const exit = yield* Effect.exit(
            client.run(Pipeline.submit(Fleet.ParcelPipeline, { weight: 2 }, { owner: "ann", key, image: images }))
          )
          expect(exit).toEqual(Exit.fail(new JobStore.LaneFull({ owner: "ann", depth: 1 })))
        }
        expect(yield* client.run(Fleet.submit({ key: "waits", image: images }))).toBe(id)
        expect([yield* Fleet.keysOf(client), yield* countsOf(client, "ann")]).toEqual(before)
        yield* submits(client, neighbours[0]!, 1)
      })
  )

  it.live("a mailbox's capacity includes the jobs that wait in lanes", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1, mailboxCapacity: 12 })
      yield* submits(client, "ann", 2)
      yield* submits(client, neighbours[0]!, 1)
      const before = yield* Fleet.keysOf(client)
      for (const owner of ["ann", neighbours[0]!, neighbours[1]!]) {
        const exit = yield* Effect.exit(
          client.run(Pipeline.submit(Fleet.ParcelPipeline, { weight: 2 }, { owner, key: null, image: images }))
        )
        expect(Exit.isFailure(exit) && String(exit.cause)).toContain("MailboxFull")
      }
      expect(yield* Fleet.keysOf(client)).toEqual(before)
    })
  )

  it.live("one user's lane takes at most what it leaves free of a mailbox's capacity: other users' submits pass", () =>
    Effect.gen(function* () {
      // 20 in each partition
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1, mailboxCapacity: 80 })
      const greedy = (owner: string) =>
        Effect.forEach(Array.from({ length: 20 }), () => client.run(Fleet.submit({ owner }))).pipe(Effect.flip)
      expect(yield* greedy("ann")).toEqual(new JobStore.LaneFull({ owner: "ann", depth: 10 }))
      yield* submits(client, neighbours[0]!, 1)
      expect(yield* greedy(neighbours[1]!)).toEqual(new JobStore.LaneFull({ owner: neighbours[1]!, depth: 4 }))
      yield* submits(client, neighbours[2]!, 1)
      expect(yield* countsOf(client, "ann")).toEqual({ admitted: 1, waiting: 14 })
      // what the operator lowers later refuses everybody, as a full mailbox does
      const tight = yield* Fleet.joined(redis.url, { userConcurrency: 1, mailboxCapacity: 40 })
      for (const owner of ["ann", neighbours[3]!]) {
        expect(yield* Effect.flip(tight.run(Fleet.submit({ owner })))).toMatchObject({ _tag: "MailboxFull" })
      }
    })
  )

  it.live("USER_CONCURRENCY=0 is no limit, and jobs without an owner are not limited", () =>
    Effect.gen(function* () {
      const open = yield* Fleet.joined(redis.url, { userConcurrency: 0 })
      const strict = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const ids = [...(yield* submits(open, "ann", 5)), ...(yield* submits(strict, "", 5))]
      expect(new Set(yield* statesOf(open, ids))).toEqual(new Set(["waiting"]))
      expect(yield* traces(open)).toEqual([])
      for (const id of ids) yield* strict.run(Fleet.cancel(id))
      expect(yield* traces(open)).toEqual([])
    })
  )

  it.live("a lane is admitted with the next end or submit after its user's limit is raised or turned off", () =>
    Effect.gen(function* () {
      const strict = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const wider = yield* Fleet.joined(redis.url, { userConcurrency: 3 })
      const open = yield* Fleet.joined(redis.url, { userConcurrency: 0 })
      const ids = yield* submits(strict, "ann", 6)
      yield* submits(wider, "ann", 1)
      expect((yield* statesOf(strict, ids)).filter((state) => state === "waiting").length).toBe(3)
      yield* open.run(Fleet.cancel(ids[0]!))
      expect(yield* laneOf(strict, "ann")).toEqual([])
      expect((yield* countsOf(strict, "ann")).waiting).toBe(0)
    })
  )

  it.live("a lane with room for all of its jobs is admitted at most sixteen a script call", () =>
    Effect.gen(function* () {
      const strict = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const open = yield* Fleet.joined(redis.url, { userConcurrency: 0 })
      const [first, second] = yield* submits(strict, "ann", 40)
      yield* open.run(Fleet.cancel(first!))
      expect(yield* countsOf(strict, "ann")).toEqual({ admitted: 16, waiting: 23 })
      yield* open.run(Fleet.cancel(second!))
      expect(yield* countsOf(strict, "ann")).toEqual({ admitted: 31, waiting: 7 })
    })
  )

  it.live(
    "J6 a repeated submit of a job in the lane finds it and keeps its place; another body under its key is refused",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
        yield* submits(client, "ann", 1)
        const waits = yield* client.run(Fleet.submit({ key: "k", image: images }))
        const behind = yield* client.run(Fleet.submit())
        const before = yield* Fleet.keysOf(client)
        expect(yield* client.run(Fleet.submit({ key: "k", image: images }))).toBe(waits)
        const other = yield* Effect.exit(
          client.run(Pipeline.submit(Fleet.ParcelPipeline, { weight: 3 }, { owner: "ann", key: "k" }))
        )
        expect(Exit.isFailure(other) && String(other.cause)).toContain("IdempotencyConflict")
        expect(yield* laneOf(client, "ann")).toEqual([waits, behind])
        expect(yield* Fleet.keysOf(client)).toEqual(before)
      })
  )

  it.live("a lane skips ids whose jobs are gone; a delayed or parked job still counts as its user's running one", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const hand = yield* Fleet.byHand(client, "hand")
      const [first, second, third] = yield* submits(client, "ann", 3)
      const { partition } = yield* hand.take("weigh").pipe(Effect.tap((holding) => client.run(Fleet.defer(holding))))
      expect(yield* laneOf(client, "ann")).toEqual([second, third])
      yield* client.send("DEL", partition.job(second!), partition.jobEvents(second!))
      yield* client.run(Fleet.cancel(first!))
      expect(yield* statesOf(client, [third!])).toEqual(["waiting"])
      expect(yield* countsOf(client, "ann")).toEqual({ admitted: 1, waiting: 0 })
      yield* client.run(Fleet.bury(yield* hand.take("weigh"), "ScaleBroken", 1))
      const [fourth] = yield* submits(client, "ann", 1)
      expect(yield* statesOf(client, [third!, fourth!])).toEqual(["parked", "lane"])
    })
  )

  it.live(
    "a lane skips the id of a job already admitted, and a user's count that was lost never falls below zero",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url, { userConcurrency: 2 })
        const keyspace = yield* client.run(Keyspace)
        const { lane, running } = { lane: keyspace.of("ann").lane("ann"), running: keyspace.of("ann").running }
        const [first, second, third] = yield* submits(client, "ann", 3)
        yield* client.send("LPUSH", lane, second!)
        yield* client.send("HINCRBY", running, "", 1)
        yield* client.run(Fleet.cancel(first!))
        expect(yield* statesOf(client, [second!, third!])).toEqual(["waiting", "waiting"])
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(2)
        expect(yield* countsOf(client, "ann")).toEqual({ admitted: 2, waiting: 0 })
        yield* client.send("DEL", running)
        yield* client.run(Fleet.cancel(second!))
        expect(yield* traces(client)).toEqual([])
      })
  )

  it.live("a count of running jobs that is no number stops no job's end and lets the lane's next in", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const keyspace = yield* client.run(Keyspace)
      const [first, second] = yield* submits(client, "ann", 2)
      for (const owner of ["ann", ""]) yield* client.send("HSET", keyspace.of("ann").running, owner, "many")
      yield* client.run(Fleet.cancel(first!))
      expect(yield* statesOf(client, [first!, second!])).toEqual(["cancelled", "waiting"])
      expect(yield* countsOf(client, "ann")).toEqual({ admitted: 1, waiting: 0 })
    })
  )

  it.live("a worker completes all jobs of a lane, never exceeds the limit, and leaves no lane or count behind", () =>
    Effect.gen(function* () {
      let now = 0
      let most = 0
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: () =>
            Effect.gen(function* () {
              most = Math.max(most, ++now)
              yield* Effect.sleep("1 millis")
              now--
              return { grams: 1 }
            })
        }),
        { userConcurrency: 3 }
      )
      const ids = yield* submits(worker, "ann", 40)
      for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(most).toBeLessThanOrEqual(3)
      expect(yield* traces(worker)).toEqual([])
    })
  )

  it.live(
    "two processes that submit and end jobs at random and at once never exceed the limit nor leave a slot idle",
    () =>
      Effect.gen(function* () {
        const limit = 2
        const seed = randomInt(1_000_000)
        let state = seed
        const next = (n: number) => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
          return Math.floor((state / 2 ** 32) * n)
        }
        const draw = <A>(from: Array<A>) => from.splice(next(from.length), 1)[0]
        const values = { userConcurrency: limit }
        const fleet = [yield* Fleet.joined(redis.url, values), yield* Fleet.joined(redis.url, values)] as const
        const later = yield* Fleet.joined(redis.url, { ...values, clockOffsetMillis: 301_000 })
        const hand = yield* Fleet.byHand(fleet[0], "hand")
        const owners = ["ann", neighbours[0]!, "bob"]
        /** Open jobs, in order of submit. */
        const open = new Map<Job.JobId, string>()
        let held: Array<JobStore.Holding> = []

        const submitOne = (client: Client) => {
          const owner = owners[next(3)]!
          return Effect.map(Effect.orDie(client.run(Fleet.submit({ owner }))), (id) => void open.set(id, owner))
        }
        const begin = Effect.gen(function* () {
          const read = (yield* Effect.forEach(["weigh", "label", "ship"], hand.read, { concurrency: 3 })).flat()
          for (const holding of read) {
            if ((yield* fleet[0].run(Fleet.begin(holding)))._tag === "Run") held.push(holding)
          }
        })
        const settleOne = (client: Client): Effect.Effect<unknown> => {
          const holding = draw(held)
          if (holding === undefined) return submitOne(client)
          switch (next(7)) {
            case 0:
              return client.run(Fleet.bury(holding))
            case 1:
              return client.run(Fleet.bury(holding, "ScaleBroken", 1))
            case 2:
              return client.run(Fleet.defer(holding, { delayMillis: next(2) * 60_000 }))
            case 3:
            case 4:
              return holding.stage === "ship"
                ? client.run(Fleet.commit(holding))
                : Effect.map(client.run(Fleet.keep(holding)), ({ kept, outcome }) => {
                    if (outcome === "kept") held.push(kept)
                  })
            default:
              return client.run(Fleet.commit(holding))
          }
        }
        const cancelOne = (client: Client): Effect.Effect<unknown> => {
          const id = [...open.keys()][next(open.size)]
          return id === undefined ? submitOne(client) : client.run(Fleet.cancel(id))
        }
        const look = Effect.fnUntraced(function* (step: number) {
          const where = `seed ${seed}, step ${step}`
          const lanes = new Map<string, Array<string>>(owners.map((owner) => [owner, []]))
          const admitted = new Map<string, number>(owners.map((owner) => [owner, 0]))
          const read = ([id, owner]: readonly [Job.JobId, string]) =>
            Effect.map(Fleet.hashOf(fleet[0], id), (hash) => ({ hash, id, owner }))
          for (const { hash, id, owner } of yield* Effect.forEach([...open], read, { concurrency: "unbounded" })) {
            if (["done", "failed", "cancelled"].includes(hash.state ?? "")) open.delete(id)
            else if (hash.state === "lane") lanes.get(owner)!.push(id)
            else admitted.set(owner, admitted.get(owner)! + 1)
          }
          for (const owner of owners) {
            const lane = yield* laneOf(fleet[0], owner)
            const counts = yield* countsOf(fleet[0], owner)
            const sharing = owners.filter((one) => Keys.partitionOf(one, 4) === Keys.partitionOf(owner, 4))
            expect(lane.toSorted(), where).toEqual(lanes.get(owner)!.toSorted())
            expect(counts.admitted, where).toBe(admitted.get(owner))
            expect(counts.admitted, where).toBeLessThanOrEqual(limit)
            expect(counts.waiting, where).toBe(sharing.reduce((sum, one) => sum + lanes.get(one)!.length, 0))
            if (lane.length > 0) expect(counts.admitted, where).toBe(limit)
          }
        })

        for (let step = 0; step < 300; step++) {
          const client = () => fleet[next(2)]!
          const some = Array.from({ length: 1 + next(3) }, () => {
            const what = next(10)
            return what < 4 ? submitOne(client()) : what < 9 ? settleOne(client()) : cancelOne(client())
          })
          yield* Effect.all(some, { concurrency: "unbounded" })
          if (next(3) === 0) yield* begin
          if (next(20) === 0) yield* later.run(Fleet.promote)
          if (step % 3 === 0) yield* look(step)
        }
        for (let round = 0; open.size > 0 && round < 500; round++) {
          yield* later.run(Fleet.promote)
          yield* begin
          for (const holding of held.splice(0)) yield* fleet[next(2)]!.run(Fleet.commit(holding))
          yield* look(300 + round)
        }
        expect(open.size, `seed ${seed}`).toBe(0)
        expect(yield* traces(fleet[0]), `seed ${seed}`).toEqual([])
      }),
    90_000
  )
})
