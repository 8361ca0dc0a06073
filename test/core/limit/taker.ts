/**
 * A process that uses one limit and prints a line for each grant: `at` is Redis's time. FIBERS at once use it once each; with HOLD
 * they keep their permits until the process is killed; with GATE they begin when that key exists.
 */
import { CoreConfig, Limit, RateLimiter, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Duration, Effect, Layer, Schedule } from "effect"

const { env } = process
const number = (name: string): Record<string, number> =>
  env[name] === undefined ? {} : { [name.toLowerCase()]: Number(env[name]) }
const limit = Limit.make(env.NAME ?? "test", {
  ...number("REQUESTS"),
  ...number("PERMITS"),
  ...number("BURST"),
  window: Duration.millis(Number(env.WINDOW_MS ?? 60_000))
})

const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

const program = Effect.gen(function* () {
  const limiter = yield* RateLimiter.RateLimiter
  say({ ready: true })
  const { GATE: gate } = env
  if (gate !== undefined) {
    const redis = yield* RedisClient.RedisClient
    yield* Effect.repeat(redis.send("EXISTS", gate), {
      until: (there) => there === 1,
      schedule: Schedule.spaced("10 millis")
    })
  }
  yield* Effect.forEach(
    Array.from({ length: Number(env.FIBERS ?? 1) }),
    () =>
      limiter.use(limit, { patience: "10 minutes" }, ({ grantedAt, waitedMillis }) => {
        say({ at: grantedAt, waited: waitedMillis })
        return env.HOLD === undefined ? Effect.void : Effect.never
      }),
    { concurrency: "unbounded", discard: true }
  )
  say({ done: true })
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      Worker.limits.pipe(
        Layer.provideMerge(
          Layer.merge(
            RedisClient.layerUrl(env.REDIS_URL ?? ""),
            CoreConfig.layerWith({ lease: Duration.millis(Number(env.LEASE_MS ?? 15_000)) })
          )
        )
      )
    )
  )
)
