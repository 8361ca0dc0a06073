/** Dashboard `news`: what is collected, and what readers are shown. */
import { perSecond, quantiles } from "./Dashboard.ts"
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
          description:
            "A second, by where they came from. Stale ones are older than NEWS_CACHE_TTL, Postgres being away; none were refused.",
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
          description: "By schedule and outcome, an hour. Skipped found their last run open.",
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
          title: "Stages of a run, p95",
          description: "Fetch asks the source, enrich looks for pictures, store and warm write.",
          unit: "s",
          queries: quantiles("eco2_stage_seconds", ofNews, "stage").slice(1, 2)
        },
        {
          title: "Attempts that did not commit",
          description: "By stage and error. QuotaUsedUp: NewsData's calls of a day are spent.",
          unit: "ops",
          width: 12,
          queries: [perSecond("eco2_attempts_total", "stage, reason", ', stage=~"news[.].+"')]
        },
        {
          title: "Dead letters",
          description: "Runs given up, by stage and cause, in the time shown.",
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
    }
  ]
}
