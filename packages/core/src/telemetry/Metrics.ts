/**
 * Metrics: every metric of core, with its unit and labels; docs/operations/metrics.md shows the same table.
 * Scraped at /metrics of every role in Prometheus text.
 */
import { Metric } from "effect"

/** Commands and scripts sent to Redis by this process (calls inside Lua not counted). */
export const redisCommands = Metric.counter("eco2_redis_commands_total", {
  incremental: true,
  description: "commands and scripts sent to Redis"
})

/** Bytes in use of the master that will be full first, as Redis counts them against `maxmemory`; read at a scrape. */
export const redisMemoryUsed = Metric.gauge("eco2_redis_memory_used_bytes", {
  description: "bytes in use of the fullest Redis master"
})
/** `maxmemory` of the same master; 0: no limit. */
export const redisMemoryLimit = Metric.gauge("eco2_redis_memory_limit_bytes", {
  description: "maxmemory of the fullest Redis master, 0 for none"
})

/** Times this process found that Redis had lost its data (Keyspace). Alert on any. */
export const dataLosses = Metric.counter("eco2_redis_data_losses_total", {
  incremental: true,
  description: "times that Redis was found to have lost its data"
})

/** Accepted jobs that Redis had lost and this process submitted again (RecentSubmits). */
export const submitsAgain = Metric.counter("eco2_submits_again_total", {
  incremental: true,
  description: "accepted jobs that Redis had lost and that were submitted again"
})
/** Accepted jobs that Redis has lost and this process could not submit again. Alert on any. */
export const submitsLost = Metric.counter("eco2_submits_lost_total", {
  incremental: true,
  description: "accepted jobs that Redis has lost for good"
})

/** Recorded calls that cost money, by `service` (a model's name) and `outcome`: ok, billed-bad, free, uncertain. Alert on uncertain. */
export const paidCalls = Metric.counter("eco2_paid_calls_total", {
  incremental: true,
  description: "calls that cost money, and whether they were billed"
})
/** What calls have cost where a price is known, by `service`; in the currency of the prices. */
export const paidCost = Metric.counter("eco2_paid_cost_total", {
  incremental: true,
  description: "cost of calls whose price is known"
})

/** Seconds since a blocking read last had an answer, by `reader`: mailboxes, topics. */
export const lastReadAge = Metric.gauge("eco2_last_read_age_seconds", {
  description: "seconds since a blocking read was last answered, by reader"
})

/** Topic snapshots loaded, by `topic`: one when a process starts, one more each time events were missed. */
export const topicLoads = Metric.counter("eco2_topic_loads_total", {
  incremental: true,
  description: "snapshots of topics taken"
})

/**
 * Seconds a stage ran, by `pipeline` and `stage`; only attempts that committed. A metric of its own for each stage, because one
 * that stages share (Metric.withAttributes) makes the name of its series anew at each change of the stage.
 */
export const stageSeconds = (attributes: { readonly pipeline: string; readonly stage: string }) =>
  Metric.histogram("eco2_stage_seconds", {
    description: "seconds of work of a committed stage",
    boundaries: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120],
    attributes
  })

/** Seconds a job waited in a stage's mailbox before it was taken, by `pipeline` and `stage`; of each stage, as above. */
export const waitSeconds = (attributes: { readonly pipeline: string; readonly stage: string }) =>
  Metric.histogram("eco2_wait_seconds", {
    description: "seconds between a job's arrival in a stage's mailbox and its begin",
    boundaries: [0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300],
    attributes
  })

/** Jobs that ended, by `pipeline` and `outcome` (done, failed, cancelled), counted by the process whose script ended them. */
export const jobs = Metric.counter("eco2_jobs_total", { incremental: true, description: "jobs that reached their end" })

/** Attempts that did not commit, by `stage` and `reason` (an error's tag). */
export const attempts = Metric.counter("eco2_attempts_total", {
  incremental: true,
  description: "stage attempts that failed or were given back"
})

/** Stages that fell back to a plainer output after a failure, by `stage` and `reason` (the error's tag). */
export const fallbacks = Metric.counter("eco2_fallbacks_total", {
  incremental: true,
  description: "stages that fell back to a plainer output"
})

/** Dead letters written by this process, by `mailbox` and `reason`. */
export const deadLetters = Metric.counter("eco2_dead_letters", {
  incremental: true,
  description: "dead letters written"
})

/**
 * Open jobs that nothing in Redis stood for, and delayed messages without a timer, put back by this process, by what they
 * `lacked`: entry, lane, timer; a lane that let nobody in (turn); an unreadable job that was given up (fence); a wrong
 * count of a partition's jobs in lanes (count). Alert on any.
 */
export const jobsPutBack = Metric.counter("eco2_jobs_put_back_total", {
  incremental: true,
  description: "open jobs that nothing in Redis stood for, put back"
})

/** Steps of Redis's clock that a worker noticed, by `direction` (forward, back). */
export const clockSteps = Metric.counter("eco2_redis_clock_steps_total", {
  incremental: true,
  description: "steps of Redis's clock"
})
/** Connections that a port closed at once, because it had MAX_CONNECTIONS. */
export const connectionsRefused = Metric.counter("eco2_connections_refused_total", {
  incremental: true,
  description: "connections refused at MAX_CONNECTIONS"
})

/** Seconds by which Redis's clock is ahead of a worker's wall clock, by its last beat. */
export const clockAhead = Metric.gauge("eco2_redis_clock_ahead_seconds", {
  description: "Redis's clock less this machine's"
})

/** Seconds of CPU that the process has used, in user and system mode. */
export const cpuSeconds = Metric.counter("process_cpu_seconds_total", {
  incremental: true,
  description: "seconds of CPU used"
})
export const residentMemory = Metric.gauge("process_resident_memory_bytes", { description: "resident memory" })
/** Epoch seconds. */
export const startTime = Metric.gauge("process_start_time_seconds", { description: "when the process started" })
/** Where the system tells (Linux). */
export const openFiles = Metric.gauge("process_open_fds", { description: "open files and sockets" })
/** Where the system tells (Linux). */
export const mostFiles = Metric.gauge("process_max_fds", { description: "files and sockets that may be open" })
export const heapUsed = Metric.gauge("nodejs_heap_size_used_bytes", { description: "heap in use" })
export const heapTotal = Metric.gauge("nodejs_heap_size_total_bytes", { description: "heap reserved" })
/** Buffers of bodies, pictures and sockets are here, not in the heap. */
export const externalMemory = Metric.gauge("nodejs_external_memory_bytes", { description: "memory outside the heap" })
/** Seconds by which the event loop ran late, in 99 of 100 samples since the last scrape. */
export const loopLag = Metric.gauge("nodejs_eventloop_lag_p99_seconds", {
  description: "99th percentile of the event loop's delay since the last scrape"
})
/** 1, by `role`, `version`, `revision` and `runtime`. */
export const buildInfo = Metric.gauge("eco2_build_info", { description: "what runs here" })

/** Seconds by which the timers of a process ran late at most, since the last scrape. */
export const eventLoopDelay = Metric.gauge("eco2_event_loop_delay_seconds", {
  description: "the longest stall of the event loop since the last scrape"
})

/** Attempts whose handlers went on a second after they were interrupted, by `mailbox` and `reason` (timeout, lost, release). */
export const outlivedAttempts = Metric.counter("eco2_attempts_outlived_total", {
  incremental: true,
  description: "attempts whose handlers went on after they were ended"
})
/** By `mailbox`: handlers that run on after their attempt's end, and hold its slot. */
export const outlivedRunning = Metric.gauge("eco2_attempts_outlived_running", {
  description: "handlers that run on after their attempt was ended"
})

/** Entries that were in work when processes died, each time one is judged, by `mailbox` and `verdict` (run, alone, pause, guilty). */
export const suspects = Metric.counter("eco2_suspects_total", {
  incremental: true,
  description: "entries that were in work when processes died, and what they may do"
})

/**
 * Asks, by `actor` and `outcome`. Counted by the asker: reply, error, failed, large, timeout; late (actor ""): the answer came
 * after the asker stopped waiting. Counted by the actor: expired (deadline over before it began), unheard (the asker is gone).
 */
export const asks = Metric.counter("eco2_asks_total", { incremental: true, description: "asks and how they ended" })

/** Restarts of loops and actors after a defect, by `loop` (for an actor: its mailbox). Alert on any. */
export const restarts = Metric.counter("eco2_restarts_total", {
  incremental: true,
  description: "loops that failed by a defect and were started again"
})

/** Slots, by `schedule` and `outcome`: fired, skipped (the last run is open), full (refused, retried), failed (no input). */
export const scheduleFires = Metric.counter("eco2_schedule_fires_total", {
  incremental: true,
  description: "slots of schedules"
})

/** Bytes of images that handlers hold, out of IMAGE_MEMORY. */
export const imageBytes = Metric.gauge("eco2_image_bytes", { description: "bytes of pictures that handlers hold" })
/** Attempts that wait for memory for their image. */
export const imageWaiting = Metric.gauge("eco2_image_waiting", {
  description: "attempts that wait for room for their picture"
})

/** By `mailbox`: entries in the mailbox, in work included. */
export const mailboxDepth = Metric.gauge("eco2_mailbox_depth", { description: "entries not yet acknowledged" })
/** By `mailbox`: entries that wait where no living process reads; shown by a process that found it. Alert on any. */
export const mailboxUnserved = Metric.gauge("eco2_mailbox_unserved", {
  description: "entries of a mailbox that no process serves"
})
/** By `mailbox`: entries in work, of all processes. */
export const mailboxLeased = Metric.gauge("eco2_mailbox_leased", { description: "entries in work" })
/** By `mailbox`: jobs and messages on timers that are due there within a minute. */
export const mailboxDue = Metric.gauge("eco2_mailbox_due", { description: "what timers bring within a minute" })
/** By `mailbox`: waiting + leased + due within a minute: what autoscalers read. */
export const mailboxBacklog = Metric.gauge("eco2_mailbox_backlog", {
  description: "entries waiting or in work, and what timers bring within a minute"
})
/** By `mailbox`: age of the oldest entry, seconds. */
export const mailboxOldest = Metric.gauge("eco2_mailbox_oldest_seconds", { description: "age of the oldest entry" })

/** By `mailbox`: dead letters that wait there. */
export const mailboxLetters = Metric.gauge("eco2_mailbox_letters", { description: "dead letters that wait" })
/**
 * By `mailbox`: living processes that serve it, told by gateways for every mailbox that was ever served; a process that has not said
 * yet what it serves counts for each. 0 with work: alert.
 */
export const mailboxServers = Metric.gauge("eco2_mailbox_servers", {
  description: "living processes that serve a mailbox"
})
/** By `mailbox`: 1 while an operator has paused it, told by gateways for every mailbox that was ever served. */
export const mailboxPaused = Metric.gauge("eco2_mailbox_paused", { description: "1 while a mailbox is paused" })
/** Processes that an operator has drained. */
export const drainedProcesses = Metric.gauge("eco2_processes_drained", {
  description: "living processes that take no work because an operator drained them"
})
/** By `role` and `state` (alive, expired, condemned): processes with a lease, or declared dead within ten minutes. */
export const processes = Metric.gauge("eco2_processes", { description: "processes that beat, or did lately" })
/** 1 while Redis answers this process and takes its commands, else 0. */
export const redisUp = Metric.gauge("eco2_redis_up", { description: "1 while Redis answers and takes commands" })
/** 1 while PostgreSQL answers this process, else 0; asked at a scrape. */
export const postgresUp = Metric.gauge("eco2_postgres_up", { description: "1 while PostgreSQL answers" })

/** By `limit`: seconds from the first request to its grant, all retries included. */
export const limitWait = Metric.histogram("eco2_limit_wait_seconds", {
  description: "seconds waited for a limit's grant",
  boundaries: [0.002, 0.05, 0.25, 1, 2, 5, 15, 60, 300, 1800]
})
/** By `name`: 0 closed, 1 half-open, 2 open; as this process knows it at a scrape. */
export const breakerState = Metric.gauge("eco2_breaker_state", {
  description: "state of a circuit breaker: 0 closed, 1 half-open, 2 open"
})
/** Seconds from sending a statement to its answer, by `statement`; only statements that succeeded. */
export const postgresSeconds = Metric.histogram("eco2_postgres_seconds", {
  description: "seconds of a statement on Postgres",
  boundaries: [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10]
})
/** Statements that failed, every retry counted, by `reason` (SQLSTATE, or the error's tag). */
export const postgresErrors = Metric.counter("eco2_postgres_errors_total", {
  incremental: true,
  description: "statements that Postgres did not answer or refused"
})
