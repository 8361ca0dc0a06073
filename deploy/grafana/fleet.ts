/** Dashboard `fleet`: whether all processes are up, reach their stores, and have room. The first one to look at. */
import { alike, orZero, perSecond, quantiles } from "./Dashboard.ts"
import type { Dashboard } from "./Dashboard.ts"

export const fleet: Dashboard = {
  name: "fleet",
  title: "Fleet",
  description: "Processes, Redis, PostgreSQL, and access.",
  rows: [
    {
      title: "Now",
      panels: [
        {
          kind: "stat",
          title: "Processes",
          description: "Scraped processes that use Redis, by the scrape's job.",
          unit: "short",
          width: 6,
          queries: [
            { expr: "count by (job) (sum by (job, instance) (eco2_redis_commands_total{$ns}))", legend: "{{job}}" }
          ]
        },
        {
          kind: "stat",
          title: "Jobs done a minute",
          description: "Scans that ended, over the last minutes.",
          unit: "short",
          width: 6,
          queries: [
            { expr: 'sum(rate(eco2_jobs_total{$ns, pipeline="scan", outcome="done"}[$window])) * 60', legend: "done" }
          ]
        },
        {
          kind: "stat",
          title: "Oldest entry",
          description: "Age of the oldest work in any mailbox. Minutes mean that more work arrives than is processed.",
          unit: "s",
          width: 6,
          alarm: 300,
          queries: [{ expr: "max(eco2_mailbox_oldest_seconds{$ns})", legend: "oldest" }]
        },
        {
          kind: "stat",
          title: "Redis in use",
          description:
            "Share of maxmemory in use on the fullest master. Pictures are refused at 80 %, everything at 100 %; empty if no limit is set.",
          unit: "percentunit",
          width: 6,
          alarm: 0.8,
          queries: [
            {
              expr: "max(eco2_redis_memory_used_bytes{$ns}) / (max(eco2_redis_memory_limit_bytes{$ns}) > 0)",
              legend: "in use"
            }
          ]
        }
      ]
    },
    {
      title: "What the processes use",
      panels: [
        {
          title: "Processes that beat",
          description:
            "Workers by role and state. Expired or condemned: a process was killed, frozen or cut off, and its work is taken over.",
          unit: "short",
          queries: [alike("eco2_processes", "role, state")]
        },
        {
          title: "Targets that do not answer",
          description: "Processes of each role that Prometheus cannot scrape.",
          unit: "short",
          alarm: 1,
          queries: [{ expr: 'count by (eco2_role) (up{eco2_role!="", $ns} == 0)', legend: "{{eco2_role}}" }]
        },
        {
          title: "Versions",
          description:
            "Processes by what runs in them; more than one revision outside a rollout is a rollout that stands still.",
          unit: "short",
          queries: [
            {
              expr: "count by (role, version, revision) (eco2_build_info{$ns})",
              legend: "{{role}} {{version}} {{revision}}"
            }
          ]
        },
        {
          title: "CPU",
          description: "Cores in use. Near 1 a process is as busy as it can be: start more of its role.",
          unit: "short",
          alarm: 0.9,
          queries: [perSecond("process_cpu_seconds_total", "instance")]
        },
        {
          title: "Resident memory",
          description: "What the container's limit counts.",
          unit: "bytes",
          queries: [{ expr: "max by (instance) (process_resident_memory_bytes{$ns})", legend: "{{instance}}" }]
        },
        {
          title: "Heap and buffers",
          description: "Heap in use, its reserved size, and the buffers outside it (bodies, pictures, sockets).",
          unit: "bytes",
          queries: [
            { expr: "max by (instance) (nodejs_heap_size_used_bytes{$ns})", legend: "{{instance}} heap" },
            { expr: "max by (instance) (nodejs_heap_size_total_bytes{$ns})", legend: "{{instance}} reserved" },
            { expr: "max by (instance) (nodejs_external_memory_bytes{$ns})", legend: "{{instance}} buffers" }
          ]
        },
        {
          title: "Open files",
          description: "Share of the files and sockets that each process may have open.",
          unit: "percentunit",
          alarm: 0.8,
          queries: [
            {
              expr: "max by (instance) (process_open_fds{$ns} / process_max_fds{$ns})",
              legend: "{{instance}}"
            }
          ]
        },
        {
          title: "Delay of the event loop, p99",
          description: "In 99 of 100 samples since the last scrape. Above some ten milliseconds the process lacks CPU.",
          unit: "s",
          alarm: 0.1,
          queries: [{ expr: "max by (instance) (nodejs_eventloop_lag_p99_seconds{$ns})", legend: "{{instance}}" }]
        },
        {
          title: "Age",
          description: "Time since each process started. One that is always young restarts again and again.",
          unit: "s",
          queries: [{ expr: "time() - max by (instance) (process_start_time_seconds{$ns})", legend: "{{instance}}" }]
        }
      ]
    },
    {
      title: "Redis",
      panels: [
        {
          title: "Redis answers",
          description: "Processes that Redis answers, and those that it does not, or whose commands it refuses.",
          unit: "short",
          queries: [
            { expr: "count(eco2_redis_up{$ns} == 1)", legend: "answers" },
            { expr: "count(eco2_redis_up{$ns} == 0)", legend: "does not" }
          ]
        },
        {
          title: "Memory",
          description:
            "Bytes in use on the fullest master, its limit, and the forecast for four hours at the rate of the last hour.",
          unit: "bytes",
          queries: [
            { expr: "max(eco2_redis_memory_used_bytes{$ns})", legend: "used" },
            { expr: "max(eco2_redis_memory_limit_bytes{$ns}) > 0", legend: "maxmemory" },
            {
              expr: "quantile(0.5, predict_linear(eco2_redis_memory_used_bytes{$ns}[1h], 14400))",
              legend: "in four hours"
            }
          ]
        },
        {
          title: "Commands",
          description:
            "Commands and scripts sent to Redis a second, by the scrape's job. An idle process sends a few a minute.",
          unit: "ops",
          queries: [perSecond("eco2_redis_commands_total", "job")]
        },
        {
          title: "Losses of data",
          description: "Findings that Redis has lost its data, by role, a second. Any is an alarm.",
          unit: "ops",
          alarm: 0.000_001,
          queries: [perSecond("eco2_redis_data_losses_total", "job")]
        },
        {
          title: "Accepted jobs lost",
          description:
            "Accepted jobs that Redis had lost: submitted again, and lost for good, a second. Any of the second is an alarm.",
          unit: "ops",
          queries: [
            { expr: "sum(rate(eco2_submits_again_total{$ns}[$window]))", legend: "submitted again" },
            { expr: "sum(rate(eco2_submits_lost_total{$ns}[$window]))", legend: "lost" }
          ]
        },
        {
          title: "Redis's clock",
          description:
            "Redis's clock less the clock of each worker's machine, and steps of it, a second. After a step nobody is declared dead for a lease.",
          unit: "s",
          queries: [
            { expr: "max by (instance) (eco2_redis_clock_ahead_seconds{$ns})", legend: "{{instance}} ahead" },
            perSecond("eco2_redis_clock_steps_total", "direction")
          ]
        },
        {
          title: "Last answered read",
          description: "Seconds since a blocking read was answered; normally up to 20. Beyond 60 the process is deaf.",
          unit: "s",
          alarm: 60,
          queries: [
            { expr: "max by (instance, reader) (eco2_last_read_age_seconds{$ns})", legend: "{{instance}} {{reader}}" }
          ]
        }
      ]
    },
    {
      title: "Loops and memory",
      panels: [
        {
          title: "Restarted loops",
          description:
            "Loops and actors that failed by a defect, a second. Each is a bug to report; more than five a minute stop the process.",
          unit: "ops",
          queries: [orZero(perSecond("eco2_restarts_total", "loop"))]
        },
        {
          title: "Event loop",
          description:
            "Longest stall of each process's event loop since the last scrape; nothing else ran in it meanwhile. A worker's stall near LEASE means that its work is done twice.",
          unit: "s",
          queries: [{ expr: "max by (instance) (eco2_event_loop_delay_seconds{$ns})", legend: "{{instance}}" }]
        },
        {
          title: "Topics loaded",
          description:
            "Snapshots of broadcast topics: one at the start of a process, one more each time it missed events.",
          unit: "ops",
          queries: [perSecond("eco2_topic_loads_total", "topic")]
        },
        {
          title: "Schedules",
          description:
            "Slots a second by outcome. Failed: the input could not be made; skipped: the last run was open; full: the mailbox was full, tried again.",
          unit: "ops",
          queries: [perSecond("eco2_schedule_fires_total", "schedule, outcome")]
        },
        {
          title: "Asks",
          description: "Asks between actors, by outcome. After a timeout of character-match a scan has no reward.",
          unit: "ops",
          queries: [perSecond("eco2_asks_total", "actor, outcome")]
        },
        {
          title: "Pictures held",
          description: "Bytes of pictures that workers' handlers hold, of IMAGE_MEMORY each.",
          unit: "bytes",
          queries: [{ expr: "sum by (instance) (eco2_image_bytes{$ns})", legend: "{{instance}}" }]
        },
        {
          title: "Attempts that wait for picture memory",
          description: "If it stays above zero, IMAGE_MEMORY limits these workers, not their slots.",
          unit: "short",
          queries: [{ expr: "sum by (instance) (eco2_image_waiting{$ns})", legend: "{{instance}}" }]
        }
      ]
    },
    {
      title: "PostgreSQL and rewards",
      panels: [
        {
          title: "PostgreSQL answers",
          description: "Processes that PostgreSQL answers, and those that it does not.",
          unit: "short",
          queries: [
            { expr: "count(eco2_postgres_up{$ns} == 1)", legend: "answers" },
            { expr: "count(eco2_postgres_up{$ns} == 0)", legend: "does not" }
          ]
        },
        {
          title: "Rewards saved",
          description: "Rows a second by table: stored, or known already.",
          unit: "ops",
          queries: [perSecond("eco2_rewards_saved_total", "table, outcome")]
        },
        {
          title: "Answers called wrong",
          description: "A day, by the category that the answer had.",
          unit: "short",
          queries: [
            { expr: "sum by (category) (rate(eco2_feedback_total{$ns}[$window])) * 86400", legend: "{{category}}" }
          ]
        },
        {
          title: "Scans kept",
          description:
            "Done scans a second that are kept in PostgreSQL, known already, or removed because of their age.",
          unit: "ops",
          queries: [
            perSecond("eco2_scans_kept_total", "outcome"),
            { expr: "sum(rate(eco2_scans_forgotten_total{$ns}[$window]))", legend: "removed" }
          ]
        },
        {
          title: "Rewards decided later",
          description:
            "An hour: not decided with their scan, and decided since. The first grows while character-match is away.",
          unit: "short",
          queries: [
            { expr: "sum(rate(eco2_rewards_pending_total{$ns}[$window])) * 3600", legend: "not with their scan" },
            { expr: "sum(rate(eco2_rewards_decided_late_total{$ns}[$window])) * 3600", legend: "decided since" }
          ]
        },
        {
          title: "Statements, p95",
          description: "95 % of the successful statements took at most this long, by statement.",
          unit: "s",
          queries: quantiles("eco2_postgres_seconds", "", "statement").slice(1, 2)
        },
        {
          title: "Failed statements",
          description: "Failed attempts a second, by SQLSTATE or the error's name. Transient ones are retried.",
          unit: "ops",
          queries: [perSecond("eco2_postgres_errors_total", "reason")]
        }
      ]
    },
    {
      title: "Access",
      panels: [
        {
          title: "Decisions",
          description: "Requests judged by token, by outcome.",
          unit: "reqps",
          queries: [perSecond("eco2_authz_decisions_total", "outcome")]
        },
        {
          title: "Age of the list of revoked tokens",
          description:
            "Seconds since the list was known to be complete; normally up to 20. At BLACKLIST_MAX_AGE nobody is let in.",
          unit: "s",
          alarm: 60,
          queries: [alike("eco2_authz_blacklist_age_seconds", "instance")]
        },
        {
          title: "Revoked tokens, and processes without updates",
          description: "Tokens on the list, and processes that do not receive revocations.",
          unit: "short",
          queries: [
            { expr: "max(eco2_authz_blacklist_tokens{$ns})", legend: "revoked" },
            { expr: "sum(eco2_authz_blind{$ns})", legend: "blind processes" }
          ]
        }
      ]
    }
  ]
}
