/**
 * How long a user waits behind another's backlog: `npm run bench:fairness [-- slots stages stage-millis jobs visitors]`. One
 * user has 5,000 jobs queued; meanwhile new users come one after the other, with one job each, in every partition.
 * Prints their waits from submit to the start of the first stage, by Redis's clock. No test asserts on any of it.
 */
import { CoreConfig, EventLog, JobEvent, Pipeline, Stage, StageBehavior, Worker } from "@eco2/core"
import { Keys, RedisClient } from "@eco2/core/redis"
import { Effect, Layer, References, Schema } from "effect"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import { median, percentile } from "./Workload.ts"

const [slots = 101, stages = 1, stageMillis = 200, jobs = 5_000, visitors = 200] = process.argv.slice(2).map(Number)
const partitions = 4
/** Between two visitors; not a multiple of any other time here. */
const pauseMillis = 17

const Text = Schema.String
const stage = <const Name extends string>(name: Name) =>
  Stage.make(name, { needs: { input: Text }, output: Text, progress: 50, concurrency: slots })
const One = Pipeline.make("fair", { input: Text }).add(stage("vision"))
const Four = One.add(stage("rule")).add(stage("answer")).add(stage("reward"))
const handler = Effect.succeed(({ input }: { readonly input: string }) => Effect.as(Effect.sleep(stageMillis), input))
const behaviors =
  stages === 1
    ? StageBehavior.layer(One, "vision", handler)
    : Layer.mergeAll(
        StageBehavior.layer(Four, "vision", handler),
        StageBehavior.layer(Four, "rule", handler),
        StageBehavior.layer(Four, "answer", handler),
        StageBehavior.layer(Four, "reward", handler)
      )
const submit = (owner: string) =>
  stages === 1 ? Pipeline.submit(One, owner, { owner, key: null }) : Pipeline.submit(Four, owner, { owner, key: null })

const server = await start({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] })
const base = Layer.merge(RedisClient.layerUrl(server.url), CoreConfig.layerWith({ partitions }))

const program = Effect.gen(function* () {
  const log = yield* EventLog.EventLog
  const startedAt = new Map<string, number>()
  const queuedAt = new Map<string, number>()
  let heard = (_: string): void => undefined
  let ended = 0
  yield* log.tail({
    events: (id, events) => {
      for (const event of events) {
        if (event.stage === "queued") queuedAt.set(id, event.ts)
        if (event.stage === "vision" && event.status === "started") startedAt.set(id, event.ts)
        if (JobEvent.isTerminal(event)) ended++
      }
      if (startedAt.has(id)) heard(id)
    },
    gap: () => process.stderr.write("gap\n"),
    answered: () => undefined
  })
  const many = performance.now()
  yield* Effect.forEach(Array.from({ length: jobs }), () => submit("ann"), { concurrency: 200, discard: true })
  process.stderr.write(`${jobs} queued after ${((performance.now() - many) / 1_000).toFixed(1)} s, ${ended} done\n`)
  const waits = new Map<number, Array<number>>()
  // only visitors that meet a backlog count
  for (let n = 0; n < visitors && ended < n + jobs; n++) {
    const owner = `visitor ${n}`
    const { id } = yield* submit(owner)
    yield* Effect.callback<void>((resume) => {
      heard = (which) => {
        if (which === id) resume(Effect.void)
      }
      if (startedAt.has(id)) resume(Effect.void)
    })
    const partition = Keys.partitionOf(owner, partitions)
    const wait = 1_000 * (startedAt.get(id)! - queuedAt.get(id)!)
    waits.set(partition, [...(waits.get(partition) ?? []), wait])
    yield* Effect.sleep(pauseMillis)
  }
  const all = [...waits.values()].flat()
  const row = (name: string, values: ReadonlyArray<number>) =>
    `| ${name} | ${values.length} | ${median(values).toFixed(0)} | ${percentile(values, 0.95).toFixed(0)} | ${Math.max(...values).toFixed(0)} |\n`
  const own = Keys.partitionOf("ann", partitions)
  process.stdout.write(
    `stages of ${stageMillis} ms: ${stages}, slots of each: ${slots}; ${ended} of ${jobs} done at the end\n`
  )
  process.stdout.write("| visitors | n | p50 ms | p95 ms | max ms |\n| --- | ---: | ---: | ---: | ---: |\n")
  process.stdout.write(row("all", all))
  process.stdout.write(row("in the same partition", waits.get(own) ?? []))
  process.stdout.write(
    row(
      "in the others",
      [...waits].flatMap(([partition, values]) => (partition === own ? [] : values))
    )
  )
}).pipe(Effect.provide(behaviors.pipe(Layer.provideMerge(Worker.layer({ role: "bench" })), Layer.provide(base))))

try {
  await Effect.runPromise(program.pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn")))
} finally {
  await server.stop()
}
