/** Pictures that users upload before their scans: what they take of Redis, and how long they stay. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as UploadedPictures from "../../../packages/core/src/job/UploadedPictures.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const KiB = 1024
const joined = Effect.gen(function* () {
  const process = yield* Fleet.joined(redis.url, { userImageStorage: 1_000 * KiB })
  const use = <A, E>(
    work: (pictures: UploadedPictures.UploadedPictures["Service"]) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    process.run(Effect.provide(Effect.flatMap(UploadedPictures.UploadedPictures, work), UploadedPictures.layer))
  return { process, use }
})
let made = 0
const nextId = () => UploadedPictures.makeId(1_700_000_000_000 + made++)
const image = (bytes: number, value = 7) => new Uint8Array(bytes).fill(value)
const full = { _tag: "ImagesFull", owner: "ann" }

it.live("a picture is there for its owner alone, with the bytes that were kept last under its id", () =>
  Effect.gen(function* () {
    const { use } = yield* joined
    const id = nextId()
    expect(yield* use((pictures) => pictures.size("ann", id))).toBe(null)
    yield* use((pictures) => pictures.keep("ann", id, image(100)))
    yield* use((pictures) => pictures.keep("ann", id, image(90, 9)))
    expect(yield* use((pictures) => pictures.size("ann", id))).toBe(90)
    expect(yield* use((pictures) => pictures.read("ann", id))).toEqual(Buffer.from(image(90, 9)))
    yield* use((pictures) => pictures.drop("ann", id))
    expect(yield* use((pictures) => pictures.read("ann", id))).toBe(null)
  })
)

it.live("pictures and images of jobs share USER_IMAGE_STORAGE, and a refused picture leaves nothing", () =>
  Effect.gen(function* () {
    const { process, use } = yield* joined
    yield* use((pictures) => pictures.keep("ann", nextId(), image(600 * KiB)))
    yield* process.run(Fleet.submit({ owner: "ann", image: image(400 * KiB) }))
    const before = yield* Fleet.keysOf(process)
    const refused = use((pictures) => pictures.keep("ann", nextId(), image(1)))
    expect(yield* Effect.flip(refused)).toMatchObject(full)
    expect(yield* Effect.flip(process.run(Fleet.submit({ owner: "ann", image: image(1) })))).toMatchObject(full)
    expect(yield* Effect.flip(use((pictures) => pictures.mark("ann", nextId(), 1)))).toMatchObject(full)
    expect(yield* Fleet.keysOf(process)).toEqual(before)
    yield* use((pictures) => pictures.keep("bob", nextId(), image(1_000 * KiB)))
  })
)

it.live("a picture that is put again counts once, and small ones count as 64 KiB", () =>
  Effect.gen(function* () {
    const { use } = yield* joined
    const id = nextId()
    for (let n = 0; n < 20; n++) yield* use((pictures) => pictures.keep("ann", id, image(1)))
    for (let n = 1; n < 15; n++) yield* use((pictures) => pictures.mark("ann", nextId(), 1))
    expect(yield* Effect.flip(use((pictures) => pictures.keep("ann", nextId(), image(1))))).toMatchObject(full)
    yield* use((pictures) => pictures.keep("ann", id, image(64 * KiB)))
  })
)

it.live("used pictures make room, the oldest first; those that no scan has used do not", () =>
  Effect.gen(function* () {
    const { process, use } = yield* joined
    const ids = Array.from({ length: 5 }, nextId)
    for (const id of ids) yield* use((pictures) => pictures.keep("ann", id, image(200 * KiB)))
    for (const id of ids.slice(0, 3).toReversed()) expect(yield* use((pictures) => pictures.use("ann", id))).toBe(true)
    const present = Effect.map(
      Effect.forEach(ids, (id) => use((pictures) => pictures.size("ann", id))),
      (sizes) => sizes.map((size) => size !== null)
    )
    yield* use((pictures) => pictures.keep("ann", nextId(), image(100 * KiB)))
    expect(yield* present).toEqual([false, true, true, true, true])
    yield* process.run(Fleet.submit({ owner: "ann", image: image(200 * KiB) }))
    expect(yield* present).toEqual([false, false, true, true, true])
    // what would not fit even without them takes none of them away
    expect(yield* Effect.flip(use((pictures) => pictures.keep("ann", nextId(), image(301 * KiB))))).toMatchObject(full)
    expect(yield* present).toEqual([false, false, true, true, true])
  })
)

it.live("a picture expires after JOB_DEADLINE and JOB_TTL, from its last use on", () =>
  Effect.gen(function* () {
    const { process, use } = yield* joined
    const [kept, marked] = [nextId(), nextId()]
    yield* use((pictures) => pictures.keep("ann", kept, image(1)))
    yield* use((pictures) => pictures.mark("ann", marked, 5 * KiB))
    expect(yield* use((pictures) => pictures.size("ann", marked))).toBe("elsewhere")
    const keys = (yield* Fleet.keysOf(process)).filter((key) => key.includes(":picture:"))
    expect(keys.length).toBe(2)
    for (const key of keys) {
      expect(yield* process.send("PTTL", key)).toBeGreaterThan(7_000_000)
      yield* process.send("PEXPIRE", key, 60_000)
    }
    for (const id of [kept, marked]) yield* use((pictures) => pictures.use("ann", id))
    for (const key of keys) expect(yield* process.send("PTTL", key)).toBeGreaterThan(7_000_000)
    expect(yield* use((pictures) => pictures.use("ann", nextId()))).toBe(false)
  })
)
