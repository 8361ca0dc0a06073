/**
 * KeyTable: the table of Redis keys: its row type, and the rows of core. Every package has a table of the keys it names, and
 * docs/architecture.md shows them together. Redis may hold no other key: tests compare the document and Redis with the table.
 */
import type { Names } from "./Keys.ts"

/** One kind of key. `pattern` matches the name after the prefix; `lives`: when the key expires or is deleted. */
export interface Row {
  readonly name: string
  readonly pattern: RegExp
  readonly type: "stream" | "hash" | "list" | "string" | "set" | "zset"
  readonly content: string
  readonly lives: string
  readonly writer: string
  readonly reader: string
  /** May remain once every job is over and its TTL has passed. */
  readonly remains: boolean
}

/** A partition's hash tag. */
const p = String.raw`\{\d+(\.\d+)?\}`
export const row = (
  name: string,
  pattern: string,
  type: Row["type"],
  content: string,
  lives: string,
  writer: string,
  reader: string,
  remains: boolean
): Row => ({ name, pattern: new RegExp(`^${pattern}$`), type, content, lives, writer, reader, remains })

/** Every key of core. */
export const table: ReadonlyArray<Row> = [
  row(
    "{p}:mailbox:<actor>",
    `${p}:mailbox:[a-z0-9.-]+`,
    "stream",
    "work not done, one entry a message, with a consumer group",
    "while the actor exists; entries until acknowledged",
    "submit, begin, commit, defer, promote, redrive, append, settle, all that admit",
    "Reader",
    true
  ),
  row(
    "{p}:job:<id>",
    `${p}:job:[0-9a-f-]{36}`,
    "hash",
    "what was submitted, the fence, checkpoints, error",
    "open: no expiry; ended: JOB_TTL, LETTER_TTL where a letter is left",
    "all transitions",
    "JobStore, begin",
    false
  ),
  row(
    "{p}:job:<id>:events",
    `${p}:job:[0-9a-f-]{36}:events`,
    "list",
    "history that does not follow from the hash; seq = place in the list",
    "with its job",
    "all transitions",
    "EventLog",
    false
  ),
  row(
    "{p}:job:<id>:image",
    `${p}:job:[0-9a-f-]{36}:image`,
    "string",
    "bytes of the submitted image",
    "until the last stage that reads it commits; JOB_TTL after the end at most",
    "submit",
    "stages",
    false
  ),
  row(
    "{p}:job:<id>:calls",
    `${p}:job:[0-9a-f-]{36}:calls`,
    "hash",
    "the ledger of the job's paid calls, a row each; free ones counted",
    "with its job",
    "open-call, close-calls, promote",
    "CallLedger",
    false
  ),
  row(
    "{p}:job:<id>:watched",
    `${p}:job:[0-9a-f-]{36}:watched`,
    "string",
    "somebody watches the job, so its stages' partial text is kept",
    "VIEW_TIMEOUT",
    "PartialText.watch",
    "emit-partial",
    false
  ),
  row(
    "{p}:job:<id>:partial",
    `${p}:job:[0-9a-f-]{36}:partial`,
    "string",
    "text that the running stage has written so far, at most 32 KiB",
    "a minute after it last grew",
    "emit-partial",
    "PartialText.read",
    false
  ),
  row(
    "{p}:upload:<uuid>",
    `${p}:upload:[0-9a-f-]{36}`,
    "string",
    "bytes of an image on its way to a job",
    "2 minutes",
    "JobStore.upload",
    "submit",
    false
  ),
  row(
    "{p}:picture:<id>",
    `${p}:picture:[0-9a-f]{32}`,
    "string",
    'bytes of a picture that its user uploaded for a scan; "-": they are in the object storage',
    "JOB_DEADLINE and JOB_TTL after its upload, and after each submit that names it",
    "keep-picture, use-picture",
    "UploadedPictures",
    false
  ),
  row(
    "{p}:events",
    `${p}:events`,
    "stream",
    "all events of the partition, for live fan-out; one entry a script call",
    "each entry at least 60 s",
    "all transitions",
    "EventLog.tail",
    true
  ),
  row(
    "{p}:partials",
    `${p}:partials`,
    "stream",
    "what running stages add to their text, of jobs that are watched",
    "each entry at least 10 s, the stream a minute after its last",
    "emit-partial",
    "EventLog.tail",
    false
  ),
  row(
    "{p}:lane:<user>",
    `${p}:lane:.+`,
    "list",
    "jobs that wait for their user's turn",
    "while any wait",
    "submit, all that end a job",
    "all that end a job",
    false
  ),
  row(
    "{p}:running",
    `${p}:running`,
    "hash",
    'jobs admitted a user; under "" all that wait in lanes',
    "fields while above zero",
    "submit, all that end a job",
    "submit, all that end a job",
    false
  ),
  row(
    "{p}:timers",
    `${p}:timers`,
    "zset",
    "open jobs by min(next retry, deadline), delayed messages (m:<uuid>) by due time, open paid calls (c:<id> <call>) by the time they become uncertain",
    "members until due or the job's end",
    "submit, defer, bury, promote, redrive, settle, open-call, close-calls",
    "promote",
    false
  ),
  row("{p}:later", `${p}:later`, "hash", "bodies of delayed messages", "fields until due", "settle", "promote", false),
  row(
    "{p}:dead:<actor>",
    `${p}:dead:[a-z0-9.-]+`,
    "stream",
    "dead letters",
    "each entry LETTER_TTL",
    "begin, bury, promote, settle",
    "operator",
    true
  ),
  row(
    "{p}:limit:<user>",
    `${p}:limit:.+`,
    "list",
    "times of a user's latest submits, at most USER_RATE's number",
    "USER_RATE's window after the last",
    "submit",
    "submit",
    true
  ),
  row(
    "{p}:jobs:<user>",
    `${p}:jobs:.+`,
    "list",
    "ids of a user's latest jobs, 100 and a few more, the newest last",
    "JOB_DEADLINE, and JOB_TTL or LETTER_TTL, after the last submit; erased with the user's data",
    "submit, erase",
    "JobStore",
    true
  ),
  row(
    "{p}:ended",
    `${p}:ended`,
    "stream",
    "done and cancelled jobs, for operators' lists: id, run, state, stage, created, pipeline, cause, owner",
    "each entry JOB_TTL",
    "all that end a job",
    "JobList",
    true
  ),
  row(
    "{p}:failed",
    `${p}:failed`,
    "stream",
    "failed jobs, the same",
    "each entry LETTER_TTL",
    "bury, promote",
    "JobList",
    true
  ),
  row(
    "{p}:images:<user>",
    `${p}:images:.+`,
    "hash",
    'bytes of the images of a user\'s jobs and of uploaded pictures, and under "" their sum',
    "JOB_DEADLINE and LETTER_TTL after the last submit or upload of an image; erased with the user's data",
    "submit, keep-picture, use-picture, erase",
    "submit, keep-picture",
    true
  ),
  row(
    "limit:{<name>}",
    String.raw`limit:\{.+\}`,
    "hash",
    "a limit's clock and pause, units charged, who waits and who was granted",
    "a window after the last use, at least a minute",
    "limit-take, limit-settle, limit-pause, limit-resume",
    "limit-take",
    true
  ),
  row(
    "limit-grants:{<name>}",
    String.raw`limit-grants:\{.+\}`,
    "list",
    "times of a limit's last grants, as many as a window allows",
    "a window and a sixtieth after the last",
    "limit-take",
    "limit-take",
    true
  ),
  row(
    "limit-line:{<name>}",
    String.raw`limit-line:\{.+\}`,
    "zset",
    "who waits for a limit, by number; who comes back later, by time",
    "a minute after the last is due",
    "limit-take, limit-settle",
    "limit-take",
    true
  ),
  row(
    "limit-held:{<name>}",
    String.raw`limit-held:\{.+\}`,
    "zset",
    "grants remembered, permits with their leases, who was settled lately",
    "a lease, a window or half a minute after the last",
    "limit-take, limit-settle, limit-renew",
    "limit-take",
    true
  ),
  row(
    "breaker:<name>",
    "breaker:.+",
    "hash",
    "the breaker's clock, failures lately; of an open breaker, until when, who probes, whether an operator opened it",
    "a window after the last failure; open: until it is closed, at most an hour beyond",
    "breaker-ask, breaker-report, breaker-steer",
    "breaker-ask",
    true
  ),
  row(
    "{p}:cron:<schedule>",
    `${p}:cron:[a-z0-9-]+`,
    "hash",
    "a schedule: its expression, the last slot claimed, the last run, whether it is paused",
    "90 days after a process last declared it",
    "fire, steer",
    "fire, keep, steer, Schedules",
    true
  ),
  row(
    "{p}:crons",
    `${p}:crons`,
    "zset",
    "schedules of the partition by when a process last looked at them or kept them",
    "members with their schedule",
    "fire, keep",
    "fire, Schedules",
    true
  ),
  row(
    "{fleet}:audit",
    String.raw`\{fleet\}:audit`,
    "stream",
    "what operators did, about the latest 10,000 acts",
    "for ever, bounded in entries",
    "AuditLog",
    "AuditLog",
    true
  ),
  row(
    "{fleet}:breakers",
    String.raw`\{fleet\}:breakers`,
    "zset",
    "names of breakers by when a process last said that it uses them",
    "members a day",
    "UsedNames",
    "BreakerList",
    true
  ),
  row(
    "{fleet}:limits",
    String.raw`\{fleet\}:limits`,
    "zset",
    "names of limits by when a process last said that it uses them",
    "members a day",
    "UsedNames",
    "LimitList",
    true
  ),
  row(
    "{fleet}:alive",
    String.raw`\{fleet\}:alive`,
    "zset",
    "process token → lease expiry by Redis time; negative: condemned at that time",
    "member until leave, or 10 minutes after condemnation",
    "beat, condemn",
    "beat",
    true
  ),
  row(
    "{fleet}:replies:<process>",
    String.raw`\{fleet\}:replies:[0-9a-f-]{36}`,
    "stream",
    "answers to what a process asked, until it has read them",
    "3 minutes unless renewed",
    "Replies, whoever answers",
    "Replies",
    false
  ),
  row(
    "{fleet}:mailboxes",
    String.raw`\{fleet\}:mailboxes`,
    "set",
    "names of all mailboxes that have been served",
    "for ever, bounded by the mailboxes the code has had",
    "whoever begins to serve one",
    "Mailbox, for operators",
    true
  ),
  row(
    "{fleet}:meta",
    String.raw`\{fleet\}:meta`,
    "hash",
    "PARTITIONS and format the data was written with, whose it is (INSTALLATION), and the data's id",
    "for ever; after a loss of data, written again",
    "Keyspace, beat",
    "every process at start, with every beat, every 5 s without one",
    true
  ),
  row(
    "{fleet}:serving",
    String.raw`\{fleet\}:serving`,
    "hash",
    "process token → the mailboxes it serves",
    "field until the process leaves, or is found dead",
    "beat",
    "FleetTelemetry",
    true
  ),
  row(
    "{fleet}:unserved:<mailbox>",
    String.raw`\{fleet\}:unserved:[a-z0-9.-]+`,
    "string",
    "it was logged that the mailbox has work and no process serves it",
    "10 minutes",
    "UnservedWatch",
    "UnservedWatch",
    true
  ),
  row(
    "{fleet}:watch",
    String.raw`\{fleet\}:watch`,
    "string",
    "a process looks for mailboxes that nobody serves, or did lately",
    "50 seconds",
    "turn",
    "turn",
    true
  ),
  row(
    "{fleet}:scrub",
    String.raw`\{fleet\}:scrub`,
    "string",
    "a process examines all jobs, or did within the last 10 minutes",
    "10 minutes, longer while it does",
    "ScrubLoop",
    "ScrubLoop",
    true
  ),
  row(
    "{fleet}:topic:<name>:log",
    String.raw`\{fleet\}:topic:[a-z0-9.-]+:log`,
    "stream",
    "a topic's last events, counted",
    "about the topic's `history` of them",
    "publish",
    "TopicTail",
    true
  ),
  row(
    "{fleet}:topic:<name>:state",
    String.raw`\{fleet\}:topic:[a-z0-9.-]+:state`,
    "hash",
    'what the events have made of it; under "" count and entry id of the last',
    "for ever, bounded in fields",
    "publish",
    "TopicFollower",
    true
  ),
  row(
    "{fleet}:topic:<name>:sent:<uuid>",
    String.raw`\{fleet\}:topic:[a-z0-9.-]+:sent:[0-9a-f-]{36}`,
    "string",
    "the entry id a publish was answered with",
    "1 minute",
    "publish",
    "publish",
    false
  )
]

/** The row for this key; undefined when no table has one, or the key has another prefix. */
export const rowOf = (tables: ReadonlyArray<Row>, { prefix }: Names, key: string): Row | undefined =>
  key.startsWith(prefix) ? tables.find((row) => row.pattern.test(key.slice(prefix.length))) : undefined
