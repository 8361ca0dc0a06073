/** Dashboard `pipeline`: scans: how many, how long a stage works, how long a job waits for a stage. */
import { perSecond, quantiles } from "./Dashboard.ts"
import type { Dashboard, Panel } from "./Dashboard.ts"

const scan = ', pipeline="scan"'
const names = ["p50", "p95", "p99"]
const explained = ["half of them", "95 % of them", "99 % of them"]

const perQuantile = (metric: string, what: string, description: (share: string) => string): ReadonlyArray<Panel> =>
  quantiles(metric, scan, "stage").map((query, i) => ({
    title: `${what}, ${names[i]}`,
    description: description(explained[i]!),
    unit: "s",
    queries: [{ ...query, legend: "{{stage}}" }]
  }))

const mean = (metric: string) =>
  `sum by (stage) (rate(${metric}_sum{$ns${scan}}[$window])) / sum by (stage) (rate(${metric}_count{$ns${scan}}[$window]))`

export const pipeline: Dashboard = {
  name: "pipeline",
  title: "Scan pipeline",
  description: "Rate, work and waiting of the four stages of a scan.",
  rows: [
    {
      title: "Jobs",
      panels: [
        {
          title: "Jobs that ended",
          description: "A second, by outcome. Jobs not done within JOB_DEADLINE failed, and each has a dead letter.",
          unit: "ops",
          stacked: true,
          queries: [perSecond("eco2_jobs_total", "outcome", scan)]
        },
        {
          title: "Share that failed",
          description: "Of the jobs that ended. Each has a dead letter that says why.",
          unit: "percentunit",
          alarm: 0.05,
          queries: [
            {
              expr: `sum(rate(eco2_jobs_total{$ns${scan}, outcome="failed"}[$window])) / sum(rate(eco2_jobs_total{$ns${scan}}[$window]))`,
              legend: "failed"
            }
          ]
        },
        {
          title: "Attempts that did not commit",
          description:
            "A second, by stage and error. ModelSuspended: waits for a breaker. LeaseLost: came too late, another process did the work.",
          unit: "ops",
          queries: [perSecond("eco2_attempts_total", "stage, reason")]
        }
      ]
    },
    {
      title: "Work of a stage",
      panels: perQuantile(
        "eco2_stage_seconds",
        "Work",
        (share) => `${share} took no longer, from begin to commit of the attempt that committed.`
      )
    },
    {
      title: "Waiting for a stage",
      panels: perQuantile(
        "eco2_wait_seconds",
        "Wait",
        (share) => `${share} waited no longer between their arrival in the stage's mailbox and their begin.`
      )
    },
    {
      title: "Waiting compared with work",
      panels: [
        {
          title: "Mean wait and mean work",
          description: "If waiting grows faster than work, start more workers. If work grows, check the models.",
          unit: "s",
          width: 12,
          queries: [
            { expr: mean("eco2_wait_seconds"), legend: "wait {{stage}}" },
            { expr: mean("eco2_stage_seconds"), legend: "work {{stage}}" }
          ]
        },
        {
          title: "Share of waiting",
          description:
            "Share of all time that jobs spend in their stages. Above a half, jobs wait longer than they run.",
          unit: "percentunit",
          width: 12,
          alarm: 0.5,
          queries: [
            {
              expr: `sum(rate(eco2_wait_seconds_sum{$ns${scan}}[$window])) / (sum(rate(eco2_wait_seconds_sum{$ns${scan}}[$window])) + sum(rate(eco2_stage_seconds_sum{$ns${scan}}[$window])))`,
              legend: "waiting"
            }
          ]
        },
        {
          title: "Jobs in work (Little's law)",
          description:
            "Arrivals a second times seconds of work: the slots in use, of <STAGE>_CONCURRENCY for each process.",
          unit: "short",
          width: 24,
          stacked: true,
          queries: [{ expr: `sum by (stage) (rate(eco2_stage_seconds_sum{$ns${scan}}[$window]))`, legend: "{{stage}}" }]
        }
      ]
    }
  ]
}
