/**
 * A role whose actor's handler blocks the event loop for as long as its message says; started by Blocking.test.ts.
 */
import { Actor, Behavior, Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Effect, Layer, Schema } from "effect"

const Block = Actor.make("block", { Loop: Actor.tell({ payload: Schema.Struct({ millis: Schema.Int }) }) })
const blocking = Behavior.layer(
  Block,
  Effect.succeed({
    Loop: ({ millis }) =>
      Effect.sync(() => {
        const end = performance.now() + millis
        while (performance.now() < end);
      })
  })
)

Role.run({
  role: "blocking",
  app: Layer.merge(blocking, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "blocking" })),
    Layer.provide(Client.fromEnvironment)
  )
})
