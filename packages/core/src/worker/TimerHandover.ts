/**
 * TimerHandover: a process that stops tells the others when the timers that it knows are due. Every process looks at every
 * partition once a minute, and in between when a timer is due that it has set or seen itself; so a timer set shortly before its
 * process stopped would be served up to a minute late. Costs one publish a stop, and nothing while nobody stops. What a process
 * that dies has known is found otherwise: others look when its lease is over (Heartbeat).
 * Neighbours: TimerLoop (looks), Shutdown (when), Topic.
 */
import { Duration, Effect, Schema } from "effect"
import type { Scope } from "effect"
import { Keyspace } from "../redis/Keyspace.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Topic from "../topic/Topic.ts"
import { Topics } from "../topic/Topic.ts"
import type { TimerLoop } from "./TimerLoop.ts"

/** By the number of the partition: when its next known timer is due by Redis's clock, epoch milliseconds. */
const TimerTopic = Topic.make("timers", {
  event: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])),
  history: 100
})
/** How long the stop waits for Redis; without an answer the others look within a minute. */
const patience = Duration.seconds(1)

export interface TimerHandover {
  /** Tells the others what this process knows; for its stop. */
  readonly tell: Effect.Effect<void>
}

/** Follows until the scope closes. `storeTime`: Redis's clock as this process knows it, epoch milliseconds. */
export const make = Effect.fnUntraced(function* (
  timers: TimerLoop,
  storeTime: () => number
): Effect.fn.Return<TimerHandover, RedisError, Topics | Keyspace | Scope.Scope> {
  const topics = yield* Topics
  const { partitions } = yield* Keyspace
  let isFirst = true
  yield* Topic.follow(TimerTopic, {
    // the first comes at the start, when the loop looks anyway; a later one means that something was missed
    snapshot: () =>
      Effect.sync(() => {
        if (!isFirst) timers.lookSoon()
        isFirst = false
      }),
    event: (due) =>
      Effect.sync(() => {
        for (const [number, at] of due) {
          const partition = partitions[number]
          if (partition !== undefined) timers.wakeIn(partition, Math.max(0, at - storeTime()))
        }
      })
  })
  return {
    tell: Effect.suspend(() => {
      const known = timers.known()
      const due = partitions.flatMap((partition, number) => {
        const millis = known.get(partition)
        return millis === undefined ? [] : [[number, Math.ceil(storeTime() + millis)] as const]
      })
      return due.length === 0 ? Effect.void : Effect.asVoid(topics.publish(TimerTopic, due))
    }).pipe(
      Effect.timeoutOption(patience),
      Effect.catch((error) =>
        Effect.logDebug("timers could not be handed over").pipe(Effect.annotateLogs({ error: error.message }))
      ),
      Effect.asVoid
    )
  }
})
