/** State that many processes hold in memory: each change reaches all of them; a new process loads a snapshot first. */
import { Client, Topic } from "@eco2/core"
import { Console, Effect, Layer, Schema } from "effect"

const Price = Schema.Struct({ part: Schema.String, cents: Schema.Int })
const Prices = Topic.make("prices", {
  event: Price,
  state: { value: Schema.Int, change: ({ cents, part }) => [Topic.set(part, cents)] }
})

const program = Effect.gen(function* () {
  yield* Topic.publish(Prices, { part: "bolt", cents: 12 })
  // current from the first read, and kept current while the scope is open
  const prices = yield* Topic.mirror(Prices)
  yield* Console.log("a bolt costs", prices.state().get("bolt"))
})

Client.run(Layer.provide(Client.layer, Client.fromEnvironment), program)
