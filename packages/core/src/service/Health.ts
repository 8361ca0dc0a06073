/**
 * Health: the routes of every role for probes and scrapers.
 *   GET /healthz   200 while the process runs; it does not depend on its work, so a busy worker is never restarted
 *   GET /readyz    200, or 503 with what is wrong
 *   GET /metrics   Prometheus text
 * Probes are on each port of a process, metrics on ADMIN_PORT (Role).
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { Gauges } from "../telemetry/Gauges.ts"
import { Readiness } from "../supervision/Readiness.ts"

export const probes = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const readiness = yield* Readiness
    yield* router.add("GET", "/healthz", Effect.succeed(HttpServerResponse.jsonUnsafe({ status: "ok" })))
    yield* router.add(
      "GET",
      "/readyz",
      Effect.sync(() => {
        const troubles = readiness.troubles()
        return troubles.length === 0
          ? HttpServerResponse.jsonUnsafe({ status: "ready" })
          : HttpServerResponse.jsonUnsafe({ status: "not ready", troubles }, { status: 503 })
      })
    )
  })
)

export const metrics = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const gauges = yield* Gauges
    yield* router.add(
      "GET",
      "/metrics",
      Effect.andThen(gauges.readAll, PrometheusMetrics.format()).pipe(
        Effect.map((text) => HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" }))
      )
    )
  })
)
