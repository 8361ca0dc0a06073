/** Metrics of news, its collection and its reading; also listed in docs/operations/metrics.md. */
import { Metric } from "effect"

/** Pages read, by `source`: redis, postgres, stale (expired lists, while Postgres was down), none. */
export const newsReads = Metric.counter("eco2_news_reads_total", {
  incremental: true,
  description: "pages of news read"
})

/** Times this process filled the cache from Postgres, by `outcome`: warmed, older (another process was faster), failed. */
export const newsWarms = Metric.counter("eco2_news_warms_total", {
  incremental: true,
  description: "fillings of the news cache"
})

/** Runs, by `source` and `outcome`: completed; failed: an attempt in which no search or feed could be read. */
export const newsRuns = Metric.counter("eco2_news_runs_total", { incremental: true, description: "collection runs" })

/** Seconds of a completed run, by `source`: from the first request to the new lists in the cache. */
export const newsRunSeconds = Metric.histogram("eco2_news_run_seconds", {
  description: "seconds of a completed collection run",
  boundaries: [0.25, 0.5, 1, 2, 2.5, 3, 4, 6, 10, 30, 60, 300, 600]
})

/**
 * Searches and feeds, by `source` and `outcome`: found, unchanged (a feed's 304), paused (not sent, because the source
 * asked us to back off), gone (not sent, because of an earlier 410), QuotaUsedUp (not sent), or the tag of a failure.
 */
export const newsAsks = Metric.counter("eco2_news_asks_total", {
  incremental: true,
  description: "searches and feeds, by outcome"
})

/** Articles of completed runs, by `source` and `count`: fetched, unique, saved, with_images, left (to the next run). */
export const newsArticles = Metric.counter("eco2_news_articles_total", {
  incremental: true,
  description: "articles of completed collection runs"
})

/** Items of replies that were no articles, by `source` and `cause`: form, title, address, cut. */
export const newsRejected = Metric.counter("eco2_news_rejected_total", {
  incremental: true,
  description: "items of replies that were no articles"
})

/**
 * Articles without a picture, by `outcome`: how the look at the page ended (found, none, other, refused, slow, failed), or why
 * there was none: stored (the picture is known), remembered (an earlier look found none), dropped (too many looks were open).
 */
export const newsLooks = Metric.counter("eco2_news_looks_total", {
  incremental: true,
  description: "pages of articles read for a picture"
})

/** Seconds of a look at a page, without the wait for a place. */
export const newsLookSeconds = Metric.histogram("eco2_news_look_seconds", {
  description: "seconds to read an article's page",
  boundaries: [0.05, 0.1, 0.2, 0.4, 0.6, 1, 1.5, 2, 3, 5]
})

/** Pictures found after their run had continued without them, and sent to ArticleActor. */
export const newsLatePictures = Metric.counter("eco2_news_late_pictures_total", {
  incremental: true,
  description: "pictures found after their run had continued"
})

/** 1 for a `source` that this process cannot use because a setting is missing; else 0. */
export const newsSourceOff = Metric.gauge("eco2_news_source_off", {
  description: "1 for a news source that is off because a setting is missing"
})

/** Calls of NewsData's day that the fleet has used; read from Redis at each scrape. */
export const newsQuotaUsed = Metric.gauge("eco2_news_quota_used", {
  description: "calls of NewsData within the last 24 hours"
})
