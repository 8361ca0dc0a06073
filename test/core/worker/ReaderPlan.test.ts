/** What one read may ask for: never more than free slots, and every partition in its turn (A1). */
import { describe, expect, it } from "vitest"
import { plan } from "../../../packages/core/src/worker/Reader.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const frees = [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 100, 1000]
const cases = [1, 2, 4, 8].flatMap((n) =>
  frees.flatMap((a) =>
    frees.flatMap((b) => [0, 1, 5].map((turn) => ({ partitions: keyNames.partitions(n), a, b, turn })))
  )
)

describe("the reader's plan", () => {
  it("a read plan asks a full mailbox for nothing, and any other for at least one and at most its free slots", () => {
    for (const { a, b, partitions, turn } of cases) {
      const ask = plan(
        [
          ["a", a],
          ["b", b]
        ],
        partitions,
        turn
      )
      for (const [name, free] of [
        ["a", a],
        ["b", b]
      ] as const) {
        const streams = [...(ask?.streams.values() ?? [])].filter(({ mailbox }) => mailbox === name)
        const asked = streams.length * (ask?.count ?? 0)
        expect(asked).toBeLessThanOrEqual(free)
        expect(ask?.slots.get(name) ?? 0).toBe(asked)
        expect(streams.length > 0).toBe(free > 0)
      }
    }
  })

  it("a read plan without any free slot is null", () => {
    expect(plan([["a", 0]], keyNames.partitions(4), 0)).toBe(null)
    expect(plan([], keyNames.partitions(4), 0)).toBe(null)
  })

  it("a read plan with enough free slots asks every partition, and says when it left some out", () => {
    for (const { a, b, partitions, turn } of cases) {
      const ask = plan(
        [
          ["a", a],
          ["b", b]
        ],
        partitions,
        turn
      )
      if (ask === null) continue
      const enough = [a, b].every((free) => free === 0 || free >= partitions.length)
      expect(ask.partial.size === 0).toBe(enough)
      if (enough) expect(ask.streams.size).toBe(partitions.length * [a, b].filter((free) => free > 0).length)
    }
  })

  it("a read plan with one free slot asks each of eight partitions within eight turns", () => {
    const partitions = keyNames.partitions(8)
    const asked = new Set<string>()
    for (let turn = 0; turn < 8; turn++) {
      for (const key of plan([["a", 1]], partitions, turn)?.streams.keys() ?? []) asked.add(key)
    }
    expect(asked.size).toBe(8)
  })
})
