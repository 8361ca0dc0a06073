/** An actor with a tell and an ask. Its handlers run concurrently, in every process that serves it. */
import { Actor, Behavior, Client, Worker } from "@eco2/core"
import { Console, Effect, Layer, Schema } from "effect"

class NoSuchPart extends Schema.TaggedError<NoSuchPart>()("NoSuchPart", { part: Schema.String }) {}

// The protocol: a sender imports only this.
const Stock = Actor.make("stock", {
  Count: Actor.ask({ payload: Schema.Struct({ part: Schema.String }), reply: Schema.Int, error: NoSuchPart }),
  Sold: Actor.tell({ payload: Schema.Struct({ part: Schema.String }) })
})

const stock = Behavior.layer(
  Stock,
  Effect.succeed({
    Count: ({ part }: { readonly part: string }) =>
      part === "bolt" ? Effect.succeed(7) : Effect.fail(new NoSuchPart({ part })),
    // at least once: after a crash before the acknowledgement the message is delivered again
    Sold: ({ part }: { readonly part: string }) => Console.log(`sold: ${part}`)
  })
)
const worker = stock.pipe(Layer.provideMerge(Worker.layer({ role: "stock" })), Layer.provide(Client.fromEnvironment))

const program = Effect.gen(function* () {
  yield* Stock.tell("bolt", "Sold", { part: "bolt" })
  yield* Console.log("bolts:", yield* Stock.ask("bolt", "Count", { part: "bolt" }, { deadline: "5 seconds" }))
  // the handler's typed error comes back to the asker
  const error = yield* Effect.flip(Stock.ask("nut", "Count", { part: "nut" }, { deadline: "5 seconds" }))
  yield* Console.log("nuts:", error._tag)
})

// on SIGTERM it takes no new work, finishes what runs, and hands back the rest
Worker.run(worker, program)
