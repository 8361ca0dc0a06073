/** A worker with a schedule of one second, composed like every role; WORKER names the process. Runs may overlap. */
import { Client, Pipeline, Schedule, Stage, StageBehavior, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Effect, Layer, Schema } from "effect"

const Tick = Schema.Struct({ slot: Schema.String })
const TickPipeline = Pipeline.make("tick", { input: Tick }).add(
  Stage.make("count", { needs: { input: Tick }, output: Schema.Struct({}), progress: 100 })
)
const worker = process.env.WORKER ?? ""

Role.run({
  role: worker,
  app: Layer.mergeAll(
    StageBehavior.layer(
      TickPipeline,
      "count",
      Effect.succeed(() => Effect.succeed({}))
    ),
    Schedule.every(
      "ticker",
      { interval: "1 second", overlap: "allow" },
      { pipeline: TickPipeline, input: (slot) => ({ slot: slot.toISOString() }) }
    ),
    Worker.telemetry
  ).pipe(Layer.provide(Worker.layer({ role: worker })), Layer.provide(Client.fromEnvironment))
})
