/** Metrics of reading news; docs/operations.md shows the same table. */
import { Metric } from "effect"

/** Pages read, by `source`: redis, postgres, stale (Postgres was away: lists no longer in force), none. */
export const newsReads = Metric.counter("eco2_news_reads_total", {
  incremental: true,
  description: "pages of news read"
})

/** Times this process filled the cache from Postgres, by `outcome`: warmed, older (another was faster), failed. */
export const newsWarms = Metric.counter("eco2_news_warms_total", {
  incremental: true,
  description: "fillings of the news cache"
})
