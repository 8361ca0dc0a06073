/** Recurring work without a scheduler process: any process may declare it; each slot fires once in the whole fleet. */
import { Actor, Behavior, Client, Schedule, Worker } from "@eco2/core"
import { Console, Deferred, Effect, Layer, Schema } from "effect"

const Clock = Actor.make("clock", { Tick: Actor.tell({ payload: Schema.Struct({ slot: Schema.String }) }) })

const ticked = Deferred.makeUnsafe<void>()
const clock = Behavior.layer(
  Clock,
  Effect.succeed({
    Tick: ({ slot }: { readonly slot: string }) =>
      Effect.andThen(Console.log("slot", slot), Deferred.succeed(ticked, undefined)).pipe(Effect.asVoid)
  })
)
const everySecond = Schedule.everyTell(
  "tick",
  { interval: "1 second" },
  { actor: Clock, type: "Tick", payload: (slot) => ({ slot: slot.toISOString() }) }
)
const worker = Layer.merge(clock, everySecond).pipe(
  Layer.provideMerge(Worker.layer({ role: "clock" })),
  Layer.provide(Client.fromEnvironment)
)

// a worker without a program beside it runs until it is stopped: Worker.run(worker)
Worker.run(worker, Effect.timeout(Deferred.await(ticked), "30 seconds"))
