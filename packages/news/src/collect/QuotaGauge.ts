/** QuotaGauge: exports how much of NewsData's daily quota the fleet has used, in processes that have its key. */
import { RateLimiter } from "@eco2/core"
import { OutageLog, Gauges } from "@eco2/core/telemetry"
import { Effect, Layer, Metric } from "effect"
import { newsQuotaUsed } from "../Metrics.ts"
import { NewsSources } from "../source/NewsSources.ts"
import { newsDataDay } from "./Politeness.ts"

export const layer: Layer.Layer<never, never, Gauges | NewsSources | RateLimiter.RateLimiter> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { on } = yield* NewsSources
    const limiter = yield* RateLimiter.RateLimiter
    const gauges = yield* Gauges
    if (!on.has("newsdata")) return
    const outage = OutageLog.make("NewsData's quota cannot be read", "NewsData's quota is read again")
    yield* gauges.register(
      limiter.granted(newsDataDay).pipe(
        Effect.flatMap((used) => Metric.update(newsQuotaUsed, used)),
        Effect.andThen(outage.over),
        Effect.catch(outage.failed)
      )
    )
  })
)
