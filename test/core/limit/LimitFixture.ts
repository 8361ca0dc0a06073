/**
 * LimitFixture: processes that only use limits, on the file's own Redis: some inside the test's process, each with its own clock
 * offset (no test waits for a minute), some real ones, which can be killed (taker.ts).
 */
import { Attempt, CircuitBreaker, CoreConfig, RateLimiter, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Context, Duration, Effect, Exit, Layer, References, Scope } from "effect"
import * as Child from "../../fault/Child.ts"

export type Services = RateLimiter.RateLimiter | CircuitBreaker.CircuitBreaker | RedisClient.RedisClient | CoreConfig

export interface Process {
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>) => Effect.Effect<A, E>
  readonly send: (command: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown>
  readonly stop: Effect.Effect<void>
}

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A process; `aheadMillis`: how far its clock is ahead of Redis's. */
export const process = (
  url: string,
  options: { readonly aheadMillis?: number; readonly lease?: Duration.Input } = {}
): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const layer = Worker.limits.pipe(
      Layer.provideMerge(
        Layer.merge(
          RedisClient.layerUrl(url),
          CoreConfig.layerWith({
            lease: Duration.fromInputUnsafe(options.lease ?? "15 seconds"),
            clockOffsetMillis: options.aheadMillis ?? 0
          })
        )
      ),
      Layer.fresh
    )
    const context: Context.Context<Services> = yield* Effect.orDie(Layer.buildWithScope(layer, scope))
    return {
      run: <A, E>(effect: Effect.Effect<A, E, Services>) => quietly(Effect.provideContext(effect, context)),
      send: (command: string, ...args: ReadonlyArray<string | number>) =>
        Effect.orDie(Context.get(context, RedisClient.RedisClient).send(command, ...args)),
      stop: Scope.close(scope, Exit.void)
    } satisfies Process
  }).pipe(quietly)

/** Uses a limit without work; returns the time of the grant by Redis's clock. */
export const grant = (
  limit: Parameters<RateLimiter.RateLimiter["Service"]["use"]>[0],
  request: RateLimiter.Request = {}
) => RateLimiter.RateLimiter.use((limiter) => limiter.use(limit, request, ({ grantedAt }) => Effect.succeed(grantedAt)))

/** As a job's attempt, which keeps its place under this name. */
export const as =
  (place: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Attempt, { place, untimed: (wait) => wait })

/** The most grants in any window, both ends included. */
export const mostInAnyWindow = (grants: ReadonlyArray<number>, windowMillis: number): number => {
  const times = grants.toSorted((a, b) => a - b)
  let most = 0
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! > windowMillis) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

/** A process of its own; ends with the scope. */
export const child = (env: Readonly<Record<string, string>>, hear: (line: Child.Line) => void = () => {}) =>
  Effect.acquireRelease(
    Effect.sync(() => Child.start({ name: "taker", file: "test/core/limit/taker.ts", env, hear })),
    (started) =>
      Effect.promise(async () => {
        started.signal("SIGKILL")
        await started.exited
      })
  )
