/**
 * BrokenRedis: a real RedisClient in which the calls a test names throw, as a bug in the driver would: how tests make a
 * process's own loops die. Names are commands (XREADGROUP, LLEN) and scripts (beat, promote).
 */
import { Context, Effect, Layer, Metric, References } from "effect"
import { ActorSystem, CoreConfig, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"

/** When a call is to throw: before it is made, or after it was answered; `never`: it is not answered. */
export type When = "before" | "after" | "never"
export type Breaking = Map<string, When | (() => When | undefined)>

export const layer = (url: string, breaking: Breaking) => {
  const bug = (name: string) => new Error(`a bug in ${name}`)
  const breakable = <A, E>(name: string, call: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
    const named = breaking.get(name)
    const own = typeof named === "function" ? named() : undefined
    if (named === "before" || own === "before") throw bug(name)
    if (named === "never" || own === "never") return Effect.never
    // a blocking read may be under way when it is named
    return Effect.tap(call(), () =>
      own === "after" || breaking.get(name) === "after" ? Effect.die(bug(name)) : Effect.void
    )
  }
  return Layer.effect(
    RedisClient.RedisClient,
    RedisClient.RedisClient.use((redis) =>
      Effect.succeed(
        RedisClient.RedisClient.of({
          ...redis,
          send: (command, ...args) => Effect.suspend(() => breakable(command, () => redis.send(command, ...args))),
          run: (script, keys, args) =>
            Effect.suspend(() => breakable(script.name, () => redis.run(script, keys, args))),
          reader: (routingKey) =>
            Effect.map(redis.reader(routingKey), (reader) => ({
              ...reader,
              // not suspended: it throws where it is called
              read: (blockMillis, command, ...args) =>
                breakable(command, () => reader.read(blockMillis, command, ...args))
            }))
        })
      )
    )
  ).pipe(Layer.provide(RedisClient.layerUrl(url)))
}

export type Present = Worker.Worker

/** A working process on it, and its own counts. */
export const working = Effect.fnUntraced(function* <E>(
  url: string,
  behaviors: Layer.Layer<never, E, Present>,
  options: { readonly breaking: Breaking; readonly values: Parameters<typeof CoreConfig.layerWith>[0] }
) {
  const registry = new Map()
  const quiet = <A, E1, R>(effect: Effect.Effect<A, E1, R>) =>
    effect.pipe(
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provideService(Metric.MetricRegistry, registry)
    )
  const context = yield* behaviors.pipe(
    Layer.provideMerge(Worker.layer({ role: "test" })),
    Layer.provide(Layer.merge(layer(url, options.breaking), CoreConfig.layerWith(options.values))),
    Layer.fresh,
    Layer.build,
    quiet,
    Effect.orDie
  )
  const system = Context.get(context, ActorSystem)
  return {
    system,
    run: <A, E1>(effect: Effect.Effect<A, E1, Present>) => Effect.provideContext(effect, context).pipe(quiet),
    restarts: (loop: string) =>
      Metric.value(Metric.withAttributes(Metrics.restarts, { loop })).pipe(
        Effect.map(({ count }) => Number(count)),
        quiet
      ),
    /** Every restart counted, of whatever loop. */
    allRestarts: Effect.sync(() => [...registry.keys()].filter((key) => String(key).includes("eco2_restarts_total"))),
    failure: Effect.flip(system.failed).pipe(Effect.timeout("10 seconds"))
  }
})
