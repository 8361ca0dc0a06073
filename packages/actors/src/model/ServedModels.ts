/**
 * ServedModels: which models the fleet's workers serve now, by a topic: every worker says every two minutes what it serves, and a
 * model that nobody has named for five minutes is not served. Gateways offer what is both configured and served, so that a
 * rollout that adds or removes a model offers it when workers can serve it. While nothing is known (no worker has started yet, or
 * Redis is new) what is configured is offered.
 */
import { Elapsed, Topic } from "@eco2/core/client"
import { Clock, Config, Context, Duration, Effect, Layer, Schedule, Schema } from "effect"
import type { RedisError } from "@eco2/core/client"
import { OfferedModels } from "./OfferedModels.ts"

const Name = Schema.String.check(Schema.isMaxLength(100))
/** `at`: epoch milliseconds, by the clock of the worker's machine. */
const ModelsTopic = Topic.make("models.served", {
  event: Schema.Struct({ models: Schema.Array(Name), at: Schema.Finite }),
  state: { value: Schema.Finite, change: ({ at, models }) => models.map((model) => Topic.set(model, at)) }
})

const every = Duration.minutes(2)
/** Twice without a word may be an outage. */
const forgottenAfterMillis = 300_000

/** A worker's part: says what it serves, at its start and every two minutes. */
export const announcing: Layer.Layer<never, Config.ConfigError, Topic.Topics> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { models } = yield* OfferedModels
    const topics = yield* Topic.Topics
    const announce = Effect.flatMap(Clock.currentTimeMillis, (at) => topics.publish(ModelsTopic, { models, at })).pipe(
      Effect.timeout("10 seconds"),
      Effect.catch((error) =>
        Effect.logWarning("other processes do not know which models are served here").pipe(
          Effect.annotateLogs({ error: error.message })
        )
      )
    )
    yield* Effect.forkScoped(Effect.repeat(announce, Schedule.spaced(every)))
  })
)

export interface Offer {
  readonly models: ReadonlyArray<string>
  readonly default: string
}

export class ServedModels extends Context.Service<
  ServedModels,
  {
    /** Configured and served; all that is configured while nothing is known. `default` is one of them. */
    readonly offer: () => Offer
    /** What workers serve, configured here or not; empty while nothing is known. */
    readonly served: () => ReadonlyArray<string>
  }
>()("@eco2/actors/model/ServedModels") {}

/** A gateway's part. */
export const layer: Layer.Layer<ServedModels, Config.ConfigError | RedisError.RedisError, Topic.Topics> = Layer.effect(
  ServedModels,
  Effect.gen(function* () {
    const offered = yield* OfferedModels
    const now = yield* Elapsed.clock
    const wall = yield* Clock.Clock
    /** When a model was last heard of, by this process's clock that is never set. */
    const heard = new Map<string, number>()
    const hear = (model: string, at: number) => {
      // a worker's clock may be wrong: what is heard from the future is heard now
      const age = Math.max(0, wall.currentTimeMillisUnsafe() - at)
      heard.set(model, Math.max(heard.get(model) ?? -Infinity, now() - age))
    }
    yield* Topic.follow(ModelsTopic, {
      snapshot: (state) => Effect.sync(() => state.forEach((at, model) => hear(model, at))),
      event: ({ models }) => Effect.sync(() => models.forEach((model) => heard.set(model, now())))
    })
    const isServed = (model: string) => now() - (heard.get(model) ?? -Infinity) < forgottenAfterMillis
    return ServedModels.of({
      served: () => [...heard.keys()].filter(isServed),
      offer: () => {
        const served = offered.models.filter(isServed)
        const [first] = served
        if (first === undefined) return { models: offered.models, default: offered.default }
        return { models: served, default: served.includes(offered.default) ? offered.default : first }
      }
    })
  })
)
