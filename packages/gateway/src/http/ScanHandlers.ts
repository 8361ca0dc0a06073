/**
 * ScanHandlers: the scan calls, for callers that Authentication lets in; another user's job is answered like a missing one.
 * Submitting is two steps of Pipeline.submit; Viewer serves the streams.
 */
import { OfferedModels, ServedModels, scanCategories, ScanPipeline, ScanResult } from "@eco2/actors/protocol"
import type { Language } from "@eco2/actors/protocol"
import { EventLog, Job, JobStore, Pipeline } from "@eco2/core/client"
import { Keyspace, MemoryUse, RedisClient } from "@eco2/core/redis"
import { Refusal } from "@eco2/core/http"
import { HttpPort, Role } from "@eco2/core/service"
import { Tracing } from "@eco2/core/telemetry"
import { Duration, Effect, Metric } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Caller } from "../auth/Authentication.ts"
import { EventRouter } from "../events/EventRouter.ts"
import * as Viewer from "../events/Viewer.ts"
import type { GatewayConfig } from "../GatewayConfig.ts"
import * as OwnImages from "../images/OwnImages.ts"
import * as ImageRefusal from "./ImageRefusal.ts"
import type * as RequestBody from "./RequestBody.ts"
import * as RequestLanguage from "./RequestLanguage.ts"
import { Api, usualScans } from "./ScanApi.ts"
import * as ResultView from "./ResultView.ts"
import * as ScanList from "./ScanList.ts"
import * as ScanSubmission from "./ScanSubmission.ts"
import * as SubmitRefusal from "./SubmitRefusal.ts"
import { fromRedis } from "./SubmitRefusal.ts"
import { noResult } from "./WrongField.ts"

/** Streams refused because this process serves its maximum. */
const viewersRefused = Metric.counter("eco2_viewers_refused_total", {
  incremental: true,
  description: "streams refused at MAX_VIEWERS or USER_VIEWERS"
})

const accepted = (id: string) =>
  HttpApiSchema.withHeaders({
    body: {
      job_id: id,
      stream_url: `/api/v1/scan/${id}/events`,
      result_url: `/api/v1/scan/${id}/result`,
      status: "queued" as const
    },
    headers: { location: `/api/v1/scan/${id}/result` }
  })

/** Text that is not a number counts as absent. */
const seqOf = (lastEventId = ""): number | null => (/^\d{1,9}$/.test(lastEventId) ? Number(lastEventId) : null)

const noStore = { "cache-control": "no-store" } as const
const eventStreamHeaders = { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }

/** `bodies`: the process's only one, because all share UPLOAD_MEMORY. */
export const layer = (config: GatewayConfig, bodies: RequestBody.RequestBody) =>
  HttpApiBuilder.group(
    Api,
    "scan",
    Effect.fnUntraced(function* (handlers) {
      const store = yield* JobStore.JobStore
      const log = yield* EventLog.EventLog
      const keyspace = yield* Keyspace
      const router = yield* EventRouter
      const view = yield* Viewer.make
      const stopping = yield* Role.Stopping
      yield* Effect.forkScoped(Effect.andThen(stopping.requested, Effect.sync(router.close)))
      const scanList = yield* ScanList.make
      const results = yield* ResultView.ResultView
      const models = yield* OfferedModels
      const images = yield* OwnImages.OwnImages
      const { offer } = yield* ServedModels.ServedModels
      const memoryUse = yield* MemoryUse.make.pipe(
        Effect.provideService(RedisClient.RedisClient, yield* RedisClient.RedisClient)
      )

      /** The caller's own job. */
      const jobOf = Effect.fnUntraced(function* (id: Job.JobId) {
        const { user } = yield* Caller
        const job = yield* store.get(id).pipe(
          // its owner cannot be read either
          Effect.catchTag("JobUnreadable", ({ id, reason }) =>
            Effect.logError("job is unreadable").pipe(Effect.annotateLogs({ job_id: id, reason }), Effect.as(null))
          ),
          Effect.mapError(fromRedis)
        )
        return job === null || job.owner !== user || job.pipeline !== ScanPipeline.name ? yield* noResult : job
      })

      const isRepeat = (of: { readonly owner: string; readonly key: string }) =>
        Pipeline.isSubmitted(ScanPipeline, of).pipe(
          Effect.provideService(JobStore.JobStore, store),
          Effect.provideService(Keyspace, keyspace),
          Effect.mapError(fromRedis)
        )

      const submit = Effect.fnUntraced(function* (
        request: HttpServerRequest.HttpServerRequest,
        key: string | null,
        language: Language
      ) {
        const { user } = yield* Caller
        const whole = yield* bodies.submit(request, user)
        const {
          bodyHash,
          image,
          request: scan
        } = yield* ScanSubmission.parse(whole, {
          imageHosts: config.imageHosts,
          ownImage: Effect.fnUntraced(function* (url) {
            const named = yield* images.named(url, request.headers.host)
            if (named === null) return null
            const own = yield* images.use(bodies, user, named)
            if (own !== null) return own
            // a repeat needs no picture
            return key !== null && (yield* isRepeat({ owner: user, key })) ? "gone" : yield* ImageRefusal.noUpload
          }),
          // a model that no worker serves yet may be named: the scan waits for a worker
          models: { ...models, default: offer().default },
          language
        })
        if (image !== null) yield* ImageRefusal.withRoom(memoryUse)
        const { created, id } = yield* Pipeline.submit(ScanPipeline, scan, {
          owner: user,
          key,
          bodyHash,
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

      const result = Effect.fnUntraced(function* (id: Job.JobId) {
        const job = yield* jobOf(id)
        const body = yield* results.ofJob(job)
        if (body !== null) return HttpApiSchema.withHeaders({ body, headers: noStore })
        return HttpApiSchema.withHeaders({
          body: {
            status: "processing" as const,
            message: ScanResult.openMessage(job),
            current_stage: job.state === "lane" || (job.state === "waiting" && job.tries === 0) ? "queued" : job.at,
            progress: job.progress
          },
          headers: { ...noStore, "retry-after": "1" }
        })
      })

      const list = Effect.fnUntraced(function* (cursor: string | undefined, limit: number) {
        const { user } = yield* Caller
        return HttpApiSchema.withHeaders({ body: yield* scanList.page(user, cursor ?? null, limit), headers: noStore })
      })

      /** `seen`: the last event id, as given. */
      const events = Effect.fnUntraced(function* (
        request: HttpServerRequest.HttpServerRequest,
        id: Job.JobId,
        seen: string | undefined
      ) {
        const caller = yield* Caller
        const job = yield* jobOf(id)
        const after = seqOf(seen)
        // nothing left to follow: 204 stops EventSource. A client whose id is beyond the history has not seen this end, nor has one
        // whose id was another event's before Redis lost that event
        if (after !== null && Job.isOver(job.state)) {
          const length = yield* Effect.mapError(log.length(id), fromRedis)
          if (length === after && !router.tellAgain(id, after)) return HttpServerResponse.empty({ status: 204 })
        }
        // released when the response is over, however it ends
        const place = yield* Effect.acquireRelease(
          Effect.sync(() => router.subscribe(id, caller)),
          (taken) => Effect.sync(() => typeof taken !== "string" && taken.leave())
        )
        if (place === "full") {
          yield* Metric.update(viewersRefused, 1)
          return yield* Refusal.make(503, "TOO_MANY_VIEWERS", "too many streams are open; try again later", "5 seconds")
        }
        if (place === "user-full") {
          yield* Metric.update(viewersRefused, 1)
          return yield* Refusal.make(
            429,
            "TOO_MANY_STREAMS",
            "too many of your streams are open; close some",
            "5 seconds"
          )
        }
        const watch = Job.isOver(job.state) ? null : { stage: job.at, millis: Duration.toMillis(config.viewTimeout) }
        // not by the endpoint's schema: Viewer's bytes are already the wire format
        return HttpServerResponse.stream(view(id, after, place.subscription, watch, HttpPort.responseOf(request)), {
          contentType: "text/event-stream; charset=utf-8",
          headers: eventStreamHeaders
        })
      })

      const cancel = Effect.fnUntraced(function* (id: Job.JobId) {
        const job = yield* jobOf(id)
        switch (yield* Effect.mapError(store.cancel(job.id), fromRedis)) {
          case "missing":
            return yield* noResult
          case "finished":
            return yield* Refusal.make(409, "ALREADY_FINISHED", "the job is done or has failed")
          case "cancelled":
          case "already":
            yield* Effect.logInfo("scan cancelled").pipe(Effect.annotateLogs({ job_id: id }))
            return { job_id: id, status: "cancelled" as const }
        }
      })

      return (
        handlers
          // by hand: RequestBody bounds the body while it is read, and the contract names a refusal for each field
          .handleRaw("submit", ({ headers, request }) =>
            Effect.scoped(
              submit(request, headers["x-idempotency-key"] ?? null, RequestLanguage.of(headers["accept-language"]))
            ).pipe(Tracing.spanUnder("scan.submit", Tracing.parse(request.headers.traceparent ?? "")))
          )
          .handle("list", ({ query }) => list(query.cursor, query.limit ?? usualScans))
          .handle("result", ({ params }) => result(params.job_id))
          .handle("resultOld", ({ params }) => result(params.job_id))
          .handle("events", ({ headers, params, query, request }) =>
            events(request, params.job_id, headers["last-event-id"] ?? query.last_event_id)
          )
          .handle("eventsOld", ({ headers, query, request }) =>
            events(request, query.job_id, headers["last-event-id"] ?? query.last_event_id)
          )
          .handle("cancel", ({ params }) => cancel(params.job_id))
          .handle("categories", ({ headers, query }) =>
            Effect.succeed(
              HttpApiSchema.withHeaders({
                body: scanCategories[RequestLanguage.named(query.language, headers)],
                headers: { vary: "Accept-Language" as const }
              })
            )
          )
          .handle("models", () => Effect.sync(offer))
      )
    })
  )
