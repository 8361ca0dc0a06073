/** A user's latest jobs can be listed without a search. */
import { expect, it } from "@effect/vitest"
import { JobStore } from "@eco2/core"
import { Effect } from "effect"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const ofOwner = (owner: string) => JobStore.JobStore.use((store) => store.ofOwner(owner))

it.live("a user's jobs are listed the newest first, each once however often it was submitted, and nobody else's", () =>
  Effect.gen(function* () {
    const fleet = yield* Fleet.joined(redis.url)
    const first = yield* fleet.run(Fleet.submit({ owner: "ann", key: "one" }))
    yield* fleet.run(Fleet.submit({ owner: "bob" }))
    const second = yield* fleet.run(Fleet.submit({ owner: "ann" }))
    expect(yield* fleet.run(Fleet.submit({ owner: "ann", key: "one" }))).toBe(first)
    expect(yield* fleet.run(ofOwner("ann"))).toEqual([second, first])
    expect(yield* fleet.run(ofOwner("carol"))).toEqual([])
  })
)

it.live("of many jobs of a user the latest hundred are listed, and the list expires with the last of them", () =>
  Effect.gen(function* () {
    const fleet = yield* Fleet.joined(redis.url)
    const ids: Array<string> = []
    for (let n = 0; n < 105; n++) ids.push(yield* fleet.run(Fleet.submit({ owner: "dan" })))
    expect(yield* fleet.run(ofOwner("dan"))).toEqual(ids.slice(5).toReversed())
    const keys = (yield* Fleet.keysOf(fleet)).filter((key) => key.includes(":jobs:dan"))
    expect(keys).toHaveLength(1)
  })
)
