/**
 * LimitList: the fleet's rate limits for operators: use, waiters and pauses; it can also end a pause. A limit is listed while it
 * is used or paused (Keys). It scans the keys, so it is not for a hot path.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Preludes from "../limit/Preludes.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"

/** What is allowed, and how much of it is used. */
export interface Use {
  readonly most: number
  readonly used: number
}

export interface LimitState {
  /** As declared; for a limit with keys `<name>|<key>`. */
  readonly name: string
  /** How long the pause still lasts; 0: not paused. */
  readonly pausedMillis: number
  /** Requests that wait in a fiber, and requests that come back later. */
  readonly waiting: number
  readonly away: number
  /** 0 when nothing was granted lately; the bounds are then unknown too. */
  readonly windowMillis: number
  /** Requests in the window that ends now; null: any number is allowed. */
  readonly requests: Use | null
  readonly units: Use | null
  /** Permits held now. */
  readonly permits: Use | null
}

/** There is no such limit: it was not used or paused lately. */
export class LimitUnknown extends Schema.TaggedError<LimitUnknown>()("LimitUnknown", { limit: Schema.String }) {
  override get message() {
    return `there is no limit ${this.limit}`
  }
}

export class LimitList extends Context.Service<
  LimitList,
  {
    /** Sorted by name. Examines about 100,000 keys of each master (`complete`: these were all) and at most 1,000 limits. */
    readonly list: Effect.Effect<{ readonly limits: ReadonlyArray<LimitState>; readonly complete: boolean }, RedisError>
    /**
     * Ends a pause for the whole fleet: new requests are granted at once, waiters retry within seconds, delayed jobs within about
     * a minute. Does nothing to a limit that is not paused.
     */
    readonly resume: (name: string) => Effect.Effect<void, LimitUnknown | RedisError>
  }
>()("@eco2/core/operations/LimitList") {}

const script = <A>(name: string, numberOfKeys: number, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`../limit/scripts/${name}.lua`, import.meta.url),
    preludes: Preludes.limit,
    numberOfKeys,
    reply
  })
const { Int } = Schema
const lookScript = script("limit-look", 4, Schema.Tuple([Int, Int, Int, Int, Int, Int, Int, Int, Int, Int]))
const resumeScript = script("limit-resume", 1, Schema.Literals([0, 1]))

const mostKeys = 100_000
const mostLimits = 1_000
/** Scripts sent at once; a search must not fill the shared connection. */
const together = 20

const use = (most: number, used: number): Use | null => (most === 0 ? null : { most, used })

export const layer: Layer.Layer<LimitList, never, RedisClient | CoreConfig> = Layer.effect(
  LimitList,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const { clockOffsetMillis } = yield* CoreConfig
    const [before, after] = redis.keys.limit("*").state.split("*")
    const nameOf = (key: string) => key.slice(before?.length ?? 0, key.length - (after?.length ?? 0))

    const look = (name: string) => {
      const keys = redis.keys.limit(name)
      return Effect.map(
        redis.run(lookScript, [keys.state, keys.grants, keys.line, keys.held], [clockOffsetMillis]),
        ([
          pausedMillis,
          waiting,
          away,
          windowMillis,
          requests,
          granted,
          units,
          charged,
          permits,
          held
        ]): LimitState => ({
          name,
          pausedMillis,
          waiting,
          away,
          windowMillis,
          requests: use(requests, granted),
          units: use(units, charged),
          permits: use(permits, held)
        })
      )
    }

    return LimitList.of({
      list: Effect.gen(function* () {
        const { complete, keys } = yield* redis.sweep(redis.keys.limit("*").state, mostKeys)
        const names = [...new Set(keys.map(nameOf))].toSorted()
        const limits = yield* Effect.forEach(names.slice(0, mostLimits), look, { concurrency: together })
        return { limits, complete: complete && names.length <= mostLimits }
      }),
      resume: Effect.fnUntraced(function* (name) {
        const there = yield* redis.run(resumeScript, [redis.keys.limit(name).state], [clockOffsetMillis])
        if (there === 0) return yield* new LimitUnknown({ limit: name })
      })
    })
  })
)
