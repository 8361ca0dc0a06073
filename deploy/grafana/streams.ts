/** Dashboard `streams`: live progress to viewers. */
import { perSecond, quantiles } from "./Dashboard.ts"
import type { Dashboard } from "./Dashboard.ts"

export const streams: Dashboard = {
  name: "streams",
  title: "Live streams",
  description: "Viewers, delay of events, and refused streams.",
  rows: [
    {
      title: "Viewers",
      panels: [
        {
          title: "Open streams",
          description: "By gateway process, each with room for MAX_VIEWERS.",
          unit: "short",
          width: 12,
          stacked: true,
          queries: [{ expr: "sum by (instance) (eco2_viewers{$ns})", legend: "{{instance}}" }]
        },
        {
          title: "Event lag",
          description: "From an event's commit to the viewers' queues; normally milliseconds.",
          unit: "s",
          width: 12,
          alarm: 1,
          queries: quantiles("eco2_event_lag_seconds", "", "")
        },
        {
          title: "Events delivered",
          description: "Events that reached the queues of viewers, a second.",
          unit: "ops",
          queries: [{ expr: "sum(rate(eco2_event_lag_seconds_count{$ns}[$window]))", legend: "events" }]
        },
        {
          title: "Streams refused",
          description: "At MAX_VIEWERS or USER_VIEWERS, a second. Browsers retry by themselves.",
          unit: "reqps",
          queries: [
            { expr: "sum by (instance) (rate(eco2_viewers_refused_total{$ns}[$window]))", legend: "{{instance}}" }
          ]
        },
        {
          title: "Connections refused",
          description: "At MAX_CONNECTIONS, a second.",
          unit: "ops",
          queries: [perSecond("eco2_connections_refused_total", "instance")]
        },
        {
          title: "Bodies refused",
          description: "At UPLOAD_MEMORY or USER_UPLOAD_MEMORY, a second.",
          unit: "reqps",
          queries: [perSecond("eco2_uploads_refused_total", "instance")]
        },
        {
          title: "Watched jobs lost",
          description: "Jobs that Redis has lost while their streams were open, a second. Any is an alarm.",
          unit: "ops",
          alarm: 0.000_001,
          queries: [perSecond("eco2_viewed_jobs_lost_total", "instance")]
        }
      ]
    }
  ]
}
