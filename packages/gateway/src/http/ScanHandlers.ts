/**
 * ScanHandlers: the scan calls. Each asks who it is first, before the body is looked at; a job that is another's is
 * answered as if it were not there. Submitting is two steps of Pipeline.submit; watching is Viewer's.
 */
import { OfferedModels, scanCategories, ScanPipeline, ScanResult } from "@eco2/actors/protocol"
import { EventLog, Job, JobStore, Pipeline } from "@eco2/core/client"
import { Keyspace, MemoryUse, RedisClient } from "@eco2/core/redis"
import { Tracing } from "@eco2/core/telemetry"
import { Role } from "@eco2/core/service"
import { Effect, Metric, Schema, Stream } from "effect"
import type { Scope } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Authorization, isOwnOrigin } from "../auth/Authorization.ts"
import { EventRouter } from "../events/EventRouter.ts"
import * as Viewer from "../events/Viewer.ts"
import type { GatewayConfig } from "../GatewayConfig.ts"
import { refusal, respond } from "./HttpErrors.ts"
import type { HttpRefusal } from "./HttpErrors.ts"
import * as RequestBody from "./RequestBody.ts"
import { Api } from "./ScanApi.ts"
import * as ScanSubmission from "./ScanSubmission.ts"
import * as SubmitRefusal from "./SubmitRefusal.ts"
import { fromRedis } from "./SubmitRefusal.ts"

type Request = HttpServerRequest.HttpServerRequest

/** Streams refused because this process serves its limit. */
const viewersRefused = Metric.counter("eco2_viewers_refused_total", {
  incremental: true,
  description: "streams refused at MAX_VIEWERS or USER_VIEWERS"
})

const isJobId = Schema.is(Job.JobId)
const notFound = refusal(404, "RESULT_NOT_FOUND", "no such job, or it has expired")
const fullFrom = 0.8

/** Requests that carry cookies may change things only from pages of ours, or of an allowed origin. */
const checkOrigin = (request: Request, allowed: ReadonlyArray<string>): Effect.Effect<void, HttpRefusal> =>
  request.headers.cookie === undefined || isOwnOrigin(request, allowed)
    ? Effect.void
    : Effect.fail(refusal(403, "ORIGIN_NOT_ALLOWED", `requests from ${request.headers.origin} are not allowed`))

const accepted = (id: string) =>
  HttpServerResponse.jsonUnsafe(
    {
      job_id: id,
      stream_url: `/api/v1/scan/${id}/events`,
      result_url: `/api/v1/scan/${id}/result`,
      status: "queued"
    },
    { status: 202, headers: { location: `/api/v1/scan/${id}/result` } }
  )

const lastEventId = (request: Request, query: string | null): number | null => {
  const text = request.headers["last-event-id"] ?? query ?? ""
  return /^\d{1,9}$/.test(text) ? Number(text) : null
}

const eventStreamHeaders = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }

export const layer = (config: GatewayConfig) =>
  HttpApiBuilder.group(
    Api,
    "scan",
    Effect.fnUntraced(function* (handlers) {
      const authorization = yield* Authorization
      const store = yield* JobStore.JobStore
      const log = yield* EventLog.EventLog
      const keyspace = yield* Keyspace
      const router = yield* EventRouter
      const stopping = yield* Role.Stopping
      const models = yield* OfferedModels
      const memoryUse = yield* MemoryUse.make.pipe(
        Effect.provideService(RedisClient.RedisClient, yield* RedisClient.RedisClient)
      )

      /** The caller's own job. */
      const ownJob = (request: Request, id: string) =>
        Effect.flatMap(authorization.user(request), (user) => jobOf(user, id))
      const jobOf = Effect.fnUntraced(function* (user: string, id: string): Effect.fn.Return<Job.Job, HttpRefusal> {
        if (!isJobId(id)) return yield* notFound
        const job = yield* store.get(id).pipe(
          // whose it is cannot be read either
          Effect.catchTag("JobUnreadable", (error) => Effect.as(Effect.logError(error.message), null)),
          Effect.mapError(fromRedis)
        )
        return job === null || job.owner !== user || job.pipeline !== ScanPipeline.name ? yield* notFound : job
      })

      const readBody = RequestBody.make(config.uploadMemory)

      const submit = Effect.fnUntraced(function* (
        request: Request
      ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, HttpRefusal, Scope.Scope> {
        const user = yield* authorization.user(request)
        yield* checkOrigin(request, config.corsOrigins)
        const key = yield* ScanSubmission.idempotencyKey(request.headers["x-idempotency-key"])
        const text = yield* readBody(request)
        const {
          body,
          image,
          request: scan
        } = yield* ScanSubmission.parse(text, { imageHosts: config.imageHosts, models })
        if (image !== null && (yield* Effect.mapError(memoryUse, fromRedis)) > fullFrom) {
          return yield* refusal(
            503,
            "STORAGE_FULL",
            "the store has no room for images now; try again later",
            "10 seconds"
          )
        }
        const { created, id } = yield* Pipeline.submit(ScanPipeline, scan, {
          owner: user,
          key,
          body,
          ...(image === null ? {} : { image })
        }).pipe(
          Effect.provideService(JobStore.JobStore, store),
          Effect.provideService(Keyspace, keyspace),
          Effect.mapError(SubmitRefusal.of)
        )
        yield* Effect.logInfo(created ? "scan accepted" : "scan already accepted").pipe(
          Effect.annotateLogs({ job_id: id, model: scan.model, image_bytes: image?.length ?? 0 })
        )
        return accepted(id)
      })

      const result = Effect.fnUntraced(function* (
        request: Request,
        id: string
      ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, HttpRefusal> {
        const job = yield* ownJob(request, id)
        const body = yield* ScanResult.ofJob(job)
        if (body !== null) return HttpServerResponse.jsonUnsafe(body, { headers: { "cache-control": "no-store" } })
        return HttpServerResponse.jsonUnsafe(
          {
            status: "processing",
            message: "분류가 진행 중입니다.",
            current_stage: job.state === "lane" || (job.state === "waiting" && job.tries === 0) ? "queued" : job.at,
            progress: job.progress
          },
          { status: 202, headers: { "retry-after": "1", "cache-control": "no-store" } }
        )
      })

      const events = Effect.fnUntraced(function* (
        request: Request,
        id: string,
        query: string | null
      ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, HttpRefusal, Scope.Scope> {
        const caller = yield* authorization.caller(request)
        if (!isJobId(id)) return yield* refusal(400, "INVALID_JOB_ID", "the job id is not a UUID")
        const job = yield* jobOf(caller.user, id)
        const after = lastEventId(request, query)
        // nothing left to follow: 204 tells EventSource to stop. Who has seen more than there is has not seen this end
        if (after !== null && Job.isOver(job.state) && (yield* Effect.mapError(log.length(id), fromRedis)) === after) {
          return HttpServerResponse.empty({ status: 204 })
        }
        // freed when the response is over, however it ends
        const place = yield* Effect.acquireRelease(
          Effect.sync(() => router.subscribe(id, caller)),
          (taken) => Effect.sync(() => typeof taken !== "string" && taken.leave())
        )
        if (place === "full") {
          yield* Metric.update(viewersRefused, 1)
          return yield* refusal(503, "TOO_MANY_VIEWERS", "too many streams are open; try again later", "5 seconds")
        }
        if (place === "user-full") {
          yield* Metric.update(viewersRefused, 1)
          return yield* refusal(429, "TOO_MANY_STREAMS", "too many of your streams are open; close some", "5 seconds")
        }
        const text = Viewer.stream(id, after, place.subscription).pipe(
          Stream.provideService(EventLog.EventLog, log),
          Stream.provideService(JobStore.JobStore, store),
          Stream.interruptWhen(stopping.requested)
        )
        return HttpServerResponse.stream(Stream.encodeText(text), {
          contentType: "text/event-stream; charset=utf-8",
          headers: eventStreamHeaders
        })
      })

      const cancel = Effect.fnUntraced(function* (
        request: Request,
        id: string
      ): Effect.fn.Return<HttpServerResponse.HttpServerResponse, HttpRefusal> {
        yield* checkOrigin(request, config.corsOrigins)
        const job = yield* ownJob(request, id)
        switch (yield* Effect.mapError(store.cancel(job.id), fromRedis)) {
          case "missing":
            return yield* notFound
          case "finished":
            return yield* refusal(409, "ALREADY_FINISHED", "the job is done or has failed")
          case "cancelled":
          case "already":
            yield* Effect.logInfo("scan cancelled").pipe(Effect.annotateLogs({ job_id: id }))
            return HttpServerResponse.jsonUnsafe({ job_id: id, status: "cancelled" }, { status: 202 })
        }
      })

      return handlers
        .handleRaw("submit", ({ request }) =>
          respond(Effect.scoped(submit(request))).pipe(
            Tracing.spanUnder("scan.submit", Tracing.parse(request.headers.traceparent ?? ""))
          )
        )
        .handleRaw("result", ({ params, request }) => respond(result(request, params.job_id)))
        .handleRaw("resultOld", ({ params, request }) => respond(result(request, params.job_id)))
        .handleRaw("events", ({ params, query, request }) =>
          respond(events(request, params.job_id, query.last_event_id ?? null))
        )
        .handleRaw("eventsOld", ({ query, request }) =>
          respond(events(request, query.job_id ?? "", query.last_event_id ?? null))
        )
        .handleRaw("cancel", ({ params, request }) => respond(cancel(request, params.job_id)))
        .handle("categories", () => Effect.succeed(scanCategories))
        .handleRaw("models", ({ request }) =>
          respond(
            Effect.as(
              authorization.user(request),
              HttpServerResponse.jsonUnsafe({ models: models.models, default: models.default })
            )
          )
        )
    })
  )
