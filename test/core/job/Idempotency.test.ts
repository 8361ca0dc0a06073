/** The same (user, idempotency key) is one job, however concurrent or repeated (J6). */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { JobStore, Pipeline } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const parcel = (options: {
  readonly weight?: number
  readonly owner?: string | null
  readonly key: string | null
  readonly body?: string
  readonly image?: Uint8Array
}) => {
  const { weight = 2, owner = "ann", ...rest } = options
  return Pipeline.submit(Fleet.ParcelPipeline, { weight }, { owner, ...rest })
}
const picture = new Uint8Array(Buffer.from("a picture"))
const imageOf = (id: Parameters<JobStore.JobStore["Service"]["image"]>[0]) =>
  Effect.map(
    JobStore.JobStore.use((store) => store.image(id)),
    (bytes) => bytes?.toString() ?? null
  )

describe("Pipeline.submit", () => {
  for (const image of [undefined, picture]) {
    it.live(
      `J6 fifty submits ${image ? "with an image " : ""}at once under one key, from two processes, are one job`,
      () =>
        Effect.gen(function* () {
          const [one, two] = [yield* Fleet.joined(redis.url), yield* Fleet.joined(redis.url)]
          const options = image === undefined ? { key: "k" } : { key: "k", image }
          const all = yield* Effect.forEach(
            Array.from({ length: 50 }, (_, i) => i),
            (i) => (i % 2 === 0 ? one : two).run(parcel(options)),
            { concurrency: "unbounded" }
          )
          expect(new Set(all.map(({ id }) => id)).size).toBe(1)
          expect(all.filter(({ created }) => created).length).toBe(1)
          expect(yield* one.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
          expect(yield* one.run(Fleet.toldOf(all[0]!.id))).toEqual(["queued/started"])
          if (image) expect(yield* one.run(imageOf(all[0]!.id))).toBe("a picture")
          expect((yield* Fleet.keysOf(one)).filter((key) => key.includes(":upload:"))).toEqual([])
        })
    )
  }

  it.live("J6 another body under the key is refused, and neither the job nor its image changes", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const { id } = yield* client.run(parcel({ key: "k", image: picture }))
      const refusal = yield* Effect.flip(client.run(parcel({ key: "k", weight: 3, image: new Uint8Array([1]) })))
      expect(refusal).toMatchObject({ _tag: "IdempotencyConflict", jobId: id })
      expect((yield* client.run(Fleet.jobOf(id))).input).toEqual({ weight: 2 })
      expect(yield* client.run(imageOf(id))).toBe("a picture")
      expect((yield* Fleet.keysOf(client)).filter((key) => key.includes(":upload:"))).toEqual([])
    })
  )

  it.live("J6 a repeated submit finds the job in any state, and never changes an open job's image", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const first = yield* client.run(parcel({ key: "k", image: picture }))
      const other = { key: "k", body: '{"weight":2}', image: new Uint8Array([1, 2, 3]) }
      expect(yield* client.run(parcel(other))).toEqual({ id: first.id, created: false })
      const holding = yield* hand.take("weigh")
      expect(yield* client.run(parcel(other))).toEqual({ id: first.id, created: false })
      expect(yield* client.run(imageOf(first.id))).toBe("a picture")
      yield* client.run(Fleet.bury(holding))
      expect(yield* client.run(parcel(other))).toEqual({ id: first.id, created: false })
      expect(yield* client.run(Fleet.toldOf(first.id))).toEqual(["queued/started", "weigh/started", "failed/failed"])
    })
  )

  it.live("J6 a repeated submit that had uploaded its image again leaves no upload behind", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const { id } = yield* client.run(parcel({ key: "k", image: picture }))
      const job = yield* client.run(Fleet.jobOf(id))
      const about = yield* client.send("HGET", keyNames.partitions(4)[Keys.partitionOf(id, 4)]!.job(id), "about")
      const { hash } = JSON.parse(String(about))
      const upload = yield* client.run(JobStore.JobStore.use((store) => store.upload(id, new Uint8Array([9]))))
      const again = yield* client.run(
        JobStore.JobStore.use((store) =>
          store.submit({ ...job, bodyHash: String(hash), input: JSON.stringify(job.input), upload })
        )
      )
      expect(again).toEqual({ created: false, ended: false })
      expect(yield* client.run(imageOf(id))).toBe("a picture")
      expect((yield* Fleet.keysOf(client)).filter((key) => key.includes(":upload:"))).toEqual([])
    })
  )

  for (const [what, damage, answer] of [
    ["has no fence", ["HDEL", "now"], "known"],
    ["has a fence of another make", ["HSET", "now", "waiting weigh"], "known"],
    ["does not say what was submitted", ["HDEL", "about"], "refused"],
    ["says what was submitted in another way", ["HSET", "about", "?"], "refused"]
  ] as const) {
    it.live(`J6 a job whose hash ${what} is not accepted a second time: the repeated submit is ${answer}`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const { id } = yield* client.run(parcel({ key: "k" }))
        const [command, ...rest] = damage
        yield* client.send(command, keyNames.partitions(4)[Keys.partitionOf(id, 4)]!.job(id), ...rest)
        const repeat = yield* Effect.result(client.run(parcel({ key: "k" })))
        if (answer === "known") expect(repeat).toMatchObject({ _tag: "Success", success: { id, created: false } })
        else expect(repeat).toMatchObject({ _tag: "Failure", failure: { _tag: "IdempotencyConflict" } })
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
      })
    )
  }

  it.live("J6 keys are separate for each user and pipeline, and a submit without a key is always a new job", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const ids = yield* Effect.forEach(
        [
          { key: "k" },
          { key: "k", owner: "bob" },
          { key: "k", owner: null },
          { key: "l" },
          { key: null },
          { key: null }
        ],
        (options) => client.run(parcel(options))
      )
      expect(new Set(ids.map(({ id }) => id)).size).toBe(6)
      expect(ids.every(({ created }) => created)).toBe(true)
    })
  )

  it.live("a job is stored in its owner's partition, with or without a key", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      for (const owner of ["ann", "bob", "cleo", "dave", "이코"]) {
        for (const key of ["k", null]) {
          const { id } = yield* client.run(parcel({ owner, key }))
          expect(Keys.partitionOf(id, 4)).toBe(Keys.partitionOf(owner, 4))
        }
      }
    })
  )
})

describe("a refused submit", () => {
  it.live("a submit refused with MailboxFull stores nothing, not even its image; entries in work count as depth", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { mailboxCapacity: 8 }) // two in each partition
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(parcel({ key: "1" }))
      yield* client.run(parcel({ key: "2" }))
      yield* hand.read("weigh")
      const before = yield* Fleet.keysOf(client)
      for (const options of [{ key: "3" }, { key: null, image: picture }, { key: "4", image: picture }]) {
        const refusal = yield* Effect.flip(client.run(parcel(options)))
        expect(refusal).toMatchObject({ _tag: "MailboxFull", mailbox: "parcel.weigh", depth: 2 })
      }
      expect(yield* Fleet.keysOf(client)).toEqual(before)
      expect(yield* client.run(parcel({ key: "1" }))).toMatchObject({ created: false })
    })
  )

  it.live("a submit refused with UploadGone, as its bytes had expired, leaves no job", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const { id } = yield* client.run(parcel({ key: "a" }))
      const job = yield* client.run(Fleet.jobOf(id))
      const other = yield* client.run(parcel({ key: "b" }))
      yield* redis.flush
      const refusal = yield* Effect.flip(
        client.run(
          JobStore.JobStore.use((store) =>
            store.submit({
              ...job,
              id: other.id,
              bodyHash: "h",
              input: "{}",
              upload: "9b2f0f7e-5b7f-4c63-9c52-000000000000"
            })
          )
        )
      )
      expect(refusal).toMatchObject({ _tag: "UploadGone" })
      expect(yield* Fleet.keysOf(client)).toEqual([])
    })
  )
})
