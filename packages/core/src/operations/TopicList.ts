/**
 * TopicList: topics for operators: how many events there were, how many the log still has, how large the state is, and how old
 * the last event is. Four commands a topic, whatever its size. The caller names the topics, because no key in Redis lists them.
 * Who follows is not in Redis either: a follower reads the log at a cursor of its own, which only its process knows.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { decodeHead, headField } from "../topic/TopicState.ts"

/** Times are epoch milliseconds by Redis's clock; null: there was no event. */
export interface TopicState {
  readonly name: string
  /** Since Redis has had this data. */
  readonly events: number
  /** Events in the log; a follower that is further behind loads the state. */
  readonly kept: number
  /** Fields of the state; 0 too where the topic's owner keeps it elsewhere. */
  readonly fields: number
  readonly last: number | null
  /** The oldest event in the log. */
  readonly oldest: number | null
}

export class TopicList extends Context.Service<
  TopicList,
  {
    /** In the given order. */
    readonly list: (names: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<TopicState>, RedisError>
  }
>()("@eco2/core/operations/TopicList") {}

/** When an entry of a stream was written. */
const timeOf = (id: string): number => Number.parseInt(id, 10)

const decodeCount = decodeReply("XLEN", Schema.Int)
const decodeFields = decodeReply("HLEN", Schema.Int)
const decodeEntries = decodeReply("XRANGE", Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)])))

export const layer: Layer.Layer<TopicList, never, RedisClient> = Layer.effect(
  TopicList,
  Effect.map(RedisClient, (redis) => {
    const look = Effect.fnUntraced(function* (name: string) {
      const { log, state } = redis.keys.topic(name)
      const [head, fields, kept, first] = yield* Effect.all(
        [
          Effect.flatMap(redis.send("HGET", state, headField), decodeHead),
          Effect.flatMap(redis.send("HLEN", state), decodeFields),
          Effect.flatMap(redis.send("XLEN", log), decodeCount),
          Effect.flatMap(redis.send("XRANGE", log, "-", "+", "COUNT", 1), decodeEntries)
        ],
        { concurrency: "unbounded" }
      )
      const isNone = head.count === 0
      const oldest = first[0]?.[0]
      return {
        name,
        events: head.count,
        kept,
        // the head is a field too
        fields: isNone ? fields : fields - 1,
        last: isNone ? null : timeOf(head.id),
        oldest: oldest === undefined ? null : timeOf(oldest)
      }
    })
    return TopicList.of({ list: (names) => Effect.forEach(names, look, { concurrency: 8 }) })
  })
)
