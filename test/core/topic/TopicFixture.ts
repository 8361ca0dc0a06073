/** TopicFixture: a topic of prices, and followers that record what they receive. */
import { Effect, Schema, Scope } from "effect"
import { Topic } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

export const Price = Schema.Struct({ cents: Schema.Int })
export const PriceEvent = Schema.Union([
  Schema.Struct({ type: Schema.Literal("set"), name: Schema.String, cents: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("drop"), name: Schema.String }),
  Schema.Struct({ type: Schema.Literal("all"), prices: Schema.Record(Schema.String, Price) })
])
export type PriceEvent = typeof PriceEvent.Type

export const change = (event: PriceEvent): ReadonlyArray<Topic.Change<typeof Price.Type>> => {
  switch (event.type) {
    case "set":
      return [Topic.set(event.name, { cents: event.cents })]
    case "drop":
      return [Topic.remove(event.name)]
    case "all":
      return Topic.replace(Object.entries(event.prices))
  }
}
export const Prices = Topic.make("shop.prices", { event: PriceEvent, state: { value: Price, change }, fields: 1_000 })

export const priced = (name: string, cents: number): PriceEvent => ({ type: "set", name, cents })

type Process = Fleet.Process<Fleet.Services>

export const publish = (process: Process, event: PriceEvent) => process.run(Effect.orDie(Topic.publish(Prices, event)))

/** A follower: every snapshot and event it received, and the resulting prices. */
export const follow = Effect.fnUntraced(function* (
  process: Process,
  options: { readonly topic?: typeof Prices; readonly event?: (event: PriceEvent) => Effect.Effect<void> } = {}
) {
  const snapshots: Array<ReadonlyMap<string, typeof Price.Type>> = []
  const events: Array<PriceEvent> = []
  const prices = new Map<string, number>()
  const scope = yield* Effect.scope
  const subscription = yield* process.run(
    Topic.follow(options.topic ?? Prices, {
      snapshot: (state) =>
        Effect.sync(() => {
          snapshots.push(state)
          prices.clear()
          for (const [name, { cents }] of state) prices.set(name, cents)
        }),
      event: (event) =>
        Effect.map(options.event?.(event) ?? Effect.void, () => {
          events.push(event)
          for (const one of change(event)) {
            if (one._tag === "Clear") prices.clear()
            else if (one._tag === "Set") prices.set(one.field, one.value.cents)
            else prices.delete(one.field)
          }
        })
    }).pipe(Effect.orDie, Effect.provideService(Scope.Scope, scope))
  )
  return {
    snapshots,
    events,
    subscription,
    prices: Effect.sync(() => Object.fromEntries([...prices].toSorted(byName))),
    /** Waits until it has received this price. */
    knows: (name: string, cents: number) =>
      Fleet.until(
        Effect.sync(() => prices.get(name)),
        (seen) => seen === cents
      )
  }
})

const byName = ([a]: readonly [string, number], [b]: readonly [string, number]) => a.localeCompare(b)
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Price))

/** The state stored in Redis. */
export const stored = (process: Process) =>
  Effect.map(process.send("HGETALL", keyNames.topic(Prices.name).state), (reply) => {
    const flat = Schema.decodeUnknownSync(Schema.Array(Schema.String))(reply)
    const pairs = flat.flatMap((name, i) =>
      i % 2 === 0 && name !== "" ? [[name, decode(flat[i + 1]).cents] as const] : []
    )
    return Object.fromEntries(pairs.toSorted(byName))
  })
