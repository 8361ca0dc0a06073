/** A pipeline: two stages, a limit the whole fleet keeps, and whoever wants the result. */
import { Client, Limit, Pipeline, RateLimiter, Stage, StageBehavior, Worker } from "@eco2/core"
import { Console, Effect, Layer, Schema } from "effect"

// The protocol: what travels, in which order. All that whoever submits has to import.
const Document = Schema.Struct({ url: Schema.String })
const fetchStage = Stage.make("fetch", { needs: { input: Document }, output: Schema.String, progress: 50 })
const sumUpStage = Stage.make("sum-up", { needs: { fetch: Schema.String }, output: Schema.String, progress: 100 })
const Digest = Pipeline.make("digest", { input: Document }).add(fetchStage).add(sumUpStage)

// What the stages do, wherever they run. The type says what a stage may read.
const fetching = StageBehavior.layer(
  Digest,
  "fetch",
  Effect.succeed(({ input }: Pipeline.Read<typeof Digest, "fetch">) => Effect.succeed(`what ${input.url} says`))
)
const model = Limit.make("model", { requests: 500, window: "1 minute" })
const summing = StageBehavior.layer(
  Digest,
  "sum-up",
  Effect.map(
    RateLimiter.RateLimiter,
    (limiter) =>
      ({ fetch }: Pipeline.Read<typeof Digest, "sum-up">) =>
        // no room within 5 s: the job is put off in Redis, keeps its place in the line, and spends no attempt
        limiter.use(model, { patience: "5 seconds" }, () => Effect.succeed(`in short: ${fetch}`))
  )
)

// A worker and a client; here in one process, elsewhere in as many as you like.
const worker = Layer.mergeAll(fetching, summing).pipe(
  Layer.provide(Worker.limits),
  Layer.provideMerge(Worker.layer({ role: "digest" })),
  Layer.provide(Client.fromEnvironment)
)

const program = Effect.gen(function* () {
  const { id } = yield* Pipeline.submit(Digest, { url: "https://example.org" }, { owner: "ada", key: null })
  const outputs = yield* Pipeline.result(Digest, id, { deadline: "30 seconds" })
  yield* Console.log(outputs["sum-up"])
})

await Effect.runPromise(Effect.provide(program, worker))
