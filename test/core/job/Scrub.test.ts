/** J1 under damage: an open job that nothing in Redis stands for any more is found, put back, and ends once. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import { Fence, Mailbox, Retry } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import * as Scrub from "../../../packages/core/src/job/Scrub.ts"
import * as ScrubLoop from "../../../packages/core/src/worker/ScrubLoop.ts"
import { keyNames } from "../../harness/KeyNames.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
/** `between`: what happens after the first look at the jobs, and before those that lack something are looked at again. */
const walkWith = (between: Effect.Effect<void>) =>
  Scrub.Scrub.use((scrub) => scrub.walk(between)).pipe(Effect.provide(Scrub.layer))
const walk = walkWith(Effect.void)

type Process = Fleet.Process<Fleet.Services>
const partitionOf = (process: Process, id: Fleet.JobId) => Effect.map(process.run(Keyspace), ({ of }) => of(id))
/** The mailbox and entry that a job's fence names. */
const entryOf = Effect.fnUntraced(function* (process: Process, id: Fleet.JobId) {
  const { cur = "" } = yield* Fleet.hashOf(process, id)
  const partition = yield* partitionOf(process, id)
  const at = cur.lastIndexOf(":")
  return { key: partition.mailbox(cur.slice(0, at)), entry: cur.slice(at + 1) }
})
const deleted = Effect.fnUntraced(function* (process: Process, id: Fleet.JobId) {
  const { entry, key } = yield* entryOf(process, id)
  yield* process.send("XACK", key, Mailbox.group, entry)
  expect(yield* process.send("XDEL", key, entry)).toBe(1)
})
const untimed = Effect.fnUntraced(function* (process: Process, id: Fleet.JobId) {
  expect(yield* process.send("ZREM", (yield* partitionOf(process, id)).timers, id)).toBe(1)
})

/** A worker joins, and the jobs are done: one terminal event each, and the second stage once. */
const complete = Effect.fnUntraced(function* (ids: ReadonlyArray<Fleet.JobId>, values: Fleet.Values = {}) {
  const labelled: Array<string> = []
  // timers that are due by now; a worker that has just started looks at some partitions within a minute
  yield* Effect.flatMap(Fleet.joined(redis.url, values), ({ run }) => run(Fleet.promote))
  const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ labelled: (id) => labelled.push(id) }), values)
  for (const id of ids) {
    yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
  }
  expect(labelled.toSorted()).toEqual(ids.toSorted())
  const { partitions } = yield* worker.run(Keyspace)
  for (const partition of partitions) {
    expect(yield* worker.send("ZCARD", partition.timers)).toBe(0)
    expect(yield* worker.send("EXISTS", partition.running)).toBe(0)
  }
})

interface Damage {
  readonly to: string
  readonly lacked: "entry" | "lane" | "timer"
  readonly stage?: string
  readonly values?: Fleet.Values
  /** Makes the job and the damage. */
  readonly done: (process: Process) => Effect.Effect<Fleet.JobId, unknown>
}
const owner = "ann"
const submitted = (process: Process) => process.run(Fleet.submit({ owner }))
/** By a process that is gone before the worker comes. */
const begun = Effect.fnUntraced(function* (process: Process) {
  const id = yield* submitted(process)
  const hand = yield* Fleet.byHand(process, "gone.1")
  return { id, holding: yield* hand.take("weigh") }
})
const one = { userConcurrency: 1 }

const damages: ReadonlyArray<Damage> = [
  {
    to: "a waiting job's entry is deleted",
    lacked: "entry",
    done: (process) => Effect.tap(submitted(process), (id) => deleted(process, id))
  },
  {
    to: "the entry of a job that a process had begun is acknowledged and deleted",
    lacked: "entry",
    done: (process) =>
      Effect.tap(
        Effect.map(begun(process), ({ id }) => id),
        (id) => deleted(process, id)
      )
  },
  {
    to: "the mailbox's stream is deleted",
    lacked: "entry",
    done: (process) =>
      Effect.tap(submitted(process), (id) =>
        Effect.flatMap(entryOf(process, id), ({ key }) => process.send("DEL", key))
      )
  },
  {
    to: "the group's position is set past a waiting job's entry",
    lacked: "entry",
    done: Effect.fnUntraced(function* (process) {
      const id = yield* submitted(process)
      yield* Fleet.byHand(process, "gone.1")
      const { key } = yield* entryOf(process, id)
      yield* process.send("XGROUP", "SETID", key, Mailbox.group, "$")
      return id
    })
  },
  {
    to: "a waiting job's timer is deleted",
    lacked: "timer",
    done: (process) => Effect.tap(submitted(process), (id) => untimed(process, id))
  },
  {
    to: "a delayed job's timer is deleted",
    lacked: "timer",
    done: Effect.fnUntraced(function* (process) {
      const { holding, id } = yield* begun(process)
      yield* process.run(Fleet.defer(holding, { delayMillis: 50 }))
      yield* untimed(process, id)
      return id
    })
  },
  {
    to: "a parked job's timer is deleted",
    lacked: "timer",
    values: { redriveInterval: Duration.millis(1) },
    done: Effect.fnUntraced(function* (process) {
      const { holding, id } = yield* begun(process)
      expect(yield* process.run(Fleet.bury(holding, "ScaleBroken", 1))).toBe("parked")
      yield* untimed(process, id)
      return id
    })
  },
  {
    to: "all timers of a partition are deleted",
    lacked: "timer",
    done: (process) =>
      Effect.tap(submitted(process), (id) =>
        Effect.flatMap(partitionOf(process, id), ({ timers }) => process.send("DEL", timers))
      )
  }
]

describe("Scrub.walk", () => {
  for (const { done, lacked, stage = "weigh", to, values = {} } of damages) {
    it.live(`J1 J2 ${to}: the job is found, put back and ends once`, () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, values)
        const id = yield* done(process)
        expect(yield* process.run(walk)).toEqual({ examined: 1, putBack: [{ id, stage, lacked }] })
        expect(yield* process.run(walk)).toEqual({ examined: 1, putBack: [] })
        yield* complete([id], values)
      })
    )
  }

  it.live(
    "J1 a job that its user's lane has lost is put back past its turn, and those behind it still get theirs",
    () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, one)
        const ids: Array<Fleet.JobId> = []
        for (let n = 0; n < 4; n++) ids.push(yield* submitted(process))
        const lost = ids[2]!
        expect(yield* process.send("LREM", (yield* partitionOf(process, lost)).lane(owner), 1, lost)).toBe(1)
        expect((yield* process.run(walk)).putBack).toEqual([{ id: lost, stage: "weigh", lacked: "lane" }])
        yield* complete(ids, one)
      })
  )

  it.live("J1 a whole lane that is deleted with nobody left to let its jobs in: all are put back", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url, one)
      const first = yield* submitted(process)
      const ids = [yield* submitted(process), yield* submitted(process), yield* submitted(process)]
      yield* process.send("DEL", (yield* partitionOf(process, first)).lane(owner))
      yield* process.run(Fleet.cancel(first))
      const { putBack } = yield* process.run(walk)
      expect(putBack.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
      yield* complete(ids, one)
    })
  )

  it.live("a parked job whose dead letter was deleted is left alone: its timer stands for it", () =>
    Effect.gen(function* () {
      const values = { redriveInterval: Duration.millis(1) }
      const process = yield* Fleet.joined(redis.url, values)
      const { holding, id } = yield* begun(process)
      yield* process.run(Fleet.bury(holding, "ScaleBroken", 1))
      yield* process.send("DEL", (yield* partitionOf(process, id)).dead("parcel.weigh"))
      expect((yield* process.run(walk)).putBack).toEqual([])
      yield* complete([id], values)
    })
  )

  /** Jobs of one user: as many admitted as USER_CONCURRENCY, the rest in the user's lane. */
  const lined = Effect.fnUntraced(function* (process: Process, jobs: number) {
    const ids: Array<Fleet.JobId> = []
    for (let n = 0; n < jobs; n++) ids.push(yield* submitted(process))
    return { ids, partition: yield* partitionOf(process, ids[0]!) }
  })
  const two = { userConcurrency: 2 }
  const turn = (id: Fleet.JobId | undefined) => [{ id, stage: "weigh", lacked: "turn" }]

  const miscounted = ({ root }: { readonly root: string }) => ({ id: root, stage: "", lacked: "count" })

  it.live.each(["7", "2", "none", "-3"])(
    "J1 a count of all jobs in lanes that says %s where three wait is put right, and the depth of the mailbox with it",
    (wrong) =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, one)
        const { ids, partition } = yield* lined(process, 4)
        yield* process.send("HSET", partition.running, "", wrong)
        expect((yield* process.run(walk)).putBack).toEqual([miscounted(partition)])
        expect(yield* process.send("HGET", partition.running, "")).toBe("3")
        expect((yield* process.run(walk)).putBack).toEqual([])
        yield* complete(ids, one)
      })
  )

  it.live("J1 submits that a count of no job had refused are accepted after a walk", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url, one)
      const { ids, partition } = yield* lined(process, 1)
      yield* process.run(Fleet.cancel(ids[0]!))
      yield* process.send("HSET", partition.running, "", 1_000_000)
      expect(yield* Effect.flip(submitted(process))).toMatchObject({ _tag: "MailboxFull" })
      expect((yield* process.run(walk)).putBack).toEqual([miscounted(partition)])
      yield* complete([yield* submitted(process)], one)
    })
  )

  it.live(
    "J1 a user's count of running jobs that was left too high lets nobody in: the lane is found, and its jobs end",
    () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, two)
        const { ids, partition } = yield* lined(process, 5)
        yield* process.send("HINCRBY", partition.running, owner, 2)
        for (const id of ids.slice(0, 2)) yield* process.run(Fleet.cancel(id))
        expect(yield* process.send("LLEN", partition.lane(owner))).toBe(3)
        expect((yield* process.run(walk)).putBack).toEqual(turn(ids[2]))
        expect(yield* process.send("HGET", partition.running, owner)).toBe("2")
        expect((yield* process.run(walk)).putBack).toEqual([])
        yield* complete(ids.slice(2), two)
      })
  )

  it.live(
    "J1 a running job whose hash is lost leaves its user's lane standing: the lane is found, and its jobs end",
    () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, one)
        const { ids, partition } = yield* lined(process, 3)
        yield* deleted(process, ids[0]!)
        yield* process.send("DEL", partition.job(ids[0]!))
        yield* untimed(process, ids[0]!)
        expect((yield* process.run(walk)).putBack).toEqual(turn(ids[1]))
        yield* complete(ids.slice(1), one)
      })
  )

  it.live("J1 a count that is one too high while another job of the user runs is put right by the jobs that run", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url, two)
      const { ids, partition } = yield* lined(process, 4)
      yield* process.send("HINCRBY", partition.running, owner, 1)
      yield* process.run(Fleet.cancel(ids[0]!))
      expect((yield* process.run(walk)).putBack).toEqual(turn(ids[2]))
      expect(yield* process.send("HGET", partition.running, owner)).toBe("2")
      expect(yield* process.send("LRANGE", partition.lane(owner), 0, -1)).toEqual([ids[3]])
      yield* complete(ids.slice(1), two)
    })
  )

  it.live("J1 a lane whose first members are no jobs, and a count that is no number, are no hindrance", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url, one)
      const { ids, partition } = yield* lined(process, 3)
      yield* process.run(Fleet.cancel(ids[0]!))
      yield* process.run(Fleet.cancel(ids[1]!))
      const last = yield* submitted(process)
      yield* process.send("LPUSH", partition.lane(owner), randomUUID(), randomUUID())
      yield* process.send("HSET", partition.running, owner, "none")
      yield* deleted(process, ids[2]!)
      yield* process.send("DEL", partition.job(ids[2]!))
      yield* untimed(process, ids[2]!)
      expect((yield* process.run(walk)).putBack).toEqual(turn(last))
      yield* complete([last], one)
    })
  )

  it.live(
    "a lane that waits for jobs that run long is left alone, also by a process with another USER_CONCURRENCY",
    () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, two)
        const other = yield* Fleet.joined(redis.url, { userConcurrency: 9 })
        const { ids, partition } = yield* lined(process, 5)
        const hand = yield* Fleet.byHand(process, "gone.1")
        yield* process.run(Fleet.begin(yield* hand.take("weigh")))
        for (const one of [process, other]) expect((yield* one.run(walk)).putBack).toEqual([])
        expect(yield* process.send("HGET", partition.running, owner)).toBe("2")
        expect(yield* process.send("LRANGE", partition.lane(owner), 0, -1)).toEqual(ids.slice(2))
      })
  )

  /** A job whose fence is these words, without anything that stands for it. */
  const corrupted = Effect.fnUntraced(function* (process: Process, change: (fence: string) => string) {
    const id = yield* submitted(process)
    yield* deleted(process, id)
    yield* untimed(process, id)
    const key = (yield* partitionOf(process, id)).job(id)
    yield* process.send("HSET", key, "now", change(String(yield* process.send("HGET", key, "now"))))
    return { id, key }
  })
  const without = (fence: string, word: (typeof Fence.numbers)[number]) =>
    fence.split(" ").with(Fence.words.indexOf(word), "never").join(" ")
  const corruptions: ReadonlyArray<readonly [string, (fence: string) => string]> = [
    ["is gone", () => ""],
    ["is no fence", () => "\u0000\u0001"],
    ["ends after some words", (fence) => fence.split(" ").slice(0, 5).join(" ")],
    ...Fence.numbers.map((word) => [`has no number of ${word}`, (fence: string) => without(fence, word)] as const)
  ]
  for (const [what, change] of corruptions) {
    it.live(
      `a job whose fence ${what}, and for which nothing stands, becomes a dead letter once, and expires with it`,
      () =>
        Effect.gen(function* () {
          const process = yield* Fleet.joined(redis.url)
          const { id, key } = yield* corrupted(process, change)
          yield* process.send("HSET", `${key}:calls`, "free", 1)
          const { putBack } = yield* process.run(walk)
          expect(putBack).toEqual([{ id, stage: "parcel.weigh", lacked: "fence" }])
          expect((yield* process.run(walk)).putBack).toEqual([])
          const letters = yield* Fleet.lettersOf(process, "parcel.weigh")
          expect(letters).toMatchObject([{ job: id, stage: "weigh", cause: "JobUnreadable" }])
          for (const one of [key, `${key}:calls`]) expect(Number(yield* process.send("PTTL", one))).toBeGreaterThan(0)
        })
    )
  }

  it.live("a job of which nothing is readable is said, and expires", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const { id, key } = yield* corrupted(process, () => "")
      yield* process.send("HSET", key, "about", "{")
      expect((yield* process.run(walk)).putBack).toEqual([{ id, stage: "", lacked: "fence" }])
      expect(Number(yield* process.send("PTTL", key))).toBeGreaterThan(0)
    })
  )

  it.live("J1 a running job whose fence becomes unreadable is given up, and its user's lane goes on", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url, one)
      const { id } = yield* corrupted(process, () => "?")
      const next = yield* submitted(process)
      const { putBack } = yield* process.run(walk)
      expect(putBack).toEqual([{ id, stage: "parcel.weigh", lacked: "fence" }, ...turn(next)])
      yield* complete([next], one)
    })
  )

  it.live("an unreadable job that was given up, and whose entry is found after all, leaves no second letter", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const id = yield* submitted(process)
      const hand = yield* Fleet.byHand(process, "gone.1")
      const holding = yield* hand.take("weigh")
      yield* process.send("HSET", (yield* partitionOf(process, id)).job(id), "now", "?")
      yield* process.run(walk)
      expect(yield* process.run(Fleet.begin(holding))).toMatchObject({ _tag: "Dropped", reason: "moved" })
      expect(yield* Fleet.lettersOf(process, "parcel.weigh")).toHaveLength(1)
      expect(yield* process.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
    })
  )

  it.live.each(Fence.numbers)(
    "J1 a timer of a job without a number of %s stops no other timer, and the job becomes a dead letter",
    (word) =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url)
        const damaged = yield* corrupted(process, (fence) => without(fence, word))
        const partition = yield* partitionOf(process, damaged.id)
        yield* process.send("ZADD", partition.timers, 1, damaged.id)
        yield* submitted(process)
        const hand = yield* Fleet.byHand(process, "gone.1")
        yield* process.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 0 }))
        yield* process.run(Fleet.promote)
        expect(yield* process.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
        expect((yield* process.run(walk)).putBack).toEqual([{ id: damaged.id, stage: "parcel.weigh", lacked: "fence" }])
      })
  )

  for (const [what, fields, comesBack] of [
    ["the mailbox it comes back to", ["home"], true],
    ["that mailbox and its submitted part", ["home", "about"], false]
  ] as const) {
    it.live(`J1 a timer of a job that has lost ${what} stops no other timer`, () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(process, "gone.1")
        const damaged = yield* submitted(process)
        yield* process.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 1 }))
        const partition = yield* partitionOf(process, damaged)
        yield* process.send("HDEL", partition.job(damaged), ...fields)
        yield* submitted(process)
        yield* process.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 2 }))
        yield* Fleet.until(
          Effect.andThen(process.run(Fleet.promote), process.run(Fleet.depthOf("parcel.weigh"))),
          (depth) => depth === (comesBack ? 2 : 1)
        )
      })
    )
    it.live(`J1 a job in a lane that has lost ${what} lets those behind it in`, () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
        const hand = yield* Fleet.byHand(process, "gone.1")
        yield* submitted(process)
        const damaged = yield* submitted(process)
        yield* submitted(process)
        const partition = yield* partitionOf(process, damaged)
        yield* process.send("HDEL", partition.job(damaged), ...fields)
        const holding = yield* hand.take("weigh")
        yield* process.run(Fleet.cancel(holding.id))
        expect(yield* process.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
        expect((yield* hand.take("weigh")).id === damaged).toBe(comesBack)
      })
    )
  }

  it.live("ended jobs are left alone", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const { holding } = yield* begun(process)
      yield* process.run(Fleet.bury(holding))
      yield* process.run(Fleet.cancel(yield* submitted(process)))
      expect(yield* process.run(walk)).toEqual({ examined: 2, putBack: [] })
    })
  )

  it.live("A1 a delayed message whose timer was deleted is delivered at once", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const { partitions } = yield* process.run(Keyspace)
      // more than one page of a hash, in the last partition
      const { later, timers } = partitions.at(-1)!
      const members = Array.from({ length: 300 }, (_, n) => `m:${n}`)
      const message = JSON.stringify({ mailbox: "printer", type: "Print", body: "{}", attempts: 1 })
      for (const member of members) {
        yield* process.send("HSET", later, member, message)
        if (member !== "m:7") yield* process.send("ZADD", timers, 9_999_999_999_999, member)
      }
      expect(yield* process.run(walk)).toEqual({
        examined: 0,
        putBack: [{ id: "m:7", stage: "printer", lacked: "timer" }]
      })
      yield* process.run(Fleet.promote)
      expect(yield* process.run(Fleet.depthOf("printer"))).toBe(1)
      expect((yield* process.run(walk)).putBack).toEqual([])
    })
  )

  it.live("J2 a process that still has the entry that its mailbox lost keeps the job, and its result is recorded", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const { holding, id } = yield* begun(process)
      const { entry, key } = yield* entryOf(process, id)
      expect(yield* process.send("XDEL", key, entry)).toBe(1)
      expect((yield* process.run(walk)).putBack).toEqual([])
      expect((yield* process.run(Fleet.commit(holding))).outcome).toBe("committed")
      yield* complete([id])
    })
  )

  it.live("J2 a late commit for an entry that was lost, sent after the job was put back, changes nothing", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const { holding, id } = yield* begun(process)
      yield* deleted(process, id)
      yield* process.run(walk)
      expect((yield* process.run(Fleet.commit(holding))).outcome).toBe("lost")
      yield* complete([id])
    })
  )

  it.live(
    "J1 a job that moved between the two looks is not put back, but by the next walk if it still lacks its timer",
    () =>
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url)
        const { holding, id } = yield* begun(process)
        yield* untimed(process, id)
        const move = process.run(Fleet.defer(holding, { delayMillis: 0 }))
        // once every server was scanned
        let servers = Fleet.onCluster ? 3 : 1
        const between = Effect.suspend(() => (--servers === 0 ? Effect.asVoid(move) : Effect.void))
        expect((yield* process.run(walkWith(between))).putBack).toEqual([])
        expect((yield* process.run(walk)).putBack).toHaveLength(1)
        yield* complete([id])
      })
  )

  it.live("J1 a job lost once is put back once by many walks at a time", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const id = yield* submitted(process)
      yield* deleted(process, id)
      const walks = yield* Effect.all(
        Array.from({ length: 8 }, () => process.run(walk)),
        { concurrency: 8 }
      )
      expect(walks.flatMap(({ putBack }) => putBack)).toHaveLength(1)
      expect(yield* process.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
      yield* complete([id])
    })
  )

  it.live("J1 J2 walks without pause beside a fleet at work put nothing back", () =>
    Effect.gen(function* () {
      const labelled: Array<string> = []
      const values = { userConcurrency: 2, lease: Duration.seconds(15) }
      const flaky = Fleet.parcelBehaviors({
        labelled: (id) => labelled.push(id),
        // every third job is delayed once
        weigh: (_, job) =>
          job.attempt === 1 && job.id.charCodeAt(0) % 3 === 0
            ? Effect.fail(new Fleet.ScaleBroken())
            : Effect.succeed({ grams: 1 }),
        retry: Retry.policy({ otherwise: Schedule.spaced("20 millis") })
      })
      const worker = yield* Fleet.working(redis.url, flaky, values)
      const impatient = yield* Fleet.joined(redis.url, { lease: Duration.millis(300) })
      const ids: Array<Fleet.JobId> = []
      const submitting = Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) => Effect.map(worker.run(Fleet.submit({ owner: `owner ${n % 20}` })), (id) => ids.push(id)),
        { concurrency: 10, discard: true }
      )
      const walked: Array<Scrub.Walked> = []
      const walking = yield* Effect.forkScoped(
        Effect.forever(Effect.map(impatient.run(walk), (one) => walked.push(one)))
      )
      // the fleet has work until three walks began and ended beside it
      while (ids.length < 300 || walked.length <= 3) yield* submitting
      for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      yield* Fiber.interrupt(walking)
      expect(walked.flatMap(({ putBack }) => putBack)).toEqual([])
      expect(labelled.toSorted()).toEqual(ids.toSorted())
    })
  )
})

describe("ScrubLoop.round", () => {
  it.live("of many processes one walks, until its claim expires", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.forEach([1, 2, 3, 4], () => Fleet.joined(redis.url))
      const id = yield* submitted(processes[0]!)
      yield* deleted(processes[0]!, id)
      const round = Effect.provide(ScrubLoop.round, Scrub.layer)
      const all = Effect.all(
        processes.map((process) => process.run(round)),
        { concurrency: 4 }
      )
      const walks = (yield* all).filter((one) => one !== null)
      expect(walks).toEqual([{ examined: 1, putBack: [{ id, stage: "weigh", lacked: "entry" }] }])
      expect(yield* all).toEqual([null, null, null, null])
      expect(Number(yield* processes[0]!.send("PTTL", keyNames.scrub))).toBeGreaterThan(0)
      yield* processes[0]!.send("DEL", keyNames.scrub)
      expect((yield* all).filter((one) => one !== null)).toHaveLength(1)
    })
  )
})
