/**
 * OpsHandlers: the operators' calls, for callers with the secret (InternalSecret). One call redrives a bounded number of
 * letters; letters it skipped were open or already gone.
 */
import { DeadLetters, Fleet, JobList } from "@eco2/core/operations"
import { CallLedger, JobStore, Mailbox } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Effect, Option, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { usualLimit } from "./OpsApi.ts"
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
const resultOf = ({ outputs, owner, state }: Job.Job): unknown => {
  const text = [...outputs.values()].at(-1) ?? ""
  if (state !== "done" || owner !== "" || Buffer.byteLength(text) > mostShown) return null
  return Option.getOrNull(readJson(text))
}

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

export const layer = HttpApiBuilder.group(
  Api,
  "ops",
  Effect.fnUntraced(function* (handlers) {
    const letters = yield* DeadLetters.DeadLetters
    const fleet = yield* Fleet.Fleet
    const store = yield* JobStore.JobStore
    const ledger = yield* CallLedger.CallLedger
    const mailbox = yield* Mailbox.Mailbox
    const list = yield* JobList.JobList
    const { all, known } = yield* OpsMailboxes.make
    const letterOf = (path: { readonly mailbox: string; readonly partition: string; readonly entry: string }) =>
      Effect.flatMap(known(path.mailbox), (one) =>
        letters
          .show(one, `${path.partition}/${path.entry}`)
          .pipe(Effect.mapError((error) => (error._tag === "LetterUnknown" ? nothing : fromRedis(error))))
      )
    const lettersOf = Effect.fnUntraced(function* (
      name: string,
      { cause, limit = usualLimit }: { readonly cause?: string; readonly limit?: number }
    ) {
      const wanted = { limit, ...(cause === undefined ? {} : { cause }) }
      const found = yield* Effect.mapError(letters.list(yield* known(name), wanted), fromRedis)
      return found.slice(0, limit)
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
            oldest_ms: depth.oldestMillis
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
              in_flight: inFlight
            }))
        )
      )
      .handle(
        "jobs",
        Effect.fnUntraced(function* ({ query: { limit = usualLimit, state, ...filters } }) {
          const { complete, jobs } = yield* Effect.mapError(
            list.find({ ...filters, state: state ?? "open", limit }),
            fromRedis
          )
          return { jobs: jobs.map(({ id, ...job }) => ({ job_id: id, ...job })), complete }
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
            committed: [...job.outputs.keys()],
            result: resultOf(job),
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
      .handle("letters", ({ params, query }) =>
        Effect.map(lettersOf(params.mailbox, query), (found) => found.map(letterState))
      )
      .handle("letter", ({ params }) => Effect.map(letterOf(params), letterState))
      .handle("redriveMany", ({ params, query }) =>
        lettersOf(params.mailbox, query).pipe(
          Effect.flatMap((found) => Effect.forEach(found, redrive, { concurrency: 16 })),
          Effect.map(counted)
        )
      )
      .handle("redrive", ({ params }) =>
        Effect.map(Effect.flatMap(letterOf(params), redrive), (outcome) => counted([outcome]))
      )
      .handle(
        "discard",
        Effect.fnUntraced(function* ({ params }) {
          const letter = yield* letterOf(params)
          yield* Effect.mapError(letters.discard(letter), fromRedis)
          yield* Effect.logInfo("letter discarded by an operator").pipe(
            Effect.annotateLogs({ letter: letter.id, mailbox: letter.mailbox, job_id: letter.jobId })
          )
        })
      )
  })
)
