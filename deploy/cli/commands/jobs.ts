/** `eco2 jobs`: lists jobs, shows one in full, follows its events, cancels some or many. */
import { Job } from "@eco2/core/protocol"
import type { CallState, CancelQuery, JobState, JobSummary, SpentState } from "@eco2/gateway/operator-api"
import { jobStates, mostLimit, openStates } from "@eco2/gateway/operator-words"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Choice from "../Choice.ts"
import { fail } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { age, facts, moment, print, say, table } from "../Output.ts"
import { outlasting, watch, watching } from "../Watching.ts"

const id = Argument.String("job").pipe(Argument.withDescription("The job's id, or the beginning of it"))
const isId = Schema.is(Job.JobId)
/** The id, or the one job whose id begins so. Text that can be no id names no job. */
const jobPath = Effect.fnUntraced(function* (text: string) {
  if (isId(text)) return { params: { job_id: text } }
  const none = fail("notFound", `there is no job ${text}`)
  if (!/^[0-9a-f-]{4,35}$/.test(text)) return yield* none
  const found = yield* Effect.forEach(["open", "ended"] as const, (state) => allPages({ state, id: text }, 2))
  const ids = found.flatMap(({ jobs }) => jobs.map(({ job_id }) => job_id))
  const [only] = ids
  if (ids.length > 1) return yield* fail("usage", `${ids.length} jobs or more begin with ${text}`)
  return only !== undefined && isId(only) ? { params: { job_id: only } } : yield* none
})
/** Searches of one list; each looks at tens of thousands of jobs. */
const mostSearches = 50

/** Pages of jobs until there are `limit`, or no more. */
const allPages = Effect.fnUntraced(function* (
  query: Omit<CancelQuery, "state"> & { readonly state: (typeof jobStates)[number]; readonly id?: string },
  limit: number
) {
  const operator = yield* Operator
  const jobs: Array<typeof JobSummary.Type> = []
  let next: string | null = null
  for (let searches = 0; searches < mostSearches; searches++) {
    const cursor: { readonly cursor?: string } = next === null ? {} : { cursor: next }
    const most = Math.min(limit - jobs.length, mostLimit)
    const page = yield* operator.ask(({ ops }) => ops.jobs({ query: { ...query, ...cursor, limit: most } }))
    jobs.push(...page.jobs)
    next = page.next
    if (next === null || jobs.length >= limit) break
  }
  return { jobs, complete: next === null, next }
})

const list = Command.make(
  "list",
  {
    state: Flag.Literals("state", jobStates).pipe(
      Flag.withDescription("open, ended, or one state"),
      Flag.withDefault("open")
    ),
    ...Choice.flags,
    ...Choice.jobFlags,
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many jobs, newest first"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
      Flag.withDefault(100)
    ),
    watch
  },
  ({ limit, state, watch, ...chosen }) =>
    watching(
      watch,
      Effect.gen(function* () {
        const now = Date.now()
        const query = {
          state,
          ...Choice.placeOf(chosen),
          ...Choice.queryOf(chosen, now),
          ...Choice.jobQueryOf(chosen)
        }
        const found = yield* allPages(query, limit)
        if (found.jobs.length === 0) yield* Choice.checkCause(chosen.cause)
        yield* print(found, () =>
          table(
            found.jobs,
            [
              { head: "JOB", cell: ({ job_id }) => job_id },
              { head: "PIPELINE", cell: (job) => job.pipeline },
              { head: "OWNER", cell: (job) => job.owner || "-" },
              { head: "STATE", cell: (job) => job.state },
              { head: "STAGE", cell: ({ stage }) => stage },
              { head: "%", cell: ({ progress }) => progress },
              { head: "RUN", cell: ({ run }) => run },
              { head: "ATTEMPTS", cell: ({ attempts }) => attempts },
              { head: "AGE", cell: ({ created }) => age(now - created) },
              { head: "SINCE", cell: ({ since }) => age(now - since) },
              { head: "CAUSE", cell: ({ cause }) => cause ?? "-" }
            ],
            state === "open" ? "no open jobs; --state ended lists the others" : "no such jobs"
          )
        )
        if (found.next !== null) yield* say(`there are more; --limit ${limit * 10} shows more of them`)
      })
    )
).pipe(Command.withDescription("Jobs, newest first; open ones by default"))

/** The sums of a job's paid calls in one line. */
const spentLine = ({ billed_bad, cost, free, ok, open, tokens, uncertain, unpriced }: typeof SpentState.Type) =>
  [
    `${ok} ok, ${billed_bad} billed for nothing, ${uncertain} uncertain, ${open} open, ${free} free`,
    `cost ${cost}${unpriced === 0 ? "" : ` and ${unpriced} without a price`}`,
    `${tokens} tokens`
  ].join("; ")

const callTable = (calls: ReadonlyArray<typeof CallState.Type>) =>
  table(
    calls,
    [
      { head: "CALL", cell: ({ opened }) => moment(opened) },
      { head: "STAGE", cell: ({ stage }) => stage },
      { head: "RUN", cell: ({ run }) => run },
      { head: "ATTEMPT", cell: ({ attempt }) => attempt },
      { head: "MODEL", cell: ({ service }) => service },
      { head: "BILL", cell: ({ outcome }) => outcome },
      {
        head: "TOOK",
        cell: ({ closed, opened }) => (closed === null ? "-" : `${((closed - opened) / 1_000).toFixed(1)}s`)
      },
      { head: "TOKENS", cell: ({ input, output }) => (input ?? 0) + (output ?? 0) },
      { head: "COST", cell: ({ cost }) => (cost === null ? "-" : String(cost)) },
      { head: "REQUEST", cell: ({ request_id }) => request_id ?? "-" },
      { head: "NOTE", cell: ({ note }) => note ?? "" }
    ],
    ""
  )

type Shown = typeof JobState.Type

const seconds = (millis: number) => `${(millis / 1_000).toFixed(1)}s`
const stageTable = ({ created, stages }: Shown) =>
  table(
    stages,
    [
      { head: "STAGE", cell: ({ stage }) => stage },
      { head: "ATTEMPTS", cell: ({ attempts }) => attempts },
      { head: "BEGAN", cell: ({ first }) => (first === null ? "-" : `+${seconds(first - created)}`) },
      { head: "COMMITTED", cell: ({ committed }) => (committed === null ? "-" : `+${seconds(committed - created)}`) },
      { head: "WORKED", cell: ({ work_ms }) => (work_ms === null ? "-" : seconds(work_ms)) }
    ],
    ""
  )
/** What an event says beside its name: a retry's cause and time, a failure's code. */
const noteOf = (result: unknown): string =>
  typeof result === "object" && result !== null
    ? Object.entries(result)
        .filter(([, value]) => typeof value === "string" || typeof value === "number")
        .map(([name, value]) => (name === "next_at" ? `again at ${moment(Number(value) * 1000)}` : `${name} ${value}`))
        .join(", ")
    : ""
const eventLine = ({ result, seq, stage, status, ts }: Shown["events"][number]) =>
  `${moment(ts)}  ${String(seq).padStart(3)}  ${stage} ${status}${noteOf(result) === "" ? "" : `  (${noteOf(result)})`}`

/** Why nothing happens just now, or where it happens. */
const standing = ({ cause, deadline, due, holder, state }: Shown, now: number): string => {
  if (holder !== null) return `runs in ${holder}`
  if (due !== null)
    return `next ${state === "parked" ? "round" : "attempt"} ${moment(due)} (in ${age(due - now)}), after ${cause ?? "-"}`
  if (state === "waiting")
    return `waits in its mailbox${cause === null ? "" : `, after ${cause}`}; fails ${moment(deadline)}`
  return state === "lane" ? "waits for its user's other jobs" : "over"
}

const show = Command.make(
  "show",
  { id },
  Effect.fnUntraced(function* ({ id }) {
    const operator = yield* Operator
    const path = yield* jobPath(id)
    const job = yield* operator.ask(({ ops }) => ops.job(path))
    yield* print(job, () => {
      const {
        attempts,
        calls,
        error,
        events,
        job_id,
        owner,
        pipeline,
        progress,
        run,
        spent,
        stage,
        state,
        trace,
        tries
      } = job
      const known = facts({
        job_id,
        pipeline,
        owner,
        state,
        stage,
        progress,
        run,
        attempts,
        tries,
        error,
        ...(job.result === null ? {} : { result: job.result }),
        trace,
        standing: standing(job, Date.now()),
        committed: job.committed.join(" "),
        created: moment(job.created),
        deadline: moment(job.deadline),
        ended: moment(job.ended),
        ...(spent === null ? {} : { spent: spentLine(spent) })
      })
      const parts = [known, stageTable(job), events.map(eventLine).join("\n"), callTable(calls)]
      return parts.filter((part) => part !== "").join("\n\n")
    })
  })
).pipe(Command.withDescription("A job: state, holder, next attempt and why, stages, events, trace, paid calls"))

const isOver = ({ state }: Shown) => state === "done" || state === "failed" || state === "cancelled"
/** One job's events, until it is over. */
const followJob = Effect.fnUntraced(function* (id: string) {
  const operator = yield* Operator
  let seen = 0
  const path = yield* jobPath(id)
  const look = Effect.gen(function* () {
    const job = yield* operator.ask(({ ops }) => ops.job(path))
    for (const event of job.events.filter(({ seq }) => seq > seen)) {
      seen = event.seq
      yield* print({ job_id: job.job_id, ...event }, () => eventLine(event))
    }
    return isOver(job)
  })
  yield* Effect.repeat(outlasting(look), { until: (over) => over, schedule: Schedule.spaced("1 second") })
})
const tail = Command.make(
  "tail",
  {
    id: Argument.String("job").pipe(
      Argument.withDescription("The job's id, or the beginning of it; without it the events of all jobs"),
      Argument.optional
    ),
    pipeline: Choice.flags.pipeline,
    owner: Choice.flags.owner
  },
  Effect.fnUntraced(function* ({ id, owner, pipeline }) {
    const filters = {
      ...(Option.isSome(owner) ? { owner: owner.value } : {}),
      ...(Option.isSome(pipeline) ? { pipeline: pipeline.value } : {})
    }
    if (Option.isNone(id)) {
      const { follow } = yield* Effect.promise(() => import("../LiveTail.ts"))
      return yield* follow(filters)
    }
    if (Object.keys(filters).length > 0) return yield* fail("usage", "name a job, or choose jobs with flags")
    yield* followJob(id.value)
  })
).pipe(Command.withDescription("A job's events as they come, until it is over; or those of all jobs, until Ctrl-C"))

/** Cancels what fits, step by step; a job that ended meanwhile is skipped. */
const cancelChosen = Effect.fnUntraced(function* (query: CancelQuery, limit: number, isDry: boolean, isSure: boolean) {
  const operator = yield* Operator
  const call = (most: number, dry_run: "true" | "false", next: string | null) =>
    operator.ask(({ ops }) =>
      ops.cancelMany({ query: { ...query, limit: most, dry_run, ...(next === null ? {} : { cursor: next }) } })
    )
  const total = { matched: 0, cancelled: 0, skipped: 0 }
  let cursor: string | null = null
  for (let searches = 0; searches < mostSearches; searches++) {
    const step: Effect.Success<ReturnType<typeof call>> = yield* call(
      Math.min(limit - total.matched, mostLimit),
      "true",
      cursor
    )
    total.matched += step.matched
    cursor = step.next
    if (cursor === null || total.matched >= limit) break
  }
  if (total.matched === 0) yield* Choice.noteCause(Option.fromNullishOr(query.cause))
  const many = `${total.matched}${cursor !== null && total.matched < limit ? " or more" : ""}`
  if (isDry || total.matched === 0) {
    yield* print({ ...total, dry_run: isDry }, () => `${many} jobs would be cancelled`)
    return
  }
  yield* Choice.confirm(`Cancel ${many} jobs?`, isSure)
  const told = Choice.progress(() => `${total.cancelled} cancelled`)
  total.matched = 0
  const steps = Effect.gen(function* () {
    cursor = null
    do {
      const step: Effect.Success<ReturnType<typeof call>> = yield* call(
        Math.min(Choice.step, limit - total.matched),
        "false",
        cursor
      )
      total.matched += step.matched
      total.cancelled += step.cancelled
      total.skipped += step.skipped
      cursor = step.next
      yield* told.shown
    } while (cursor !== null && total.matched < limit)
  })
  yield* steps.pipe(
    Effect.onError(() => told.brokenOff),
    Effect.ensuring(told.over)
  )
  yield* print(total, () => `${total.cancelled} cancelled, ${total.skipped} skipped (they had ended meanwhile)`)
})

const cancelLine = ({ job_id, outcome }: { readonly job_id: string; readonly outcome: string }) =>
  outcome === "missing"
    ? `there is no job ${job_id}`
    : outcome === "finished"
      ? `job ${job_id} is over already`
      : `job ${job_id} is cancelled${outcome === "already" ? " already" : ""}`

const cancel = Command.make(
  "cancel",
  {
    ids: Argument.String("job").pipe(
      Argument.withDescription(
        "Jobs' ids, or their beginnings; or choose them by flags; - reads them from standard input, as `jobs list --json` prints them"
      ),
      Argument.variadic({ min: 0 })
    ),
    all: Choice.all,
    state: Flag.Literals("state", openStates).pipe(Flag.withDescription("Only in this state"), Flag.optional),
    ...Choice.flags,
    tag: Choice.jobFlags.tag,
    model: Choice.jobFlags.model,
    limit: Choice.most,
    dryRun: Choice.dryRun,
    yes: Choice.yes
  },
  Effect.fnUntraced(function* ({ all, dryRun, ids, limit, state, yes, ...chosen }) {
    const byFlags = all || [state, chosen.tag, chosen.model].some(Option.isSome) || Choice.isAny(chosen)
    if (ids.length > 0 === byFlags) {
      return yield* fail("usage", "name jobs, or choose them with flags (--pipeline, --state, --cause, …) or --all")
    }
    if (byFlags) {
      const query = {
        ...(Option.isSome(state) ? { state: state.value } : {}),
        ...Choice.placeOf(chosen),
        ...Choice.queryOf(chosen, Date.now()),
        ...Choice.jobQueryOf({ ...chosen, id: Option.none() })
      }
      return yield* cancelChosen(
        query,
        Option.getOrElse(limit, () => Infinity),
        dryRun,
        yes
      )
    }
    const operator = yield* Operator
    const named = yield* Choice.namesOf(ids, "job_id")
    const answers = yield* Effect.forEach(
      named,
      (id) =>
        Effect.flatMap(jobPath(id), (path) =>
          Effect.map(
            operator.ask(({ ops }) => ops.cancelJob(path)),
            ({ outcome }) => ({ job_id: String(path.params.job_id), outcome: String(outcome) })
          )
        ).pipe(
          Choice.unlessGone(named),
          Effect.map((answer) => answer ?? { job_id: id, outcome: "missing" })
        ),
      { concurrency: 16 }
    )
    const over = answers.filter(({ outcome }) => outcome === "finished")
    const [only] = answers
    if (answers.length === 1 && only !== undefined) {
      if (over.length > 0) return yield* fail("failed", `job ${only.job_id} is over already`)
      return yield* print({ outcome: only.outcome }, () => cancelLine(only))
    }
    yield* print(answers, () => (answers.length === 0 ? "0 cancelled" : answers.map(cancelLine).join("\n")))
    const missing = answers.filter(({ outcome }) => outcome === "missing").length
    if (missing > 0) return yield* fail("notFound", `${missing} of the jobs are not there`)
    if (over.length > 0) return yield* fail("failed", `${over.length} jobs were over already`)
  })
).pipe(Command.withDescription("Cancel jobs, wherever they stand: by id, by flags, or all open ones"))

export const jobs = Command.make("jobs").pipe(
  Command.withDescription("List, show, follow and cancel jobs"),
  Command.withSubcommands([list, show, tail, cancel])
)
