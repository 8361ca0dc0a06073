/**
 * A role whose actor `broken` dies on every delivery, and whose actor `slow` never ends; started by Supervision.test.ts.
 */
import { Actor, ActorSystem, Behavior, Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Effect, Layer, Schema } from "effect"

const Slow = Actor.make("slow", { Say: Actor.tell({ payload: Schema.Unknown }) })
const slow = Behavior.layer(
  Slow,
  Effect.succeed({ Say: () => Effect.andThen(Effect.logInfo("slow work begun"), Effect.never) })
)
const broken = Layer.effectDiscard(
  ActorSystem.use((system) =>
    system.serve({
      mailbox: "broken",
      concurrency: 1,
      timeoutMillis: () => null,
      take: () => Effect.die(new Error("a bug"))
    })
  )
)

Role.run({
  role: "failing",
  app: Layer.mergeAll(slow, broken, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "failing" })),
    Layer.provide(Client.fromEnvironment)
  )
})
