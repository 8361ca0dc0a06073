/** A pipeline with two stages, a rate limit for the whole fleet, and a client that waits for the result. */
import { Client, Limit, Pipeline, RateLimiter, Stage, StageBehavior, Worker } from "@eco2/core"
import { Console, Effect, Layer, Schema } from "effect"

// The protocol: the stages and their data. A client that submits jobs imports only this.
const Document = Schema.Struct({ url: Schema.String })
const fetchStage = Stage.make("fetch", { needs: { input: Document }, output: Schema.String, progress: 50 })
const sumUpStage = Stage.make("sum-up", { needs: { fetch: Schema.String }, output: Schema.String, progress: 100 })
const Digest = Pipeline.make("digest", { input: Document }).add(fetchStage).add(sumUpStage)

// The handlers, run by workers. The type limits what a stage can read.
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
        // no permit within 5 s: the job waits on a timer in Redis, keeps its place in line, and spends no attempt
        limiter.use(model, { patience: "5 seconds" }, () => Effect.succeed(`in short: ${fetch}`))
  )
)

// A worker and a client: here in one process, elsewhere in any number of processes.
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

// on SIGTERM it takes no new work, finishes what runs, and hands back the rest
Worker.run(worker, program)
