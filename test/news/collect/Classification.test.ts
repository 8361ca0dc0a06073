/** The choice of an article's category. */
import { describe, expect, it } from "vitest"
import { byWords, classify } from "../../../packages/news/src/collect/Classification.ts"
import { found } from "./Found.ts"

describe("Classification", () => {
  it.each([
    ["단독주택도 투명 페트병 따로 분리배출", "environment"],
    ["해상 풍력 단지 착공… 태양광과 함께", "energy"],
    ["인공지능이 폐기물을 가려낸다", "ai"],
    ["AI로 강을 지킨다", "ai"],
    ["New solar farm to power 20,000 homes", "energy"],
    ["Recycling rates rise as plastic waste falls", "environment"],
    ["Machine-learning model predicts floods", "ai"],
    ["He said the chair was paid", null],
    ["고병원성 AI 확산에 방역 강화", null],
    ["오늘의 운세", null]
  ])("a title's words decide its category: %s is of %s", (title, category) => {
    expect(byWords({ title, snippet: "", keywords: [] })).toBe(category)
  })

  it("a word in the title counts more than one in the snippet, and a keyword counts too", () => {
    expect(byWords({ title: "태양광 이야기", snippet: "재활용과 쓰레기", keywords: [] })).toBe("energy")
    expect(byWords({ title: "이야기", snippet: "재활용", keywords: ["solar"] })).toBe("energy")
  })

  it("a category is the source's own, else by words, else the search's, else environment", () => {
    const category = (change: Parameters<typeof found>[0]) => classify(found(change)).category
    expect(category({ title: "태양광 지붕", own_category: "environment", asked_category: "ai" })).toBe("environment")
    expect(category({ title: "태양광 지붕", asked_category: "ai" })).toBe("energy")
    expect(category({ title: "오늘의 운세", asked_category: "ai" })).toBe("ai")
    expect(category({ title: "오늘의 운세" })).toBe("environment")
  })

  it("the search's category does not stay in the article", () => {
    expect(Object.keys(classify(found({ asked_category: "ai" })))).not.toContain("asked_category")
  })
})
