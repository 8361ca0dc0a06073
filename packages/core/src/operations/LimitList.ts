/**
 * LimitList: the fleet's rate limits for operators: use, waiters and pauses; it can also end a pause. A limit is listed while it
 * is used or paused (Keys). Their names are those that processes have told (UsedNames).
 */
import { Context, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Preludes from "../limit/Preludes.ts"
import * as UsedNames from "../limit/UsedNames.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
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

/** A request that waits for a limit. */
export interface Waiter {
  /** The job whose stage waits; null: a request outside a stage. */
  readonly jobId: string | null
  readonly stage: string | null
  /** It comes back at this time instead of waiting in a fiber; epoch milliseconds. */
  readonly due: number | null
  /** When it first asked; null: it left meanwhile. */
  readonly since: number | null
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
    /** Sorted by name; at most 1,000 limits (`complete`: these are all). */
    readonly list: Effect.Effect<{ readonly limits: ReadonlyArray<LimitState>; readonly complete: boolean }, RedisError>
    /**
     * Ends a pause for the whole fleet: new requests are granted at once, waiters retry within seconds, delayed jobs within about
     * a minute. Does nothing to a limit that is not paused.
     */
    readonly resume: (name: string) => Effect.Effect<void, LimitUnknown | RedisError>
    /** Who waits for the limit, in order: at most 200 who wait in a fiber, then 200 who come back later. */
    readonly waiters: (name: string) => Effect.Effect<ReadonlyArray<Waiter>, RedisError>
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
const lookScript = script("limit-look", 4, Schema.Tuple([Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int]))
const resumeScript = script("limit-resume", 1, Schema.Literals([0, 1]))

const mostLimits = 1_000
const mostWaiters = 200
/** Scripts sent at once; a search must not fill the shared connection. */
const together = 20

const use = (most: number, used: number): Use | null => (most === 0 ? null : { most, used })

export const layer: Layer.Layer<LimitList, never, RedisClient | CoreConfig> = Layer.effect(
  LimitList,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const { clockOffsetMillis } = yield* CoreConfig
    const decodeLine = decodeReply("ZRANGE", Schema.Array(Schema.String))
    const decodeWaiters = decodeReply("HMGET", Schema.Array(Schema.NullOr(Schema.String)))

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
          held,
          isKnown
        ]): LimitState | null =>
          isKnown === 0
            ? null
            : {
                name,
                pausedMillis,
                waiting,
                away,
                windowMillis,
                requests: use(requests, granted),
                units: use(units, charged),
                permits: use(permits, held)
              }
      )
    }

    return LimitList.of({
      list: Effect.gen(function* () {
        const { complete, names } = yield* UsedNames.read(redis, redis.keys.limits, mostLimits)
        const limits = yield* Effect.forEach(names, look, { concurrency: together })
        // nothing is left of one that nobody used for a window
        return { limits: limits.filter((limit) => limit !== null), complete }
      }),
      waiters: Effect.fnUntraced(function* (name) {
        const keys = redis.keys.limit(name)
        const range = (from: string, to: string, ...order: ReadonlyArray<string>) =>
          redis
            .send("ZRANGE", keys.line, from, to, "BYSCORE", ...order, "LIMIT", 0, mostWaiters)
            .pipe(Effect.flatMap(decodeLine))
        // present ones by their number, those away by the time they are due, negative
        const [present, away] = yield* Effect.all([range("(0", "+inf"), range("(0", "-inf", "REV")], {
          concurrency: "unbounded"
        })
        const all = [...present, ...away]
        if (all.length === 0) return []
        const told = yield* redis
          .send("HMGET", keys.state, ...all.map((who) => `w:${who}`))
          .pipe(Effect.flatMap(decodeWaiters))
        return all.map((who, i): Waiter => {
          const [, due = "", joined = ""] = told[i]?.split(" ") ?? []
          const [jobId = "", stage = null] = who.split("/")
          return {
            jobId: stage === null ? null : jobId,
            stage,
            due: i < present.length || due === "" ? null : Number(due),
            since: joined === "" ? null : Number(joined)
          }
        })
      }),
      resume: Effect.fnUntraced(function* (name) {
        const there = yield* redis.run(resumeScript, [redis.keys.limit(name).state], [clockOffsetMillis])
        if (there === 0) return yield* new LimitUnknown({ limit: name })
      })
    })
  })
)
