/**
 * BreakerList: the fleet's circuit breakers for operators: lists those that were used lately, opens and closes them. Every process
 * follows within a second of its next call.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Preludes from "../limit/Preludes.ts"
import * as UsedNames from "../limit/UsedNames.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"

export interface BreakerState {
  readonly name: string
  readonly state: "closed" | "open" | "half-open"
  /** Until a call may probe; half-open: until another may. */
  readonly leftMillis: number
  /** How often in a row it has opened. */
  readonly openings: number
  /** Failures that are remembered. */
  readonly failures: number
  /** An operator opened it. */
  readonly byHand: boolean
}

/** No process has used a breaker of this name lately. Nothing happened. */
export class BreakerUnknown extends Schema.TaggedError<BreakerUnknown>()("BreakerUnknown", { breaker: Schema.String }) {
  override get message() {
    return `there is no breaker ${this.breaker}`
  }
}

export class BreakerList extends Context.Service<
  BreakerList,
  {
    /** Sorted by name. */
    readonly list: Effect.Effect<ReadonlyArray<BreakerState>, RedisError>
    /** No calls for this long; then one probes. */
    readonly open: (name: string, duration: Duration.Duration) => Effect.Effect<void, BreakerUnknown | RedisError>
    /** Calls pass; what failed before is forgotten. Jobs that wait for it come when they are due. */
    readonly close: (name: string) => Effect.Effect<void, BreakerUnknown | RedisError>
  }
>()("@eco2/core/operations/BreakerList") {}

const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`../limit/scripts/${name}.lua`, import.meta.url),
    preludes: Preludes.breaker,
    numberOfKeys: 1,
    reply
  })
const { Int } = Schema
const lookScript = script(
  "breaker-look",
  Schema.Tuple([Schema.Literals(["closed", "open", "half-open"]), Int, Int, Int, Schema.Literals([0, 1])])
)
const steerScript = script("breaker-steer", Schema.Tuple([Schema.Literals(["closed", "open"]), Int]))

const mostBreakers = 1_000

export const layer: Layer.Layer<BreakerList, never, RedisClient | CoreConfig> = Layer.effect(
  BreakerList,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const { clockOffsetMillis } = yield* CoreConfig
    const names = UsedNames.read(redis, redis.keys.breakers, mostBreakers)
    const look = (name: string) =>
      Effect.map(
        redis.run(lookScript, [redis.keys.breaker(name)], [clockOffsetMillis]),
        ([state, leftMillis, openings, failures, hand]): BreakerState => ({
          name,
          state,
          leftMillis,
          openings,
          failures,
          byHand: hand === 1
        })
      )
    const steer = Effect.fnUntraced(function* (name: string, millis: number) {
      if (!(yield* names).names.includes(name)) return yield* new BreakerUnknown({ breaker: name })
      yield* redis.run(steerScript, [redis.keys.breaker(name)], [clockOffsetMillis, millis])
    })
    return BreakerList.of({
      list: Effect.flatMap(names, (used) => Effect.forEach(used.names, look, { concurrency: 20 })),
      open: (name, duration) => steer(name, Math.max(1, Math.round(Duration.toMillis(duration)))),
      close: (name) => steer(name, 0)
    })
  })
)
