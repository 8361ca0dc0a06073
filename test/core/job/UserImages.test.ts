/** USER_IMAGE_STORAGE: what the images of one user's jobs may take of Redis, so that one user cannot fill it for all. */
import { expect, it } from "@effect/vitest"
import { Pipeline } from "@eco2/core"
import { Effect } from "effect"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const KiB = 1024
const joined = () => Fleet.joined(redis.url, { userImageStorage: 1_000 * KiB })
const image = (bytes: number) => new Uint8Array(bytes)
const full = { _tag: "ImagesFull", owner: "ann" }

it.live(
  "a user's submits are refused once the images of the user's jobs take USER_IMAGE_STORAGE, and others' pass",
  () =>
    Effect.gen(function* () {
      const process = yield* joined()
      const submit = (owner: string, bytes: number) => process.run(Fleet.submit({ owner, image: image(bytes) }))
      yield* submit("ann", 600 * KiB)
      yield* submit("ann", 400 * KiB)
      const before = yield* Fleet.keysOf(process)
      expect(yield* Effect.flip(submit("ann", 1))).toMatchObject(full)
      // a refusal leaves nothing, not even the upload
      expect(yield* Fleet.keysOf(process)).toEqual(before)
      yield* submit("bob", 1_000 * KiB)
      yield* process.run(Fleet.submit({ owner: "ann" }))
    })
)

it.live("an image that is gone, because its last reader is done or its job has expired, makes room again", () =>
  Effect.gen(function* () {
    const process = yield* joined()
    const submit = (bytes: number) => process.run(Fleet.submit({ owner: "ann", image: image(bytes) }))
    const first = yield* submit(500 * KiB)
    yield* submit(500 * KiB)
    expect(yield* Effect.flip(submit(100 * KiB))).toMatchObject(full)
    const images = (yield* Fleet.keysOf(process)).filter((key) => key.includes(first) && key.endsWith(":image"))
    expect(images.length).toBe(1)
    yield* process.send("DEL", images[0]!)
    yield* submit(500 * KiB)
    expect(yield* Effect.flip(submit(100 * KiB))).toMatchObject(full)
  })
)

it.live("a repeated submit counts once, and a small image counts as 64 KiB", () =>
  Effect.gen(function* () {
    const process = yield* joined()
    const submit = (key?: string) =>
      process.run(Fleet.submit({ owner: "ann", image: image(1), ...(key === undefined ? {} : { key }) }))
    const first = yield* submit("once")
    for (let n = 0; n < 20; n++) expect(yield* submit("once")).toBe(first)
    for (let n = 1; n < 15; n++) yield* submit()
    expect(yield* Effect.flip(submit())).toMatchObject(full)
    expect(yield* submit("once")).toBe(first)
  })
)

it.live("thousands of images that are gone make room at once, however large USER_IMAGE_STORAGE is", () =>
  Effect.gen(function* () {
    const process = yield* Fleet.joined(redis.url, { userImageStorage: 20_000 * 64 * KiB })
    yield* process.run(Fleet.submit({ owner: "ann", image: image(1) }))
    const [key] = (yield* Fleet.keysOf(process)).filter((name) => name.includes(":images:"))
    const gone = Array.from({ length: 19_999 }, (_, n) => [`gone ${n}`, 64 * KiB]).flat()
    yield* process.send("HSET", key!, ...gone)
    yield* process.send("HSET", key!, "", 20_000 * 64 * KiB)
    yield* process.run(Fleet.submit({ owner: "ann", image: image(1) }))
    expect(yield* process.send("HLEN", key!)).toBe(3)
  })
)

it.live("images of jobs without an owner are not counted", () =>
  Effect.gen(function* () {
    const process = yield* joined()
    for (let n = 0; n < 3; n++)
      yield* process.run(
        Pipeline.submit(Fleet.ParcelPipeline, { weight: 1 }, { owner: null, key: null, image: image(600 * KiB) })
      )
    expect((yield* Fleet.keysOf(process)).filter((key) => key.includes(":images:"))).toEqual([])
  })
)
