/**
 * From mailbox to handler: crashes are counted before any handler runs again (A2), a process's fibers equal its pending list
 * (A4), entries that cannot be worked on end as dead letters, and lost groups come back by themselves.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer, Metric } from "effect"
import { ActorSystem, CoreConfig, Mailbox, Worker } from "@eco2/core"
import { Keys, Keyspace, RedisClient } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import * as Fleet from "../CoreFixture.ts"
import * as LogLines from "../redis/LogLines.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const lettersCounted = (reason: string) =>
  Effect.map(
    Metric.value(Metric.withAttributes(Metrics.deadLetters, { mailbox: "parcel.weigh", reason })),
    ({ count }) => count
  )

describe("the record of crashes", () => {
  /** A job in the hands of "a", which began it and dies; the entry as "b" then holds it. */
  const crashed = Effect.fnUntraced(function* (end = "") {
    const client = yield* Fleet.joined(redis.url)
    const a = yield* Fleet.byHand(client, "a")
    const id = yield* client.run(Fleet.submit())
    const [first] = yield* a.read("weigh")
    yield* client.run(Fleet.begin({ ...first!, token: `a:1${end}` }))
    yield* client.send("ZREM", keyNames.alive, "a")
    yield* Fleet.byHand(client, "b")
    const [holding] = yield* Fleet.inherit(client, "a", "b", "weigh")
    return { client, id, first: first!, holding: holding! }
  })

  it.live("A2 a begin by another process counts a crash once, however often it looks, and begins nothing", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* crashed()
      expect(yield* client.run(Fleet.begin(holding))).toEqual({ _tag: "Suspect", record: 1, fresh: true })
      for (const token of [holding.token, "b:another"])
        expect(yield* client.run(Fleet.begin({ ...holding, token }))).toEqual({
          _tag: "Suspect",
          record: 1,
          fresh: false
        })
      expect(yield* Fleet.hashOf(client, id)).toMatchObject({ state: "waiting", by: "", deliveries: "1", tries: "1" })
    })
  )

  it.live("A2 a crash costs no attempt, and one while the job ran alone counts as such", () =>
    Effect.gen(function* () {
      const { client, holding } = yield* crashed("/alone")
      expect(yield* client.run(Fleet.begin(holding))).toMatchObject({ record: 1_001 })
      expect(yield* client.run(Fleet.begin(holding, "run"))).toMatchObject({
        _tag: "Run",
        job: { attempts: 1, tries: 2, deliveries: 1_001 }
      })
    })
  )

  it.live("A2 a process that dies while a suspect waits there adds nothing to its record", () =>
    Effect.gen(function* () {
      const { client, holding } = yield* crashed()
      yield* client.run(Fleet.begin(holding))
      yield* client.send("ZREM", keyNames.alive, "b")
      const [next] = yield* Fleet.inherit(client, "b", "c", "weigh")
      expect(yield* client.run(Fleet.begin(next!))).toEqual({ _tag: "Suspect", record: 1, fresh: false })
      // nor does the process that lost it begin it behind the back of its heir
      expect(yield* client.run(Fleet.begin(holding, "run"))).toEqual({ _tag: "Dropped", reason: "moved" })
    })
  )

  it.live("A1 an entry that its group does not list any more is begun by nobody but its next reader", () =>
    Effect.gen(function* () {
      const { client, holding } = yield* crashed()
      yield* client.run(Fleet.begin(holding))
      const stream = holding.partition.mailbox("parcel.weigh")
      // as after the loss of a group: it is made anew, from the first entry, and nothing is in work by its list
      yield* client.send("XGROUP", "DESTROY", stream, Mailbox.group)
      yield* client.send("XGROUP", "CREATE", stream, Mailbox.group, "0")
      expect(yield* client.run(Fleet.begin(holding, "run"))).toEqual({ _tag: "Dropped", reason: "moved" })
      const hand = yield* Fleet.byHand(client, "hand")
      const [again] = yield* hand.read("weigh")
      expect(yield* client.run(Fleet.begin(again!, "run"))).toMatchObject({ _tag: "Run", job: { deliveries: 1 } })
    })
  )

  it.live("A2 a suspect that is put off waits on its timer with its record, and no entry is left in the mailbox", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* crashed()
      yield* client.run(Fleet.begin(holding))
      const put = { _tag: "Dropped", reason: "put off" }
      expect(yield* client.run(Fleet.begin(holding, { putOffMillis: 30_000 }))).toEqual(put)
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
      expect(yield* Fleet.hashOf(client, id)).toMatchObject({ state: "delayed", deliveries: "1", home: "parcel.weigh" })
      const later = yield* Fleet.joined(redis.url, { clockOffsetMillis: 30_001 })
      yield* later.run(Fleet.promote)
      const hand = yield* Fleet.byHand(client, "hand")
      const [again] = yield* hand.read("weigh")
      expect(yield* client.run(Fleet.begin(again!))).toEqual({ _tag: "Suspect", record: 1, fresh: false })
    })
  )

  it.live("A1 the result of a process that was frozen, not dead, counts although its heir has put the job off", () =>
    Effect.gen(function* () {
      const { client, first, holding, id } = yield* crashed()
      yield* client.run(Fleet.begin(holding))
      yield* client.run(Fleet.begin(holding, { putOffMillis: 30_000 }))
      expect((yield* client.run(Fleet.commit({ ...first, token: "a:1" }))).outcome).toBe("committed")
      expect(yield* Fleet.hashOf(client, id)).toMatchObject({ at: "label", state: "waiting", deliveries: "0" })
    })
  )

  it.live("A2 a run without a report in a process that lives is no crash, and is told from one", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      const again = { ...holding, token: "hand:again" }
      expect(yield* client.run(Fleet.begin(again))).toEqual({ _tag: "Suspect", record: 1_000_000, fresh: true })
    })
  )

  it.live("A2 a settled result sets a job's record back to zero", () =>
    Effect.gen(function* () {
      const { client, holding, id } = yield* crashed()
      yield* client.run(Fleet.begin(holding))
      yield* client.run(Fleet.begin(holding, "run"))
      yield* client.run(Fleet.defer(holding, { delayMillis: 0 }))
      expect(yield* Fleet.hashOf(client, id)).toMatchObject({ deliveries: "0" })
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.commit(yield* hand.take("weigh")))
      yield* hand.take("label")
    })
  )
})

describe("fibers and the pending list", () => {
  it.live("A4 an entry lost between read and work is adopted while the process is idle", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors(), { mailboxCapacity: 100 })
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      const other = yield* client.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(other)), ({ state }) => state === "done")
      // what the process's own read brought, but never reached it: an entry read under its name behind its back
      const [partition] = (yield* client.run(Keyspace)).partitions
      const token = yield* worker.run(ActorSystem.use((system) => Effect.sync(() => system.token())))
      yield* client.send(
        "EVAL",
        `redis.call("XADD", KEYS[1], "*", "job", ARGV[2], "ts", 0)
         return redis.call("XREADGROUP", "GROUP", "workers", ARGV[1], "STREAMS", KEYS[1], ">")`,
        1,
        partition!.mailbox("parcel.weigh"),
        token,
        "9b2f0f7e-5b7f-4c63-9c52-000000000000"
      )
      expect(hand.name).toBe("hand")
      const letters = yield* Fleet.until(Fleet.lettersOf(client, "parcel.weigh"), (all) => all.length > 0)
      expect(letters).toMatchObject([{ cause: "JobGone", job: "9b2f0f7e-5b7f-4c63-9c52-000000000000" }])
    })
  )

  it.live(
    "A4 work on an entry that another process holds by now is interrupted, and nothing is recorded for that attempt",
    () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({
            weigh: () =>
              Deferred.succeed(begun, undefined).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
              )
          })
        )
        const client = yield* Fleet.joined(redis.url, { lease: Duration.minutes(1) })
        const thief = yield* Fleet.byHand(client, "thief")
        const id = yield* client.run(Fleet.submit())
        yield* Deferred.await(begun)
        const key = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!.mailbox("parcel.weigh")
        const [entry] = (yield* client.send("XRANGE", key, "-", "+")) as [[string]]
        yield* client.send("XCLAIM", key, "workers", thief.name, 0, entry[0])
        yield* Deferred.await(interrupted).pipe(Effect.timeout("3 seconds"))
        expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "running", attempts: 1 })
        expect(yield* Fleet.consumersOf(client, "parcel.weigh")).toMatchObject({ thief: 1 })
      })
  )
})

describe("an entry that no handler can work on", () => {
  it.live("A1 an entry that names no valid job becomes a dead letter and is not delivered again", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const [partition] = (yield* worker.run(Keyspace)).partitions
      yield* worker.send("XADD", partition!.mailbox("parcel.weigh"), "*", "hello", "world")
      yield* worker.send("XADD", partition!.mailbox("parcel.weigh"), "*", "job", "../../etc/passwd", "ts", "1")
      const letters = yield* Fleet.until(Fleet.lettersOf(worker, "parcel.weigh"), (all) => all.length === 2)
      expect(letters).toMatchObject([
        { cause: "EntryMalformed", hello: "world" },
        { cause: "EntryMalformed", job: "../../etc/passwd" }
      ])
      yield* Fleet.until(worker.run(Fleet.depthOf("parcel.weigh")), (depth) => depth === 0)
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    })
  )

  it.live(
    "A1 an entry whose job is gone leaves a JobGone letter, counted and logged; one whose job has ended is just removed",
    () =>
      Effect.gen(function* () {
        const counted = lettersCounted("JobGone")
        const before = yield* counted
        const client = yield* Fleet.joined(redis.url)
        const id = yield* client.run(Fleet.submit())
        const partition = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
        yield* client.send("XADD", partition.mailbox("parcel.weigh"), "*", "job", id, "ts", "1")
        const gone = yield* client.run(Fleet.submit({ owner: "bob" }))
        yield* client.send("DEL", keyNames.partitions(4)[Keys.partitionOf(gone, 4)]!.job(gone))
        const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        yield* Fleet.until(worker.run(Fleet.depthOf("parcel.weigh")), (depth) => depth === 0)
        expect(yield* Fleet.lettersOf(worker, "parcel.weigh")).toMatchObject([{ cause: "JobGone", job: gone }])
        expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
        yield* Fleet.until(counted, (count) => count === before + 1)
      })
  )

  it.live(
    "A1 an entry whose job is unreadable leaves a JobUnreadable letter, counted and logged; its keys expire",
    () =>
      Effect.gen(function* () {
        const counted = lettersCounted("JobUnreadable")
        const before = yield* counted
        const client = yield* Fleet.joined(redis.url)
        const id = yield* client.run(Fleet.submit())
        const partition = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
        yield* client.send("HSET", partition.job(id), "now", "waiting weigh")
        const beside = [partition.jobEvents(id), partition.jobImage(id), partition.jobCalls(id)]
        for (const key of beside) yield* client.send("SET", key, "left")
        const logs = LogLines.make()
        yield* Layer.build(
          Fleet.parcelBehaviors().pipe(
            Layer.provide(Worker.layer({ role: "test" })),
            Layer.provide(
              Layer.merge(RedisClient.layerUrl(redis.url), CoreConfig.layerWith({ lease: Duration.seconds(15) }))
            ),
            Layer.provide(logs.layer),
            Layer.fresh
          )
        )
        yield* logs.said("entry dead-lettered without an attempt")
        yield* Fleet.until(counted, (count) => count === before + 1)
        expect(yield* Fleet.lettersOf(client, "parcel.weigh")).toMatchObject([{ cause: "JobUnreadable", job: id }])
        for (const key of [partition.job(id), ...beside]) {
          expect(Number(yield* client.send("PTTL", key)), key).toBeGreaterThan(0)
        }
      })
  )
})

describe("a late begin", () => {
  it.live("A1 a begin whose entry was acknowledged, or whose mailbox is gone, changes nothing in the job", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      const mailbox = holding.partition.mailbox("parcel.weigh")
      const other = { ...holding, token: "other:1" }
      const before = yield* Fleet.hashOf(client, id)
      yield* client.send("XACK", mailbox, Mailbox.group, holding.entry)
      expect(yield* client.run(Fleet.begin(other))).toEqual({ _tag: "Dropped", reason: "moved" })
      yield* client.send("DEL", mailbox)
      expect(yield* client.run(Fleet.begin(other))).toEqual({ _tag: "Dropped", reason: "moved" })
      expect(yield* Fleet.hashOf(client, id)).toEqual(before)
    })
  )

  it.live(
    "A1 a begin with a stray entry removes that entry, both when another entry stands for the job and when the job has ended",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        const id = yield* client.run(Fleet.submit())
        const holding = yield* hand.take("weigh")
        const stray = Effect.gen(function* () {
          yield* client.send("XADD", holding.partition.mailbox("parcel.weigh"), "*", "job", id, "ts", "1")
          const [entry] = yield* hand.read("weigh")
          return yield* client.run(Fleet.begin(entry!))
        })
        expect(yield* stray).toEqual({ _tag: "Dropped", reason: "moved" })
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
        yield* client.run(Fleet.cancel(id))
        expect(yield* stray).toEqual({ _tag: "Dropped", reason: "over" })
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
        expect(yield* Fleet.consumersOf(client, "parcel.weigh")).toEqual({ hand: 0 })
      })
  )

  it.live("A1 a late begin leaves no letter for a job that it cannot read, when its entry is gone", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const [holding] = yield* hand.read("weigh")
      const { entry, partition } = holding!
      yield* client.send("XACK", partition.mailbox("parcel.weigh"), Mailbox.group, entry)
      yield* client.send("XDEL", partition.mailbox("parcel.weigh"), entry)
      yield* client.send("HSET", partition.job(id), "now", "waiting weigh")
      expect(yield* client.run(Fleet.begin(holding!))).toEqual({ _tag: "Dropped", reason: "moved" })
      expect(yield* Fleet.lettersOf(client, "parcel.weigh")).toEqual([])
      expect(Number(yield* client.send("PTTL", partition.job(id)))).toBe(-1)
    })
  )

  it.live(
    "J1 a begin that cannot read the job's fence ends the job: a letter is left, entry and timer go, the hash expires with it",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        const id = yield* client.run(Fleet.submit())
        const [holding] = yield* hand.read("weigh")
        const { partition } = holding!
        yield* client.send("HSET", partition.job(id), "now", "waiting weigh")
        const beside = [partition.jobEvents(id), partition.jobImage(id), partition.jobCalls(id)]
        for (const key of beside) yield* client.send("SET", key, "left")
        expect(yield* client.run(Fleet.begin(holding!))).toEqual({ _tag: "Dropped", reason: "unreadable" })
        // sent twice, as after a lost reply: no second letter
        expect((yield* client.run(Fleet.begin(holding!)))._tag).toBe("Dropped")
        expect(yield* Fleet.lettersOf(client, "parcel.weigh")).toMatchObject([{ cause: "JobUnreadable", job: id }])
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
        expect(yield* client.send("EXISTS", partition.timers)).toBe(0)
        const week = 7 * 24 * 3_600_000
        expect(Number(yield* client.send("PTTL", partition.job(id)))).toBeGreaterThan(week - 10_000)
      })
  )
})

describe("Redis after data loss", () => {
  it.live("a worker whose Redis lost all data makes mailboxes and its lease again, and completes new jobs", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const client = yield* Fleet.joined(redis.url)
      const before = yield* client.run(Fleet.submit())
      yield* Fleet.until(client.run(Fleet.jobOf(before)), ({ state }) => state === "done")
      yield* redis.flush
      const id = yield* client.run(Fleet.submit())
      yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(ActorSystem.use((system) => Effect.sync(() => system.trouble())))).toBe(null)
    })
  )
})
