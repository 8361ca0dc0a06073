/** Found: an article as a source returns it, for tests that depend on one field. */
import type { FoundArticle } from "../../../packages/news/src/source/FoundArticle.ts"

let count = 0

export const found = (change: Partial<FoundArticle> = {}): FoundArticle => ({
  id: `rss_${++count}`,
  url: `https://press.example/${count}`,
  title: `다른 제목의 기사 ${count}`,
  snippet: "",
  source: "rss",
  source_name: null,
  source_icon_url: null,
  thumbnail_url: null,
  video_url: null,
  keywords: [],
  ai_tag: null,
  published_at: "2026-11-21T09:30:00.000Z",
  own_category: null,
  asked_category: null,
  ...change
})
