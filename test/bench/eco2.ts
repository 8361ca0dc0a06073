/**
 * Contender: @eco2/core. `node eco2.ts worker|submitter <redis port or url> [work millis of a stage]`.
 * All features that users get are on: schemas, checkpoints, history, live events. BENCH, JSON, switches what can be switched.
 */
import { Client, CoreConfig, EventLog, JobEvent, Pipeline, Stage, StageBehavior, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Logging } from "@eco2/core/service"
import { Effect, Layer, References, Schema, Tracer } from "effect"
import { cpuMillis, input, onCommand, output, percentile, report, stages } from "./Workload.ts"

const [role = "worker", port = "6379", workMillis = "0"] = process.argv.slice(2)

/** What features.ts switches; by default all is as users get it, with the logs of a quiet process. */
export interface Switches {
  readonly settings?: Parameters<typeof CoreConfig.layerWith>[0]
  /** Default true. */
  readonly schemas?: boolean
  /** Whether spans are made, as an exporter would have them. */
  readonly spans?: boolean
  /** Whether lines are written at LOG_LEVEL=info, by the logger of the roles. */
  readonly logs?: boolean
  /** How many users submit, in turns; 0: jobs have no owner. Default: each job has a user of its own. */
  readonly users?: number
}
const switches: Switches = JSON.parse(process.env.BENCH ?? "{}")
const any = switches.schemas === false
const Input = any ? Schema.Any : Schema.Struct({ id: Schema.Int, text: Schema.String })
const Output = any ? Schema.Any : Schema.Struct({ text: Schema.String })
const options = { output: Output, concurrency: Number(workMillis) > 0 ? 20_000 : 100 }
const Bench = Pipeline.make("bench", { input: Input })
  .add(Stage.make("one", { needs: { input: Input }, progress: 25, ...options }))
  .add(Stage.make("two", { needs: { one: Output }, progress: 50, ...options }))
  .add(Stage.make("three", { needs: { two: Output }, progress: 75, ...options }))
  .add(Stage.make("four", { needs: { three: Output }, progress: 100, ...options }))

const url = port.includes(":") ? port : `redis://127.0.0.1:${port}`
const base = Layer.merge(RedisClient.layerUrl(url), CoreConfig.layerWith(switches.settings ?? {}))
const logs = switches.logs === true ? Logging.layer("bench") : Layer.succeed(References.MinimumLogLevel, "Warn")
const spans =
  switches.spans === true
    ? { span: (options: ConstructorParameters<typeof Tracer.NativeSpan>[0]) => new Tracer.NativeSpan(options) }
    : Tracer.nativeTracer

const worker = Effect.gen(function* () {
  const work = Number(workMillis) > 0 ? Effect.as(Effect.sleep(Number(workMillis)), output) : Effect.succeed(output)
  const behaviors = Layer.mergeAll(
    ...(stages.map((stage) =>
      StageBehavior.layer(
        Bench,
        stage,
        Effect.succeed(() => work)
      )
    ) as [Layer.Layer<never>])
  )
  yield* Layer.build(behaviors.pipe(Layer.provide(Worker.layer({ role: "bench" })), Layer.provide(base)))
  onCommand((command) => {
    if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
  yield* Effect.never
})

const submitter = Effect.gen(function* () {
  const log = yield* EventLog.EventLog
  const services = yield* Effect.context<Client.Client>()
  let open = 0
  let started = 0
  const waiting = new Map<string, () => void>()
  /** Ended before its submit was answered here. */
  const ended = new Set<string>()
  yield* log.tail({
    events: (id, events) => {
      if (!events.some(JobEvent.isTerminal)) return
      if (awaited > 0 && --awaited === 0) report("ended", { millis: performance.now() - since })
      waiting.get(id)?.()
      if (!waiting.delete(id) && open > 1_000_000) ended.add(id)
      if (--open === 0 && started > 0) report("drained", { millis: performance.now() - started, cpu: cpuMillis() })
    },
    gap: () => report("gap"),
    answered: () => undefined
  })
  let user = 0
  const { users = Number.MAX_SAFE_INTEGER } = switches
  const submit = Effect.suspend(() => {
    const owner = users === 0 ? "" : `user-${user % users}`
    return Pipeline.submit(Bench, { ...input, id: user++ }, { owner, key: null })
  })
  /** Ends still to be waited for (`ended`), and since when. */
  let awaited = 0
  let since = 0
  onCommand((command, argument) => {
    if (command === "ended") {
      awaited = argument
      since = performance.now()
    } else if (command === "burst") {
      open = argument
      started = performance.now()
      Effect.runForkWith(services)(
        Effect.forEach(Array.from({ length: argument }), () => submit, { concurrency: 200, discard: true }).pipe(
          Effect.andThen(Effect.sync(() => report("submitted", { millis: performance.now() - started })))
        )
      )
    } else if (command === "idle") {
      open = Number.MAX_SAFE_INTEGER
      const once = Effect.gen(function* () {
        const from = performance.now()
        const { id } = yield* submit
        yield* Effect.callback<void>((resume) => {
          if (ended.delete(id)) resume(Effect.void)
          else waiting.set(id, () => resume(Effect.void))
        })
        return performance.now() - from
      })
      Effect.runForkWith(services)(
        Effect.map(
          Effect.forEach(Array.from({ length: argument }), () => once),
          (millis) =>
            report("idle", { p50: percentile(millis.slice(10), 0.5), p99: percentile(millis.slice(10), 0.99) })
        )
      )
    } else if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
  yield* Effect.never
}).pipe(Effect.provide(Client.layer.pipe(Layer.provide(base))))

Effect.runFork(
  (role === "worker" ? worker : submitter).pipe(
    Effect.scoped,
    Effect.provide(logs),
    Effect.provideService(Tracer.Tracer, spans)
  )
)
