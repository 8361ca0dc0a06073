/**
 * JobDoctor: looks at every job, and puts back those that nothing in Redis stands for, and lets in lanes that stand still (Scrub), as the workers do every ten
 * minutes.
 * It reads every key's name, as fast as Redis answers.
 */
import { CoreConfig } from "@eco2/core/client"
import { Scrub } from "@eco2/core/operations"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Config, Effect, Layer } from "effect"
import { failing, ok } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

const check = "jobs.places"
const shown = 10

const services = Scrub.layer.pipe(
  Layer.provide(Keyspace.layer),
  Layer.provide(Layer.merge(RedisClient.layer, CoreConfig.layer)),
  Layer.fresh
)

/** No answer is a finding too. */
export const examine: Effect.Effect<ReadonlyArray<Finding>> = Scrub.Scrub.use((scrub) => scrub.walk(Effect.void)).pipe(
  Effect.map(({ examined, putBack }) => {
    if (putBack.length === 0) return [ok(check, `${examined} jobs, each in its place`)]
    const named = putBack
      .slice(0, shown)
      .map(({ id, lacked, stage }) =>
        lacked === "count" ? `${id} (wrong count of jobs in lanes)` : `${id} (${stage}: no ${lacked})`
      )
    const rest = putBack.length > shown ? `, and ${putBack.length - shown} more` : ""
    return [
      failing(
        check,
        `${putBack.length} without a place in Redis, put back (${examined} jobs looked at): ${named.join(", ")}${rest}`,
        "they continue, but for those without a fence, which have dead letters; find out what Redis has lost (docs/operations/alerts.md, Eco2JobsPutBack)"
      )
    ]
  }),
  Effect.provide(services),
  Effect.catch((error) =>
    Effect.succeed([
      failing(
        check,
        error instanceof Config.ConfigError ? error.cause.message : error.message,
        "jobs could not be looked at"
      )
    ])
  )
)
