/**
 * Health: what every role serves on PORT for probes and scrapers.
 *   GET /healthz   200 while the process runs: it says nothing of its work, so a busy worker is never restarted for it
 *   GET /readyz    200, or 503 with what is wrong
 *   GET /metrics   Prometheus text
 */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { Readiness } from "./Readiness.ts"

const probes = HttpRouter.use((router) =>
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

export const layer = Layer.merge(probes, PrometheusMetrics.layerHttp({ path: "/metrics" }))
