/**
 * The cost of an ask on an idle system: `npm run bench:ask [-- asks]`. One process asks, another answers. In the same run, in
 * turns with it, it measures a bare round trip between the same two processes: XADD wakes the other side's XREAD, which answers
 * by XADD and wakes ours. Prints milliseconds. No test asserts on any of it.
 */
import { Actor, Behavior, Client, CoreConfig, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Effect, Fiber, Layer, References, Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import { median, percentile } from "./Workload.ts"

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
  process.stdout.write("ready\n")
  while (true) {
    const came = yield* next
    for (let i = 0; i < came; i++) yield* put("back")
  }
})

const asking = Effect.gen(function* () {
  const [asks = 2_000] = process.argv.slice(2).map(Number)
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
  for (let i = -500; i < asks; i++) {
    const [asked, bounced] = [yield* timed(ask), yield* timed(bare)]
    if (i < 0) continue
    times.ask.push(asked)
    times.bare.push(bounced)
  }
  const row = (name: string, values: ReadonlyArray<number>) =>
    `| ${name} | ${median(values).toFixed(2)} | ${percentile(values, 0.99).toFixed(2)} |`
  const ratio = (of: (values: ReadonlyArray<number>) => number) => (of(times.ask) / of(times.bare)).toFixed(1)
  process.stdout.write(
    [
      "| | p50 ms | p99 ms |",
      "| --- | --- | --- |",
      row("ask", times.ask),
      row("bare XADD/XREAD round trip", times.bare),
      `| ratio | ${ratio(median)} | ${ratio((values) => percentile(values, 0.99))} |`,
      ""
    ].join("\n")
  )
})

const quietly = Effect.provideService(References.MinimumLogLevel, "Warn")
const url = process.env.BENCH_ASK_OF
if (url !== undefined) {
  const behavior = Behavior.layer(Echo, Effect.succeed({ Say: (text: string) => Effect.succeed(text) }))
  const worker = behavior.pipe(Layer.provide(Worker.layer({ role: "bench" })), Layer.provideMerge(ground(url)))
  await Effect.runPromise(quietly(Effect.scoped(Effect.provide(answering, worker))))
} else {
  const server = await start({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] })
  const other = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, BENCH_ASK_OF: server.url },
    stdio: ["ignore", "pipe", "inherit"]
  })
  await once(other.stdout, "data")
  const client = Client.layer.pipe(Layer.provideMerge(ground(server.url)))
  await Effect.runPromise(quietly(Effect.scoped(Effect.provide(asking, client))))
  other.kill("SIGKILL")
  await server.stop()
}
