/** Where a page ends, and when it says that more follow (N2). */
import { describe, expect, it } from "vitest"
import { cursorText, cut, pageOf, placeOf } from "../../../packages/news/src/store/ArticlePage.ts"
import { article, articles, idsOf, query } from "../NewsFixture.ts"

describe("a page of articles", () => {
  it("N2 a full page that takes the last article of its list says that none follow, and has no cursor", () => {
    expect(pageOf(articles(3), 3)).toMatchObject({ more: false, next: null })
    expect(pageOf(articles(2), 3)).toMatchObject({ more: false, next: null })
  })

  it("N2 a page that leaves articles over says so, and its cursor is the place of its last article", () => {
    const page = pageOf(articles(4), 3)
    expect(idsOf(page.articles)).toEqual(articles(3).map(({ id }) => id))
    expect(page).toMatchObject({ more: true, next: cursorText(placeOf(article(2))) })
  })

  it("N2 a page of loaded articles is known only if one more is loaded, or the list is loaded whole", () => {
    const loaded = { articles: articles(3), complete: false }
    expect(cut(loaded, query({ limit: 2 }))).toMatchObject({ more: true })
    expect(cut(loaded, query({ limit: 3 }))).toBe(undefined)
    expect(cut({ ...loaded, complete: true }, query({ limit: 3 }))).toMatchObject({ more: false, next: null })
  })
})
