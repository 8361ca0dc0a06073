/** What one run carries: new articles first, within the room of a checkpoint, and what is left is counted. */
import { describe, expect, it } from "vitest"
import { bounded, bytesOf, mostBytes, select } from "../../../packages/news/src/collect/Selection.ts"
import type { Article } from "../../../packages/news/src/domain/Article.ts"
import { article, articles } from "../NewsFixture.ts"

const size = (all: ReadonlyArray<Article>) => all.reduce((sum, one) => sum + bytesOf(one), 0)
/** An article with an address of the longest kind, in letters of three bytes each. */
const long = (n: number) => article(n, { url: `https://press.example/${n}/${"뉴".repeat(2_000)}`, thumbnail_url: null })

describe("a run's selection", () => {
  it("articles that fit are all taken, the newest first, whatever their order was", () => {
    const all = articles(40)
    const { left, taken } = select(all.toReversed(), () => true)
    expect([taken.map(({ id }) => id), left]).toEqual([all.map(({ id }) => id), 0])
  })

  it("what is left over is counted, and run by run everything is taken, the newest first", () => {
    const all = Array.from({ length: 100 }, (_, n) => long(n))
    const stored = new Set<string>()
    const lefts: Array<number> = []
    for (let run = 0; stored.size < all.length && run < 20; run++) {
      const { left, taken } = select(all, ({ id }) => !stored.has(id))
      expect(size(taken)).toBeLessThanOrEqual(mostBytes)
      const fresh = taken.filter(({ id }) => !stored.has(id)).map(({ id }) => id)
      expect(fresh).toEqual(all.slice(stored.size, stored.size + fresh.length).map(({ id }) => id))
      for (const id of fresh) stored.add(id)
      lefts.push(left)
    }
    expect(stored.size).toBe(all.length)
    expect(lefts.at(-1)).toBe(0)
    expect(lefts).toEqual(lefts.toSorted((a, b) => b - a))
  })

  it("stored articles, which may have changed, follow the new ones where there is room, and count as nothing left", () => {
    const all = articles(10)
    const { left, taken } = select(all, ({ id }) => id === all[9]!.id)
    expect([taken.length, left]).toEqual([10, 0])
    const many = select([...Array.from({ length: 100 }, (_, n) => long(n)), all[9]!], ({ id }) => id === all[9]!.id)
    expect(many.left).toBe(0)
    expect(many.taken.map(({ id }) => id)).toContain(all[9]!.id)
    expect(size(many.taken)).toBeLessThanOrEqual(mostBytes)
  })

  it("pictures that make a run too large are left out and counted, and the articles stay", () => {
    const before = select(
      Array.from({ length: 60 }, (_, n) => article(n, { thumbnail_url: null })),
      () => true
    ).taken
    const picture = `https://pictures.example/${"사".repeat(2_000)}`
    const { articles: after, dropped } = bounded(
      before.map((one) => ({ ...one, thumbnail_url: picture })),
      before
    )
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
    expect(dropped).toBeGreaterThan(0)
    expect(after.filter(({ thumbnail_url }) => thumbnail_url === picture)).toHaveLength(60 - dropped)
    expect(size(after)).toBeLessThanOrEqual(mostBytes + 1_000)
  })
})
