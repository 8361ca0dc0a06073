/** Dashboard `news`: collection and reading. */
import { orZero, perSecond, quantiles } from "./Dashboard.ts"
import type { Dashboard } from "./Dashboard.ts"

const ofNews = ', pipeline="news"'

export const news: Dashboard = {
  name: "news",
  title: "News",
  description: "Collection by schedule, and reading.",
  rows: [
    {
      title: "Reading",
      panels: [
        {
          title: "Pages read",
          description: "A second, by store. Stale: older than NEWS_CACHE_TTL, while PostgreSQL is down. None: refused.",
          unit: "reqps",
          width: 12,
          stacked: true,
          queries: [perSecond("eco2_news_reads_total", "source")]
        },
        {
          title: "Cache fillings",
          description: "Times the lists were read from Postgres into Redis, by outcome.",
          unit: "ops",
          width: 12,
          queries: [perSecond("eco2_news_warms_total", "outcome")]
        }
      ]
    },
    {
      title: "Collecting",
      panels: [
        {
          title: "Runs begun",
          description: "By schedule and outcome, an hour. Skipped: the last run was open.",
          unit: "short",
          queries: [
            {
              expr: 'sum by (schedule, outcome) (rate(eco2_schedule_fires_total{$ns, schedule=~"news-.+"}[$window])) * 3600',
              legend: "{{schedule}} {{outcome}}"
            }
          ]
        },
        {
          title: "Runs ended",
          description: "By outcome, an hour. Failed ones have a dead letter in a mailbox news.*.",
          unit: "short",
          queries: [
            {
              expr: `sum by (outcome) (rate(eco2_jobs_total{$ns${ofNews}}[$window])) * 3600`,
              legend: "{{outcome}}"
            }
          ]
        },
        {
          title: "Articles of completed runs",
          description:
            "An hour, by source: fetched, unique, saved for the first time, with a picture, left to the next run.",
          unit: "short",
          queries: [
            {
              expr: "sum by (source, count) (rate(eco2_news_articles_total{$ns}[$window])) * 3600",
              legend: "{{source}} {{count}}"
            }
          ]
        },
        {
          title: "Items that are no articles",
          description:
            "An hour, by source and cause. Many of one cause: a source that is published in a form we do not read.",
          unit: "short",
          queries: [
            {
              expr: "sum by (source, cause) (rate(eco2_news_rejected_total{$ns}[$window])) * 3600",
              legend: "{{source}} {{cause}}"
            }
          ]
        },
        {
          title: "Runs by source",
          description: "An hour. Failed: an attempt in which nothing could be asked.",
          unit: "short",
          queries: [
            {
              expr: "sum by (source, outcome) (rate(eco2_news_runs_total{$ns}[$window])) * 3600",
              legend: "{{source}} {{outcome}}"
            }
          ]
        },
        {
          title: "A whole run, p95",
          description: "From the first request until readers see the result, by source.",
          unit: "s",
          queries: quantiles("eco2_news_run_seconds", "", "source").slice(1, 2)
        },
        {
          title: "Stages of a run, p95",
          description: "Fetch asks the source, enrich looks for pictures, store and warm write.",
          unit: "s",
          queries: quantiles("eco2_stage_seconds", ofNews, "stage").slice(1, 2)
        },
        {
          title: "NewsData's calls within 24 hours",
          description: "Of the whole fleet, of 200. The default settings make 144.",
          unit: "short",
          alarm: 190,
          queries: [{ expr: "max(eco2_news_quota_used{$ns})", legend: "calls" }]
        },
        {
          title: "Asking sources",
          description: "Searches and feeds a second, by outcome. Paused: the source had asked us to back off.",
          unit: "ops",
          queries: [perSecond("eco2_news_asks_total", "source, outcome")]
        },
        {
          title: "Sources that are off",
          description: "1 for a source that lacks a setting; the log names the setting once.",
          unit: "short",
          queries: [{ expr: "max by (source) (eco2_news_source_off{$ns})", legend: "{{source}}" }]
        },
        {
          title: "Attempts that did not commit",
          description: "By stage and error. QuotaUsedUp: the daily calls of NewsData are used up.",
          unit: "ops",
          width: 12,
          queries: [perSecond("eco2_attempts_total", "stage, reason", ', stage=~"news[.].+"')]
        },
        {
          title: "Dead letters",
          description: "Failed runs, by stage and cause, in the time shown.",
          unit: "short",
          width: 12,
          queries: [
            {
              expr: 'sum by (mailbox, reason) (increase(eco2_dead_letters{$ns, mailbox=~"news[.].+"}[$__range]))',
              legend: "{{mailbox}} {{reason}}"
            }
          ]
        }
      ]
    },
    {
      title: "Pictures",
      panels: [
        {
          title: "Looks for pictures",
          description: "Articles without a picture, a second, by the outcome of reading their page.",
          unit: "ops",
          queries: [perSecond("eco2_news_looks_total", "outcome")]
        },
        {
          title: "Reading a page, p95",
          description: "Seconds to read a page, without the wait for a slot; at most three.",
          unit: "s",
          queries: quantiles("eco2_news_look_seconds", "", "").slice(1, 2)
        },
        {
          title: "Late pictures",
          description: "Found after their run had continued, and sent after it; a second.",
          unit: "ops",
          queries: [orZero({ expr: "sum(rate(eco2_news_late_pictures_total{$ns}[$window]))", legend: "pictures" })]
        }
      ]
    }
  ]
}
