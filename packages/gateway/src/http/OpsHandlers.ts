/**
 * OpsHandlers: the operators' calls, for callers with the secret (InternalSecret). One call redrives a bounded number of
 * letters; letters it skipped were open or already gone.
 */
import { DeadLetters, Fleet, JobList } from "@eco2/core/operations"
import { CallLedger, EventLog, JobStore, Mailbox, Policies } from "@eco2/core/client"
import type { Job, JobEvent } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Effect, Option, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { usualLimit } from "./OpsWords.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"
import { nothing } from "./WrongField.ts"

const letterState = (letter: DeadLetters.Letter) => ({
  id: letter.id,
  mailbox: letter.mailbox,
  job_id: letter.jobId,
  cause: letter.cause,
  message: letter.message,
  attempts: letter.attempts,
  first: letter.first,
  last: letter.last
})

/** Money leaves in the currency of the prices; inside it is counted in millionths. */
const money = (millionths: number) => millionths / 1_000_000
const spentState = ({ billedBad, cost, free, ok, open, tokens, uncertain, unpriced }: Job.Spent) => ({
  ok,
  billed_bad: billedBad,
  uncertain,
  open,
  free,
  unpriced,
  cost: money(cost),
  tokens
})
/** Bytes of a result that are shown. */
const mostShown = 4_096
const readJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
/** The last stage's output of a done job without an owner, such as a schedule's; null for all others. */
const resultOf = ({ outputs, owner, plan, state }: Job.Job): unknown => {
  const text = outputs.get(plan.at(-1)?.name ?? "") ?? ""
  if (state !== "done" || owner !== "" || Buffer.byteLength(text) > mostShown) return null
  return Option.getOrNull(readJson(text))
}

/** What a job's history tells of each stage of its plan. */
const stageStates = (job: Job.Job, events: ReadonlyArray<JobEvent.JobEvent>) =>
  job.plan.map(({ name }) => {
    const own = events.filter(({ stage }) => stage === name)
    const at = (status: string) => own.filter((event) => event.status === status).map(({ ts }) => Math.round(ts * 1000))
    return {
      stage: name,
      attempts: at("started").length + at("retrying").length,
      first: at("started")[0] ?? null,
      committed: at("completed").at(-1) ?? null,
      work_ms: job.workMillis.get(name) ?? null
    }
  })
/** The id in a W3C traceparent. */
const traceId = (traceparent: string) => traceparent.split("-")[1] ?? ""
const callState = (row: CallLedger.Row) => ({
  stage: row.stage,
  attempt: row.attempt,
  run: row.run,
  service: row.service,
  outcome: row.outcome,
  opened: row.opened,
  closed: row.closed,
  cost: row.bill?.cost === undefined ? null : money(row.bill.cost),
  input: row.bill?.usage?.input ?? null,
  cached: row.bill?.usage?.cached ?? null,
  output: row.bill?.usage?.output ?? null,
  reasoning: row.bill?.usage?.reasoning ?? null,
  request: row.request,
  request_id: row.bill?.requestId ?? null,
  note: row.bill?.note ?? null
})

/** `model` is short for the tag that the scan pipeline gives. A job that is asked for both must have both; a job has one model. */
const withTag = <A extends { readonly tag?: string; readonly model?: string }>({ model, ...filters }: A) =>
  model === undefined ? filters : { ...filters, tag: `model:${model}` }

export const layer = HttpApiBuilder.group(
  Api,
  "ops",
  Effect.fnUntraced(function* (handlers) {
    const letters = yield* DeadLetters.DeadLetters
    const fleet = yield* Fleet.Fleet
    const store = yield* JobStore.JobStore
    const ledger = yield* CallLedger.CallLedger
    const log = yield* EventLog.EventLog
    const mailbox = yield* Mailbox.Mailbox
    const list = yield* JobList.JobList
    const policies = yield* Policies.Policies
    const { all, known } = yield* OpsMailboxes.make
    const letterOf = (path: { readonly mailbox: string; readonly partition: string; readonly entry: string }) =>
      Effect.flatMap(known(path.mailbox), (one) =>
        letters
          .show(one, `${path.partition}/${path.entry}`)
          .pipe(Effect.mapError((error) => (error._tag === "LetterUnknown" ? nothing : fromRedis(error))))
      )
    const lettersOf = Effect.fnUntraced(function* (
      name: string,
      { limit = usualLimit, ...choice }: DeadLetters.Choice & { readonly limit?: number }
    ) {
      return yield* Effect.mapError(letters.list(yield* known(name), { ...choice, limit }), fromRedis)
    })
    /** The newest letters, or with a cursor those of one step of a walk over all. */
    const stepOf = Effect.fnUntraced(function* (
      name: string,
      {
        cursor,
        limit = usualLimit,
        ...choice
      }: DeadLetters.Choice & { readonly limit?: number; readonly cursor?: string; readonly dry_run?: string }
    ) {
      if (cursor === undefined) return { letters: yield* lettersOf(name, { ...choice, limit }), next: null }
      const step = letters.page(yield* known(name), { ...choice, limit, cursor: cursor === "" ? null : cursor })
      return yield* Effect.mapError(step, fromRedis)
    })
    const redrive = (letter: DeadLetters.Letter) =>
      letters.redrive(letter).pipe(
        Effect.tap((outcome) =>
          Effect.logInfo("letter redriven by an operator").pipe(
            Effect.annotateLogs({ letter: letter.id, mailbox: letter.mailbox, job_id: letter.jobId, outcome })
          )
        ),
        Effect.mapError(fromRedis)
      )
    const discard = (letter: DeadLetters.Letter) =>
      letters
        .discard(letter)
        .pipe(
          Effect.mapError(fromRedis),
          Effect.andThen(
            Effect.logInfo("letter discarded by an operator").pipe(
              Effect.annotateLogs({ letter: letter.id, mailbox: letter.mailbox, job_id: letter.jobId })
            )
          )
        )
    const counted = (outcomes: ReadonlyArray<string>) => {
      const redriven = outcomes.filter((outcome) => outcome === "redriven").length
      return { redriven, skipped: outcomes.length - redriven }
    }

    return handlers
      .handle(
        "mailboxes",
        Effect.fnUntraced(function* () {
          const names = yield* all
          const depths = yield* Effect.mapError(mailbox.depths(names), fromRedis)
          return depths.map((depth, i) => ({
            mailbox: names[i]!,
            entries: depth.entries,
            leased: depth.leased,
            oldest_ms: depth.oldestMillis,
            letters: depth.letters,
            paused_since: policies.paused().get(names[i]!) ?? null
          }))
        })
      )
      .handle("processes", () =>
        Effect.map(
          Effect.flatMap(all, (names) => Effect.mapError(fleet.members(names), fromRedis)),
          (members) =>
            members.map(({ heardMillis, inFlight, leaseMillis, role, state, token }) => ({
              token,
              role,
              state,
              lease_ms: leaseMillis,
              heard_ms: heardMillis,
              in_flight: inFlight,
              draining_since: policies.draining().get(token) ?? null
            }))
        )
      )
      .handle(
        "jobs",
        Effect.fnUntraced(function* ({ query: { limit = usualLimit, state = "open", ...filters } }) {
          const { complete, jobs, next } = yield* Effect.mapError(
            list.find({ ...withTag(filters), state, limit }),
            fromRedis
          )
          return { jobs: jobs.map(({ id, ...job }) => ({ job_id: id, ...job })), complete, next }
        })
      )
      .handle(
        "countJobs",
        Effect.fnUntraced(function* ({ query: { state = "open", ...filters } }) {
          const { causes, complete, jobs, states } = yield* Effect.mapError(
            list.count({ ...withTag(filters), state }),
            fromRedis
          )
          return { jobs, states: Object.fromEntries(states), causes: Object.fromEntries(causes), complete }
        })
      )
      .handle(
        "job",
        Effect.fnUntraced(function* ({ params }) {
          const job = yield* store
            .get(params.job_id)
            .pipe(
              Effect.mapError((error) =>
                error._tag === "JobUnreadable" ? Refusal.make(409, "JOB_UNREADABLE", error.message) : fromRedis(error)
              )
            )
          if (job === null) return yield* nothing
          const { spent } = job
          const rows = spent === undefined ? [] : yield* Effect.mapError(ledger.rows(job.id), fromRedis)
          const events = yield* Effect.mapError(log.history(job.id, 0), fromRedis)
          return {
            job_id: job.id,
            pipeline: job.pipeline,
            owner: job.owner,
            state: job.state,
            stage: job.at,
            progress: job.progress,
            run: job.run,
            attempts: job.attempts,
            tries: job.tries,
            created: job.created,
            deadline: job.deadline,
            ended: job.ended ?? null,
            error: job.error ?? null,
            committed: job.plan.flatMap(({ name }) => (job.outputs.has(name) ? [name] : [])),
            result: resultOf(job),
            trace: traceId(job.trace),
            holder: job.holder ?? null,
            due: job.due ?? null,
            cause: job.cause ?? null,
            stages: stageStates(job, events),
            events: events.map(({ result, seq, stage, status, ts }) => ({
              seq,
              ts: Math.round(ts * 1000),
              stage,
              status,
              result
            })),
            spent: spent === undefined ? null : spentState(spent),
            calls: rows.map(callState)
          }
        })
      )
      .handle(
        "cancelJob",
        Effect.fnUntraced(function* ({ params }) {
          const outcome = yield* Effect.mapError(store.cancel(params.job_id), fromRedis)
          return outcome === "missing" ? yield* nothing : { outcome }
        })
      )
      .handle(
        "cancelMany",
        Effect.fnUntraced(function* ({ query: { dry_run, limit = usualLimit, state = "open", ...filters } }) {
          const { complete, jobs, next } = yield* Effect.mapError(
            list.find({ ...withTag(filters), state, limit }),
            fromRedis
          )
          if (dry_run === "true") return { matched: jobs.length, cancelled: 0, skipped: 0, complete, next }
          const outcomes = yield* Effect.forEach(jobs, ({ id }) => Effect.mapError(store.cancel(id), fromRedis), {
            concurrency: 16
          })
          const cancelled = outcomes.filter((outcome) => outcome === "cancelled").length
          yield* Effect.logInfo("jobs cancelled by an operator").pipe(
            Effect.annotateLogs({ ...filters, state, cancelled, jobs: jobs.map(({ id }) => id).join(" ") })
          )
          return { matched: jobs.length, cancelled, skipped: jobs.length - cancelled, complete, next }
        })
      )
      .handle("letters", ({ params, query }) =>
        Effect.map(lettersOf(params.mailbox, query), (found) => found.map(letterState))
      )
      .handle("letter", ({ params }) => Effect.map(letterOf(params), letterState))
      .handle(
        "redriveMany",
        Effect.fnUntraced(function* ({ params, query }) {
          const { letters: found, next } = yield* stepOf(params.mailbox, query)
          const outcomes = query.dry_run === "true" ? [] : yield* Effect.forEach(found, redrive, { concurrency: 16 })
          return { ...counted(outcomes), matched: found.length, next }
        })
      )
      .handle(
        "discardMany",
        Effect.fnUntraced(function* ({ params, query }) {
          const { letters: found, next } = yield* stepOf(params.mailbox, query)
          const isDry = query.dry_run === "true"
          if (!isDry) yield* Effect.forEach(found, discard, { concurrency: 16, discard: true })
          return { discarded: isDry ? 0 : found.length, matched: found.length, next }
        })
      )
      .handle("redrive", ({ params }) =>
        Effect.map(Effect.flatMap(letterOf(params), redrive), (outcome) => counted([outcome]))
      )
      .handle("discard", ({ params }) => Effect.flatMap(letterOf(params), discard))
  })
)
