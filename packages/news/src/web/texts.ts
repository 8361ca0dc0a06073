/** Texts: every sentence of the news page in Korean and English. */
import type { List } from "../store/ArticlePage.ts"

export type Language = "ko" | "en"

interface Texts {
  readonly title: string
  readonly lead: string
  readonly description: string
  readonly skip: string
  readonly scan: string
  readonly categories: string
  readonly list: Readonly<Record<List, string>>
  readonly pictureOf: (title: string) => string
  readonly opens: string
  readonly more: string
  readonly loading: string
  readonly loaded: string
  readonly failed: string
  readonly end: string
  readonly empty: string
  readonly unavailable: string
  readonly back: string
  readonly badQuery: string
  readonly note: string
  readonly docs: string
  readonly switchTo: string
}

export const texts: Readonly<Record<Language, Texts>> = {
  ko: {
    title: "오늘의 환경 소식",
    lead: "환경, 에너지, AI 뉴스를 모아 새것부터 보여 드려요.",
    description: "환경, 에너지, AI 뉴스 모음",
    skip: "기사로 건너뛰기",
    scan: "분리배출 알아보기",
    categories: "분야",
    list: { all: "전체", environment: "환경", energy: "에너지", ai: "AI" },
    pictureOf: (title) => `기사 사진: ${title}`,
    opens: "새 창에서 열림",
    more: "더 보기",
    loading: "불러오는 중이에요…",
    loaded: "기사를 더 불러왔어요.",
    failed: "더 불러오지 못했어요. 다시 눌러 주세요.",
    end: "여기까지가 전부예요.",
    empty: "아직 모인 기사가 없어요. 조금 뒤에 다시 와 주세요.",
    unavailable: "지금은 뉴스를 보여 드릴 수 없어요. 잠시 뒤에 다시 열어 주세요.",
    back: "처음으로",
    badQuery: "주소가 올바르지 않아요.",
    note: "기사의 저작권은 각 언론사에 있으며, 제목을 누르면 원문으로 갑니다.",
    docs: "API 문서",
    switchTo: "English"
  },
  en: {
    title: "Today in the environment",
    lead: "News on environment, energy and AI, the newest first.",
    description: "News on environment, energy and AI",
    skip: "Skip to the articles",
    scan: "Sort your waste",
    categories: "Category",
    list: { all: "All", environment: "Environment", energy: "Energy", ai: "AI" },
    pictureOf: (title) => `Picture of the article: ${title}`,
    opens: "opens in a new window",
    more: "More",
    loading: "Loading…",
    loaded: "More articles are loaded.",
    failed: "More articles could not be loaded. Please try again.",
    end: "There are no more articles.",
    empty: "No articles have been collected yet. Please come back a little later.",
    unavailable: "The news is not available now. Please try again in a moment.",
    back: "Back to the start",
    badQuery: "Invalid address.",
    note: "Articles are the property of their publishers. Each title links to the original.",
    docs: "API documentation",
    switchTo: "한국어"
  }
}
