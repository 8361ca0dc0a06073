/** Intervals: how often each source is asked; the schedules have them, and a source that asks for fewer calls waits for one. */
import { Setting } from "@eco2/core"
import { Config } from "effect"
import type { Duration } from "effect"
import type { Source } from "../domain/Article.ts"

export const intervals = Config.all({
  /** NEWS_INTERVAL_NAVER: how often Naver and the feeds are queried. Default 5 minutes. */
  naver: Setting.duration("NEWS_INTERVAL_NAVER", { default: "5 minutes", min: "1 seconds" }),
  /** NEWS_INTERVAL_NEWSDATA: how often NewsData is queried, with three calls each time. Default 30 minutes. */
  newsdata: Setting.duration("NEWS_INTERVAL_NEWSDATA", { default: "30 minutes", min: "1 seconds" })
})
type Intervals = Config.Success<typeof intervals>

export const of = (source: Source, { naver, newsdata }: Intervals): Duration.Duration =>
  source === "newsdata" ? newsdata : naver
