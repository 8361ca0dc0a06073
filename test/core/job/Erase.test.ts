/** Erasing a user's jobs: all that is over, with every key, and nothing of others. */
import { expect, it } from "@effect/vitest"
import { JobStore } from "@eco2/core"
import { Effect } from "effect"
import * as UploadedPictures from "../../../packages/core/src/job/UploadedPictures.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const erase = (owner: string) => JobStore.JobStore.use((store) => Effect.orDie(store.erase(owner)))
const ofOwner = (owner: string) => JobStore.JobStore.use((store) => store.ofOwner(owner))

it.live("a user's jobs that are over are erased with all their keys and letters, open ones and other users' stay", () =>
  Effect.gen(function* () {
    const fleet = yield* Fleet.joined(redis.url)
    const hand = yield* Fleet.byHand(fleet, "hand")
    const [cancelled, failed] = [
      yield* fleet.run(Fleet.submit({ owner: "ann", image: Buffer.from("picture") })),
      yield* fleet.run(Fleet.submit({ owner: "ann" }))
    ]
    yield* fleet.run(Fleet.cancel(cancelled))
    yield* fleet.run(Fleet.bury(yield* hand.take("weigh")))
    expect(yield* Fleet.lettersOf(fleet, "parcel.weigh")).toHaveLength(1)
    const open = yield* fleet.run(Fleet.submit({ owner: "ann" }))
    const others = yield* fleet.run(Fleet.eventful({ owner: "bob" }))

    const first = yield* fleet.run(erase("ann"))
    expect(first).toEqual({ at: expect.any(Number), erased: 2, open: [open] })
    expect(Math.abs(first.at - Number(yield* Fleet.timeOf(fleet)))).toBeLessThan(60_000)
    const keys = yield* Fleet.keysOf(fleet)
    expect(keys.filter((key) => key.includes(cancelled) || key.includes(failed))).toEqual([])
    expect(yield* Fleet.lettersOf(fleet, "parcel.weigh")).toEqual([])
    expect(yield* fleet.run(ofOwner("ann"))).toEqual([open])
    expect(yield* fleet.run(erase("ann"))).toMatchObject({ erased: 0, open: [open] })

    yield* fleet.run(Fleet.cancel(open))
    expect(yield* fleet.run(erase("ann"))).toMatchObject({ erased: 1, open: [] })
    const left = yield* Fleet.keysOf(fleet)
    expect(left.filter((key) => key.includes(open) || /:(jobs|images):ann$/.test(key))).toEqual([])
    expect(left.filter((key) => key.includes(others)).length).toBeGreaterThan(0)
    expect(yield* fleet.run(ofOwner("bob"))).toEqual([others])
  })
)

it.live("pictures that a user uploaded are erased too, once no job of the user is open", () =>
  Effect.gen(function* () {
    const fleet = yield* Fleet.joined(redis.url)
    const keep = (owner: string) =>
      UploadedPictures.UploadedPictures.use((pictures) =>
        Effect.orDie(pictures.keep(owner, UploadedPictures.makeId(Date.now()), new Uint8Array(100)))
      ).pipe(Effect.provide(UploadedPictures.layer))
    const pictures = Effect.map(Fleet.keysOf(fleet), (keys) => keys.filter((key) => key.includes(":picture:")).length)
    yield* fleet.run(keep("ann"))
    yield* fleet.run(keep("bob"))
    const open = yield* fleet.run(Fleet.submit({ owner: "ann" }))
    yield* fleet.run(erase("ann"))
    expect(yield* pictures).toBe(2)
    yield* fleet.run(Fleet.cancel(open))
    yield* fleet.run(erase("ann"))
    expect(yield* pictures).toBe(1)
  })
)

it.live("a stage in work whose job is erased records nothing, and its entry is gone", () =>
  Effect.gen(function* () {
    const fleet = yield* Fleet.joined(redis.url)
    const hand = yield* Fleet.byHand(fleet, "hand")
    const id = yield* fleet.run(Fleet.submit({ owner: "ann" }))
    const holding = yield* hand.take("weigh")
    yield* fleet.run(Fleet.cancel(id))
    yield* fleet.run(erase("ann"))
    expect((yield* fleet.run(Fleet.commit(holding))).outcome).toBe("gone")
    expect((yield* Fleet.keysOf(fleet)).filter((key) => key.includes(id))).toEqual([])
    expect(yield* fleet.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
  })
)
