/**
 * A role whose actor's handler cannot be interrupted, and never ends; started by Outliving.test.ts.
 */
import { Actor, Behavior, Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Effect, Layer, Schema } from "effect"

const Stubborn = Actor.make("stubborn", { Say: Actor.tell({ payload: Schema.Unknown }) })
const stubborn = Behavior.layer(
  Stubborn,
  Effect.succeed({
    Say: () => Effect.andThen(Effect.logInfo("stubborn work begun"), Effect.uninterruptible(Effect.never))
  })
)

Role.run({
  role: "stubborn",
  app: Layer.merge(stubborn, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "stubborn" })),
    Layer.provide(Client.fromEnvironment)
  )
})
