/** How full a mailbox is: its waiting and pending entries and the age of the oldest, whether or not it is served. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Mailbox } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const depths = (...mailboxes: ReadonlyArray<string>) =>
  Mailbox.Mailbox.use((service) => Effect.orDie(service.depths(mailboxes)))
const nothing = { entries: 0, leased: 0, oldestMillis: 0, due: 0, letters: 0 }

describe("Mailbox.depths", () => {
  it.live("a mailbox's depth counts waiting and pending entries; its age is its oldest entry's, never below 0", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const later = yield* Fleet.joined(redis.url, { clockOffsetMillis: 60_000 })
      const before = yield* Fleet.joined(redis.url, { clockOffsetMillis: -60_000 })
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      yield* hand.read("weigh")
      yield* client.run(Fleet.submit())
      const [weigh, label] = yield* later.run(depths("parcel.weigh", "parcel.label"))
      expect(weigh).toMatchObject({ entries: 2, leased: 1 })
      expect(Math.floor(weigh!.oldestMillis / 10_000)).toBe(6)
      expect(label).toEqual(nothing)
      // in every partition, or an empty one's 0 would hide it
      for (let i = 0; i < 20; i++) yield* client.run(Fleet.submit({ owner: `owner ${i}` }))
      expect((yield* before.run(depths("parcel.weigh")))[0]!.oldestMillis).toBe(0)
    })
  )

  it.live(
    "a mailbox's due count holds retries, parked jobs and delayed messages of the next minute, no later ones, no deadlines",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url, { redriveInterval: Duration.seconds(30) })
        const hand = yield* Fleet.byHand(client, "hand")
        for (let i = 0; i < 4; i++) yield* client.run(Fleet.submit())
        const [soon, late, parked] = yield* hand.read("weigh")
        for (const holding of [soon!, late!, parked!]) yield* client.run(Fleet.begin(holding))
        yield* client.run(Fleet.defer(soon!, { delayMillis: 30_000 }))
        yield* client.run(Fleet.defer(late!, { delayMillis: 120_000 }))
        yield* client.run(Fleet.bury(parked!, "ScaleBroken", 1))
        const partition = (yield* client.run(Keyspace)).of("ann")
        const message = "m:9b2f0f7e-5b7f-4c63-9c52-000000000000"
        yield* client.send("HSET", partition.later, message, '{"mailbox":"notes","type":"Note","body":"{}"}')
        yield* client.send("ZADD", partition.timers, Math.floor(yield* Fleet.timeOf(client)) + 10_000, message)
        const [weigh, label, notes] = yield* client.run(depths("parcel.weigh", "parcel.label", "notes"))
        expect([weigh!.due, label!.due, notes!.due]).toEqual([2, 0, 1])
        expect(weigh!.entries).toBe(1)
      })
  )

  it.live("a job in work that was deferred once is not counted as due before its deadline", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      yield* client.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 30_000 }))
      const later = yield* Fleet.joined(redis.url, { clockOffsetMillis: 40_000 })
      yield* later.run(Fleet.promote)
      yield* hand.take("weigh")
      const nearDeadline = yield* Fleet.joined(redis.url, { clockOffsetMillis: 3_600_000 - 30_000 })
      expect((yield* nearDeadline.run(depths("parcel.weigh")))[0]).toMatchObject({
        entries: 1,
        leased: 1,
        due: 0,
        letters: 0
      })
    })
  )

  it.live("a mailbox that no worker has served counts its waiting entries, and one without entries counts 0", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* client.run(Fleet.submit())
      const [weigh, label] = yield* client.run(depths("parcel.weigh", "parcel.label"))
      expect([weigh!.entries, weigh!.leased, label]).toEqual([1, 0, nothing])
    })
  )
})

describe("Lease.held", () => {
  it.live(
    "A4 a process reads its own pending entries of each mailbox, served or not, and other consumers' names only on demand",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        const other = yield* Fleet.byHand(client, "other")
        yield* client.run(Fleet.submit())
        const [mine] = yield* hand.read("weigh")
        yield* client.run(Fleet.submit())
        yield* other.read("weigh")
        yield* client.run(Fleet.commit(mine!))
        yield* client.run(Fleet.submit())
        const [again] = yield* hand.read("weigh")
        yield* other.read("label")
        const held = (withOthers: boolean) =>
          client.run(
            Lease.Lease.use((lease) =>
              Effect.orDie(
                lease.held(mine!.partition, "hand", ["parcel.weigh", "parcel.label", "unserved"], withOthers)
              )
            )
          )
        const entries = [
          ["parcel.weigh", [again!.entry]],
          ["parcel.label", []],
          ["unserved", []]
        ]
        const asked = yield* held(true)
        expect([[...asked.mine], asked.others]).toEqual([entries, ["other"]])
        const unasked = yield* held(false)
        expect([[...unasked.mine], unasked.others]).toEqual([entries, []])
      })
  )
})
