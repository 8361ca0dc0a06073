/** What is submitted is bounded in bytes, part by part; a refusal says which, and nothing has happened. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Pipeline } from "@eco2/core"
import * as PayloadLimit from "../../../packages/core/src/redis/PayloadLimit.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const parcel = (given: {
  readonly note?: string
  readonly owner?: string
  readonly key?: string
  readonly image?: Uint8Array
}) =>
  Pipeline.submit(
    Fleet.ParcelPipeline,
    { weight: 2, note: given.note ?? "" },
    {
      owner: given.owner ?? "ann",
      key: given.key ?? null,
      ...(given.image === undefined ? {} : { image: given.image })
    }
  )
/** Bytes of the input around the note. */
const around = JSON.stringify({ weight: 2, note: "" }).length
const { mostBytes, mostImageBytes, mostNameBytes } = PayloadLimit

describe("limits of a submit", () => {
  for (const [part, most, of] of [
    ["input", mostBytes, (bytes: number) => ({ note: "n".repeat(bytes - around) })],
    ["image", mostImageBytes, (bytes: number) => ({ image: new Uint8Array(bytes) })],
    ["owner", mostNameBytes, (bytes: number) => ({ owner: "o".repeat(bytes) })],
    ["key", mostNameBytes, (bytes: number) => ({ key: "k".repeat(bytes) })]
  ] as const) {
    it.live(`a submit whose ${part} is one byte over ${most} is refused and stores nothing; at ${most} it passes`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const before = yield* Fleet.keysOf(client)
        const refusal = yield* Effect.flip(client.run(parcel({ image: new Uint8Array([1]), ...of(most + 1) })))
        expect(refusal).toMatchObject({ _tag: "InputTooLarge", part, bytes: most + 1, most })
        expect(refusal.message).toBe(`the ${part} has ${most + 1} bytes, allowed are ${most}`)
        expect(yield* Fleet.keysOf(client)).toEqual(before)
        expect((yield* client.run(parcel(of(most)))).created).toBe(true)
      })
    )
  }

  it.live("the size of a submit is measured in bytes of UTF-8, not in characters", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const refusal = yield* Effect.flip(client.run(parcel({ note: "쓰레기".repeat(mostBytes / 9 + 1) })))
      expect(refusal).toMatchObject({ _tag: "InputTooLarge", part: "input" })
      expect(yield* Effect.flip(client.run(parcel({ owner: "é".repeat(513) })))).toMatchObject({ bytes: 1026 })
    })
  )
})
