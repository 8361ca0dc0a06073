/**
 * `npm run bench:replicas [-- seconds rounds]`: what SUBMIT_REPLICAS costs a submit: rate and delay of submits by 1, 16 and 256
 * fibers of one process, without and with one replica that must confirm, taking turns; medians of the rounds. Master and replica
 * on loopback, AOF everysec; `away`: each piece between them is delayed by a millisecond. No test asserts on any of it.
 */
import { Client, CoreConfig, Pipeline, Stage } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import { Effect, Layer, Schedule, Schema } from "effect"
import { median } from "./Workload.ts"

const [seconds = 3, rounds = 3] = process.argv.slice(2).map(Number)
const awayMillis = 1

const input = Schema.Struct({ text: Schema.String })
const Work = Pipeline.make("work", { input }).add(
  Stage.make("one", {
    needs: { input },
    output: Schema.Struct({}),
    progress: 100,
    timeout: "20 seconds",
    concurrency: 1
  })
)
const text = "x".repeat(800)

const client = (url: string, submitReplicas: number) =>
  Layer.fresh(
    Client.layer.pipe(
      Layer.provideMerge(RedisClient.layerUrl(url)),
      Layer.provide(CoreConfig.layerWith({ submitReplicas, mailboxCapacity: 10_000_000 }))
    )
  )

const pair = Effect.fnUntraced(function* (away: boolean) {
  const args = ["--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"]
  const master = yield* RedisServer.scoped({ args })
  const link = yield* Effect.acquireRelease(
    Effect.promise(() => FaultProxy.start(master.port)),
    (proxy) => Effect.promise(() => proxy.close())
  )
  const from = away ? new URL(link.url).port : String(master.port)
  yield* RedisServer.scoped({ args: [...args, "--replicaof", "127.0.0.1", from] })
  yield* RedisClient.RedisClient.use((redis) => redis.send("INFO", "replication")).pipe(
    Effect.repeat({ until: (info) => String(info).includes("state=online"), schedule: Schedule.spaced("20 millis") }),
    Effect.provide(RedisClient.layerUrl(master.url))
  )
  if (away) link.slow(awayMillis)
  return master.url
})

const measure = (fibers: number) =>
  Effect.gen(function* () {
    const delays: Array<number> = []
    const until = performance.now() + seconds * 1_000
    const one = Effect.gen(function* () {
      while (performance.now() < until) {
        const since = performance.now()
        yield* Pipeline.submit(Work, { text }, { owner: null, key: null })
        delays.push(performance.now() - since)
      }
    })
    yield* Effect.all(
      Array.from({ length: fibers }, () => one),
      { concurrency: "unbounded", discard: true }
    )
    const sorted = delays.toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
    return { rate: delays.length / seconds, p50: at(0.5), p99: at(0.99) }
  })

const program = Effect.gen(function* () {
  console.log(
    "| fibers | replica | SUBMIT_REPLICAS | submits/s | p50 ms | p99 ms |\n| --: | --- | --: | --: | --: | --: |"
  )
  for (const fibers of [1, 16, 256]) {
    for (const away of [false, true]) {
      const seen: ReadonlyArray<Array<Effect.Success<ReturnType<typeof measure>>>> = [[], []]
      for (let round = 0; round < rounds; round++) {
        for (const replicas of [0, 1]) {
          const url = yield* pair(away)
          seen[replicas]!.push(yield* Effect.provide(measure(fibers), client(url, replicas)))
        }
      }
      for (const [replicas, figures] of seen.entries()) {
        const of = (name: "rate" | "p50" | "p99", digits: number) =>
          median(figures.map((figure) => figure[name])).toFixed(digits)
        console.log(
          `| ${fibers} | ${away ? "away" : "near"} | ${replicas} | ${of("rate", 0)} | ${of("p50", 1)} | ${of("p99", 1)} |`
        )
      }
    }
  }
})
await Effect.runPromise(Effect.scoped(program))
