/**
 * BrokenRedis: a real RedisClient in which the calls that a test names throw, as a bug in the driver would, fail, or return
 * late. With it tests make a process's own loops die, or let something happen between a reply and its arrival. Names are commands
 * (XREADGROUP, HGET) and scripts (beat, promote).
 */
import { Context, Effect, Layer, Metric, References } from "effect"
import { ActorSystem, CoreConfig, Worker } from "@eco2/core"
import { RedisClient, RedisError } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"

/**
 * before, after: the call throws before it is sent, or after its reply · never: it gets no reply · unavailable, refused (for good): it
 * fails so without being sent · an effect: the reply arrives when the effect has ended.
 */
export type When = "before" | "after" | "never" | "unavailable" | "refused" | Effect.Effect<void>
/** `key`: the first that a script declares. */
export type Breaking = Map<string, When | ((key: string) => When | undefined)>

export const layer = (url: string, breaking: Breaking) => {
  const bug = (name: string) => new Error(`a bug in ${name}`)
  const breakable = <A>(
    name: string,
    call: () => Effect.Effect<A, RedisError.RedisError>,
    key = ""
  ): Effect.Effect<A, RedisError.RedisError> => {
    const named = breaking.get(name)
    const when = typeof named === "function" ? named(key) : named
    if (when === "before") throw bug(name)
    if (when === "never") return Effect.never
    if (when === "unavailable") return Effect.fail(new RedisError.RedisUnavailable({ command: name, cause: bug(name) }))
    if (when === "refused")
      return Effect.fail(new RedisError.RedisRefused({ command: name, code: "ERR", reply: "ERR unknown command" }))
    return Effect.tap(call(), () => {
      // a blocking read may already be running when it is named
      const latest = breaking.get(name)
      const then = typeof latest === "function" ? when : latest
      return then === "after" ? Effect.die(bug(name)) : Effect.isEffect(then) ? then : Effect.void
    })
  }
  return Layer.effect(
    RedisClient.RedisClient,
    RedisClient.RedisClient.use((redis) =>
      Effect.succeed(
        RedisClient.RedisClient.of({
          ...redis,
          send: (command, ...args) => Effect.suspend(() => breakable(command, () => redis.send(command, ...args))),
          run: (script, keys, args) =>
            Effect.suspend(() => breakable(script.name, () => redis.run(script, keys, args), keys[0])),
          call: (script, keys, args, answered) =>
            Effect.runCallback(
              Effect.suspend(() => breakable(script.name, () => redis.run(script, keys, args), keys[0])),
              { onExit: answered }
            ),
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

/** A working process on it, with its own metrics. */
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
    /** All restarts counted, of any loop. */
    allRestarts: Effect.sync(() => [...registry.keys()].filter((key) => String(key).includes("eco2_restarts_total"))),
    failure: Effect.flip(system.failed).pipe(Effect.timeout("10 seconds"))
  }
})
