/** The choice of an article's category. */
import { describe, expect, it } from "vitest"
import { byWords, classify } from "../../../packages/news/src/collect/Classification.ts"
import { categories } from "../../../packages/news/src/domain/Article.ts"
import { found } from "./Found.ts"
import { titles, unseen } from "./Titles.ts"

/** Of the categories that are given: the share that is right; of those that should be: the share that is given. */
const score = (labelled: typeof titles) => {
  const given = labelled.map(({ label, title }) => ({
    label,
    by: byWords({ title, snippet: "", keywords: [] }) ?? "none"
  }))
  const count = (test: (one: (typeof given)[number]) => boolean) => given.filter(test).length
  const isOurs = (label: string) => categories.some((category) => category === label)
  const right = count(({ by, label }) => by === label && isOurs(label))
  return { precision: right / count(({ by }) => isOurs(by)), recall: right / count(({ label }) => isOurs(label)) }
}

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

  it.each([
    ["회원전용 라운지 문 연다", "은퇴비용 얼마나 필요할까"],
    ["범인 행방 수소문 끝에 검거", "직장인 근무환경 개선 요구"],
    ["Plastic surgery demand grows", "The political climate before the vote"]
  ])("letters that stand together by chance, and words of another meaning, decide nothing: %s, %s", (one, other) => {
    expect([one, other].map((title) => byWords({ title, snippet: "", keywords: [] }))).toEqual([null, null])
  })

  it("titles get the category that a reader gives them: precision and recall over 300 titles, and over others", () => {
    expect(titles.length).toBeGreaterThanOrEqual(300)
    const [known, other] = [score(titles), score(unseen)]
    for (const [name, { precision, recall }] of Object.entries({ known, other })) {
      process.stdout.write(`${name} titles: precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}\n`)
    }
    // by substrings: 0.841 and 0.952 of the 302 titles, 0.697 and 0.639 of the others
    expect(Math.min(known.precision, known.recall)).toBeGreaterThan(0.98)
    expect(other.precision).toBeGreaterThan(0.72)
    expect(other.recall).toBeGreaterThan(0.68)
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
