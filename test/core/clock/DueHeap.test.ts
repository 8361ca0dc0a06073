/** Items by due time: what is due comes out in order, whatever was added, moved and removed before. */
import { describe, expect, it } from "@effect/vitest"
import * as DueHeap from "../../../packages/core/src/clock/DueHeap.ts"

/** A repeatable sequence of numbers below `most`. */
const numbers = (seed: number) => (most: number) => {
  seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296
  return Math.floor((seed / 4_294_967_296) * most)
}

describe("DueHeap", () => {
  it("a heap, after any additions, moves and removals, gives what a sorted list gives", () => {
    for (let seed = 0; seed < 50; seed++) {
      const below = numbers(seed)
      const heap = DueHeap.make<number>()
      const list = new Map<number, number>()
      for (let step = 0; step < 400; step++) {
        const item = below(60)
        if (below(4) > 0) {
          const due = below(1_000)
          heap.set(item, due)
          list.set(item, due)
        } else if (below(3) > 0) {
          heap.delete(item)
          list.delete(item)
        } else {
          const now = below(1_000)
          const due = [...list].filter(([, at]) => at <= now)
          const taken = heap.take(now)
          expect(new Set(taken)).toEqual(new Set(due.map(([one]) => one)))
          expect(taken.map((one) => list.get(one))).toEqual(due.map(([, at]) => at).toSorted((a, b) => a - b))
          for (const [one] of due) list.delete(one)
        }
        expect(heap.first()).toBe(Math.min(Infinity, ...list.values()))
      }
    }
  })

  it("an empty heap has no due time and gives nothing", () => {
    const heap = DueHeap.make<string>()
    heap.set("a", 1)
    heap.delete("a")
    heap.delete("never there")
    expect([heap.first(), heap.take(Infinity)]).toEqual([Infinity, []])
  })
})
