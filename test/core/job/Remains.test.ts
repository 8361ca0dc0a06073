/** What is stored of a job, and for how long: nothing expires while it is open, and little is left after its end. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { JobStore } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"
import * as KeyTables from "../../harness/KeyTables.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const image = new Uint8Array(Buffer.from("a picture"))
const hour = 3_600_000
const week = 7 * 24 * hour

/** Milliseconds each of the job's keys lives on, -1 for ever, -2 not there. */
const lives = Effect.fnUntraced(function* (process: Fleet.Process<Fleet.Services>, holding: JobStore.Holding) {
  const { id, partition } = holding
  const ttl = (key: string) => Effect.map(process.send("PTTL", key), Number)
  return {
    job: yield* ttl(partition.job(id)),
    // -2: its history is implied
    events: yield* ttl(partition.jobEvents(id)),
    image: yield* ttl(partition.jobImage(id)),
    timers: Number(yield* process.send("EXISTS", partition.timers))
  }
})
const about = (millis: number) => expect.toSatisfy((seen: number) => seen > millis - 10_000 && seen <= millis)

describe("what an ended job leaves", () => {
  it.live("no key of an open job expires, whether it waits, runs or stands on a timer", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit({ image }))
      const holding = yield* hand.take("weigh")
      expect(yield* lives(client, holding)).toEqual({ job: -1, events: -2, image: -1, timers: 1 })
      yield* client.run(Fleet.defer(holding))
      expect(yield* lives(client, holding)).toEqual({ job: -1, events: -1, image: -1, timers: 1 })
    })
  )

  it.live("a job's image is deleted by the commit of the last stage that reads it", () =>
    Effect.gen(function* () {
      const seen: Array<string | null> = []
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, job) =>
            Effect.orDie(job.image).pipe(
              Effect.map((bytes) => {
                seen.push(bytes?.toString() ?? null)
                return { grams: 1 }
              })
            )
        })
      )
      const id = yield* worker.run(Fleet.submit({ image }))
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(seen).toEqual(["a picture"])
      expect(yield* worker.run(JobStore.JobStore.use((store) => store.image(id)))).toBe(null)
    })
  )

  it.live("a finished job is kept for JOB_TTL from its end", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit({ image }))
      let holding = yield* hand.take("weigh")
      for (const next of ["label", "ship"]) {
        yield* client.run(Fleet.commit(holding))
        holding = yield* hand.take(next)
      }
      yield* client.run(Fleet.commit(holding))
      expect(yield* lives(client, holding)).toEqual({ job: about(hour), events: -2, image: -2, timers: 0 })
    })
  )

  it.live("a cancelled job and its image are kept for JOB_TTL", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit({ image }))
      const holding = yield* hand.take("weigh")
      yield* client.run(Fleet.cancel(id))
      expect(yield* lives(client, holding)).toEqual({
        job: about(hour),
        events: about(hour),
        image: about(hour),
        timers: 0
      })
    })
  )

  it.live("a job with a letter is kept as long as the letter, and its image for JOB_TTL", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit({ image }))
      const holding = yield* hand.take("weigh")
      yield* client.run(Fleet.bury(holding))
      expect(yield* lives(client, holding)).toEqual({
        job: about(week),
        events: about(week),
        image: about(hour),
        timers: 0
      })
    })
  )

  it.live("an upload without a job expires after two minutes", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const upload = yield* client.run(JobStore.JobStore.use((store) => store.upload(id, image)))
      const key = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!.upload(upload)
      expect(yield* client.send("PTTL", key)).toEqual(about(120_000))
    })
  )

  it.live("once JOB_TTL has passed, only lasting keys of the key table remain, and every key is in the table", () =>
    Effect.gen(function* () {
      const short = { jobTtl: Duration.millis(50), letterTtl: Duration.millis(50) }
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: ({ input }) => (input.weight > 1 ? Effect.succeed({ grams: 1 }) : Effect.fail(new Fleet.ScaleBroken()))
        }),
        short
      )
      const client = yield* Fleet.joined(redis.url, short)
      const hand = yield* Fleet.byHand(client, "hand")
      const done = yield* worker.run(Fleet.submit({ image }))
      const cancelled = yield* worker.run(Fleet.submit({ owner: "bob" }))
      yield* worker.run(Fleet.cancel(cancelled))
      const seen = new Set<string>()
      const look = Effect.tap(Fleet.keysOf(client), (keys) => Effect.sync(() => keys.forEach((key) => seen.add(key))))
      yield* Fleet.until(look, (keys) => !keys.some((key) => key.includes(done)))
      yield* worker.stop
      yield* client.run(Fleet.submit({ image }))
      yield* client.run(Fleet.bury(yield* hand.take("weigh")))
      const left = yield* Fleet.until(look, (keys) => keys.every((key) => KeyTables.rowOf(key)?.remains === true))
      expect([...seen].filter((key) => KeyTables.rowOf(key) === undefined)).toEqual([])
      for (const key of seen) expect(KeyTables.table.filter((row) => row === KeyTables.rowOf(key)).length).toBe(1)
      for (const key of left) expect(yield* client.send("TYPE", key)).toBe(KeyTables.rowOf(key)!.type)
    })
  )

  /** Entries of long ago: more than Redis keeps together in one node of a stream, which it drops as a whole or not at all. */
  const longAgo = (client: Fleet.Process<Fleet.Services>, stream: string) =>
    Effect.forEach(
      Array.from({ length: 250 }, (_, i) => `${i + 1}-0`),
      (id) => client.send("XADD", stream, id, "e", ""),
      {
        concurrency: "unbounded",
        discard: true
      }
    )

  it.live("the live stream keeps a minute of events: new events and served timers trim what is older", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const now = Math.round(yield* Fleet.timeOf(client))
      const { partition } = yield* Effect.map(client.run(Fleet.submit()), (id) => ({
        partition: keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
      }))
      yield* longAgo(client, partition.events)
      yield* client.send("XADD", partition.events, `${now - 70_000}-0`, "e", "")
      yield* client.send("XADD", partition.events, `${now - 50_000}-0`, "e", "")
      yield* client.run(Fleet.eventful())
      expect(Number(yield* client.send("XLEN", partition.events))).toBeLessThan(200)
      yield* client.run(Fleet.promote)
      const [oldest] = (yield* client.send("XRANGE", partition.events, "-", "+")) as ReadonlyArray<readonly [string]>
      expect(oldest![0]).toBe(`${now - 50_000}-0`)
      expect(yield* client.send("XLEN", partition.events)).toBe(2)
    })
  )

  it.live("writing a dead letter of any kind drops the mailbox's letters past their retention", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const old = "parcel.weigh"
      const few = Effect.fnUntraced(function* (dead: string, write: Effect.Effect<unknown>) {
        yield* client.send("DEL", dead)
        yield* longAgo(client, dead)
        yield* write
        const length = Number(yield* client.send("XLEN", dead))
        expect(length).toBeGreaterThan(0)
        expect(length).toBeLessThan(200)
      })
      for (let i = 0; i < 2; i++) yield* client.run(Fleet.submit())
      const [first, second] = yield* hand.read("weigh")
      const { partition } = first!
      yield* client.run(Fleet.begin(first!))
      yield* few(partition.dead(old), client.run(Fleet.bury(first!)))
      yield* client.send("DEL", partition.job(second!.id))
      yield* few(partition.dead(old), client.run(Fleet.begin(second!)))
    })
  )

  it.live("serving timers drops dead letters past their retention", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { letterTtl: Duration.millis(20) })
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      yield* client.run(Fleet.bury(yield* hand.take("weigh")))
      const left = yield* Fleet.until(
        Effect.andThen(client.run(Fleet.promote), Fleet.lettersOf(client, "parcel.weigh")),
        (letters) => letters.length === 0
      )
      expect(left).toEqual([])
    })
  )
})
