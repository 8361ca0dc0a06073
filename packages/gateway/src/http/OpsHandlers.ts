/**
 * OpsHandlers: the operator's calls. Each checks the secret first; without INTERNAL_SECRET set nobody is let in.
 * Redriving many is bounded a call; what it skipped was open or gone already.
 */
import { Job, JobStore, Mailbox } from "@eco2/core/client"
import { DeadLetters, Fleet, JobList } from "@eco2/core/operations"
import { Effect, Schema } from "effect"
import type { Option, Redacted } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { refusal } from "./HttpErrors.ts"
import { fromRedis, guard, json, limitOf, notFound } from "./OpsCall.ts"
import * as OpsMailboxes from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

const isJobId = Schema.is(Job.JobId)

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

/** `secret`: INTERNAL_SECRET, none where it is not set. */
export const layer = (secret: Option.Option<Redacted.Redacted>) =>
  HttpApiBuilder.group(
    Api,
    "ops",
    Effect.fnUntraced(function* (handlers) {
      const letters = yield* DeadLetters.DeadLetters
      const fleet = yield* Fleet.Fleet
      const store = yield* JobStore.JobStore
      const mailbox = yield* Mailbox.Mailbox
      const list = yield* JobList.JobList
      const guarded = guard(secret)
      const { all, known } = yield* OpsMailboxes.make
      const letterOf = (name: string, partition: string, entry: string) =>
        Effect.flatMap(known(name), (one) =>
          letters
            .show(one, `${partition}/${entry}`)
            .pipe(Effect.mapError((error) => (error._tag === "LetterUnknown" ? notFound : fromRedis(error))))
        )
      const redrive = (letter: DeadLetters.Letter) =>
        letters.redrive(letter).pipe(
          Effect.tap((outcome) =>
            Effect.logInfo("letter redriven by an operator").pipe(
              Effect.annotateLogs({ letter: letter.id, mailbox: letter.mailbox, job_id: letter.jobId, outcome })
            )
          ),
          Effect.mapError(fromRedis)
        )

      return handlers
        .handleRaw("mailboxes", ({ request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              const names = yield* all
              const depths = yield* Effect.mapError(mailbox.depths(names), fromRedis)
              return json(
                depths.map((depth, i) => ({
                  mailbox: names[i],
                  entries: depth.entries,
                  leased: depth.leased,
                  oldest_ms: depth.oldestMillis
                }))
              )
            })
          )
        )
        .handleRaw("processes", ({ request }) =>
          guarded(
            request,
            Effect.map(
              Effect.flatMap(all, (names) => Effect.mapError(fleet.members(names), fromRedis)),
              (members) =>
                json(
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
          )
        )
        .handleRaw("jobs", ({ query, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              const { limit, state, ...filters } = query
              const { complete, jobs } = yield* Effect.mapError(
                list.find({ ...filters, state: state ?? "open", limit: limitOf(limit) }),
                fromRedis
              )
              return json({ jobs: jobs.map(({ id, ...job }) => ({ job_id: id, ...job })), complete })
            })
          )
        )
        .handleRaw("job", ({ params, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              if (!isJobId(params.job_id)) return yield* notFound
              const job = yield* store
                .get(params.job_id)
                .pipe(
                  Effect.mapError((error) =>
                    error._tag === "JobUnreadable" ? refusal(409, "JOB_UNREADABLE", error.message) : fromRedis(error)
                  )
                )
              if (job === null) return yield* notFound
              return json({
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
                committed: [...job.outputs.keys()]
              })
            })
          )
        )
        .handleRaw("cancelJob", ({ params, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              if (!isJobId(params.job_id)) return yield* notFound
              const outcome = yield* Effect.mapError(store.cancel(params.job_id), fromRedis)
              return outcome === "missing" ? yield* notFound : json({ outcome })
            })
          )
        )
        .handleRaw("letters", ({ params, query, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              const name = yield* known(params.mailbox)
              const found = yield* Effect.mapError(
                letters.list(name, {
                  limit: limitOf(query.limit),
                  ...(query.cause === undefined ? {} : { cause: query.cause })
                }),
                fromRedis
              )
              return json(found.map(letterState))
            })
          )
        )
        .handleRaw("letter", ({ params, request }) =>
          guarded(
            request,
            Effect.map(letterOf(params.mailbox, params.partition, params.entry), (letter) => json(letterState(letter)))
          )
        )
        .handleRaw("redriveMany", ({ params, query, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              const name = yield* known(params.mailbox)
              const limit = limitOf(query.limit)
              const found = yield* Effect.mapError(
                letters.list(name, { limit, ...(query.cause === undefined ? {} : { cause: query.cause }) }),
                fromRedis
              )
              const outcomes = yield* Effect.forEach(found.slice(0, limit), redrive, { concurrency: 16 })
              const redriven = outcomes.filter((outcome) => outcome === "redriven").length
              return json({ redriven, skipped: outcomes.length - redriven })
            })
          )
        )
        .handleRaw("redrive", ({ params, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              const outcome = yield* redrive(yield* letterOf(params.mailbox, params.partition, params.entry))
              return json({ redriven: outcome === "redriven" ? 1 : 0, skipped: outcome === "redriven" ? 0 : 1 })
            })
          )
        )
        .handleRaw("discard", ({ params, request }) =>
          guarded(
            request,
            Effect.gen(function* () {
              const letter = yield* letterOf(params.mailbox, params.partition, params.entry)
              yield* Effect.mapError(letters.discard(letter), fromRedis)
              yield* Effect.logInfo("letter discarded by an operator").pipe(
                Effect.annotateLogs({ letter: letter.id, mailbox: letter.mailbox, job_id: letter.jobId })
              )
              return HttpServerResponse.empty({ status: 204 })
            })
          )
        )
    })
  )
