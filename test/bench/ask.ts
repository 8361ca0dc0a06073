/**
 * Contenders: an ask on an idle system, and a bare round trip between the same two processes in turns with it: XADD wakes the other
 * side's XREAD, which answers by XADD and wakes ours. `node ask.ts asking|answering <redis url> [asks]`; `asking` reports the
 * milliseconds of both.
 */
import { Actor, Behavior, Client, CoreConfig, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Effect, Fiber, Layer, References, Schema } from "effect"
import { median, percentile, report } from "./Workload.ts"

const [role = "asking", url = "redis://127.0.0.1:6379", asks = "2000"] = process.argv.slice(2)

const Echo = Actor.make("echo", { Say: Actor.ask({ payload: Schema.String, reply: Schema.String }) })
const ground = (url: string) => Layer.merge(RedisClient.layerUrl(url), CoreConfig.layerWith({}))
const Reply = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.Tuple([Schema.String, Schema.Unknown]))]))

/** Reads a stream of ours to its end, entry by entry. */
const follower = Effect.fnUntraced(function* (stream: string) {
  const redis = yield* RedisClient.RedisClient
  const reader = yield* redis.reader(stream)
  let cursor = "0-0"
  return Effect.gen(function* () {
    const reply = yield* reader.read(20_000, "XREAD", "BLOCK", 20_000, "STREAMS", stream, cursor)
    const ids = reply === null ? [] : (yield* Schema.decodeUnknownEffect(Reply)(reply))[0]![1].map(([id]) => id)
    cursor = ids.at(-1) ?? cursor
    return ids.length
  })
})
const put = (stream: string) =>
  RedisClient.RedisClient.use((redis) => redis.send("XADD", stream, "MAXLEN", "~", 1_000, "*", "b", '"hello"'))

const answering = Effect.gen(function* () {
  const next = yield* follower("there")
  report("ready")
  while (true) {
    const came = yield* next
    for (let i = 0; i < came; i++) yield* put("back")
  }
})

const asking = Effect.gen(function* () {
  const next = yield* follower("back")
  const bare = Effect.gen(function* () {
    const answer = yield* Effect.forkChild(next, { startImmediately: true })
    yield* put("there")
    yield* Fiber.join(answer)
  })
  const ask = Echo.ask("ann", "Say", "hello", { deadline: "10 seconds" })
  const timed = <E, R>(one: Effect.Effect<unknown, E, R>) =>
    Effect.gen(function* () {
      const from = performance.now()
      yield* one
      return performance.now() - from
    })
  const times = { ask: new Array<number>(), bare: new Array<number>() }
  for (let i = -500; i < Number(asks); i++) {
    const [asked, bounced] = [yield* timed(ask), yield* timed(bare)]
    if (i < 0) continue
    times.ask.push(asked)
    times.bare.push(bounced)
  }
  const facts = (whose: "ask" | "bare") => ({
    [`${whose}50`]: median(times[whose]),
    [`${whose}99`]: percentile(times[whose], 0.99)
  })
  report("asked", { ...facts("ask"), ...facts("bare") })
  // the benchmark ends it
  yield* Effect.never
})

const quietly = Effect.provideService(References.MinimumLogLevel, "Warn")
if (role === "answering") {
  const behavior = Behavior.layer(Echo, Effect.succeed({ Say: (text: string) => Effect.succeed(text) }))
  const worker = behavior.pipe(Layer.provide(Worker.layer({ role: "bench" })), Layer.provideMerge(ground(url)))
  await Effect.runPromise(quietly(Effect.scoped(Effect.provide(answering, worker))))
} else {
  const client = Client.layer.pipe(Layer.provideMerge(ground(url)))
  await Effect.runPromise(quietly(Effect.scoped(Effect.provide(asking, client))))
}
