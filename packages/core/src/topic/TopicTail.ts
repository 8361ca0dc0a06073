/**
 * TopicTail: one blocking read for all topics that a process follows, on a Cluster too, because their keys share the tag
 * `{fleet}`. It reads on from its cursors and passes entries to the followers, which detect gaps by the event numbers. After an
 * interruption it checks that each cursor is still in the log; if not (trimmed, or the server lost data), followers reload the
 * state. Costs three commands a minute when idle, none while nothing is followed.
 */
import { Duration, Effect, Queue, Schema } from "effect"
import type { Scope } from "effect"
import type { Supervisor } from "../supervision/Supervisor.ts"
import * as ReadLoop from "../redis/ReadLoop.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import { decodeHead, headField } from "./TopicState.ts"

/** One published event in the log. */
export interface Entry {
  readonly id: string
  readonly fields: ReadonlyArray<string>
}

export interface Listener {
  readonly entry: (entry: Entry) => void
  /** The log no longer contains this process's cursor: events may be missing. */
  readonly gap: () => void
}

export interface TopicTail {
  readonly reads: (name: string) => boolean
  /** Reads from `cursor`, or from another listener's cursor; the listener skips known entries. Returns how to leave. */
  readonly join: (name: string, cursor: string, listener: Listener) => () => void
  readonly silentMillis: () => number
  /** Whether the last read failed. */
  readonly interrupted: () => boolean
}

const blockMillis = 20_000
const mostEntries = 200
const unblockAgain = Duration.millis(20)

const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
const TailReply = Schema.NullOr(Schema.Array(Schema.Tuple([Schema.String, Entries])))

interface Followed {
  readonly name: string
  cursor: string
  readonly listeners: Set<Listener>
}

export const make = Effect.fnUntraced(function* (
  supervisor: Supervisor
): Effect.fn.Return<TopicTail, never, RedisClient | Scope.Scope> {
  const redis = yield* RedisClient
  const now = yield* Elapsed.clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const decodeTail = decodeReply("XREAD", TailReply)
  const decodeRange = decodeReply("XRANGE", Entries)
  /** Keyed by the log's key. */
  const topics = new Map<string, Followed>()
  const wake = yield* Queue.sliding<void>(1)
  let answeredAt = now()
  const follow = ReadLoop.make({ begins: "topic events do not arrive", ends: "topic events arrive again" })
  /** The running read; a new object for each read. */
  let running: { readonly unblock: Effect.Effect<void> } | null = null

  const catchUp = Effect.fnUntraced(function* () {
    for (const [log, topic] of topics) {
      const { cursor } = topic
      // no event yet: none can be missing
      if (cursor === "0-0") continue
      const here = yield* redis.send("XRANGE", log, cursor, cursor).pipe(Effect.flatMap(decodeRange))
      if (here.length > 0) continue
      const head = yield* redis
        .send("HGET", redis.keys.topic(topic.name).state, headField)
        .pipe(Effect.flatMap(decodeHead))
      topic.cursor = head.id
      for (const listener of topic.listeners) listener.gap()
    }
  })

  const loop = Effect.scoped(
    Effect.gen(function* () {
      const reader = yield* redis.reader(redis.keys.fleet)
      // entries read just before this loop failed may be lost; followers see the gap by the event numbers
      const read = Effect.suspend(() => {
        const asked = [...topics]
        running = { unblock: reader.unblock }
        return reader.read(
          blockMillis,
          "XREAD",
          "COUNT",
          mostEntries,
          // after an interruption the first read does not block: its answer tells that the outage is over
          ...(follow.isInterrupted() ? [] : ["BLOCK", blockMillis]),
          "STREAMS",
          ...asked.map(([log]) => log),
          ...asked.map(([, { cursor }]) => cursor)
        )
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            running = null
          })
        )
      )
      while (true) {
        if (topics.size === 0) {
          yield* Queue.take(wake)
          continue
        }
        yield* follow.round(
          Effect.suspend(() => (follow.isInterrupted() ? catchUp() : Effect.void)).pipe(
            Effect.andThen(read),
            Effect.flatMap(decodeTail),
            Effect.map((reply) => {
              answeredAt = now()
              for (const [log, entries] of reply ?? []) {
                const topic = topics.get(log)
                for (const [id, fields] of entries) {
                  if (topic === undefined) continue
                  topic.cursor = id
                  for (const listener of topic.listeners) listener.entry({ id, fields })
                }
              }
            })
          )
        )
      }
    })
  )
  yield* supervisor.supervise("topics", loop)

  return {
    reads: (name) => topics.has(redis.keys.topic(name).log),
    join: (name, cursor, listener) => {
      const { log } = redis.keys.topic(name)
      const known = topics.get(log)
      if (known === undefined) {
        if (topics.size === 0) answeredAt = now()
        topics.set(log, { name, cursor, listeners: new Set([listener]) })
        Queue.offerUnsafe(wake, undefined)
        const ask = running
        // repeated until the read ends: on its other connection, the first unblock may arrive before the read does
        if (ask !== null)
          fork(Effect.repeat(Effect.andThen(ask.unblock, Effect.sleep(unblockAgain)), { while: () => running === ask }))
      } else known.listeners.add(listener)
      return () => {
        const topic = topics.get(log)
        topic?.listeners.delete(listener)
        if (topic?.listeners.size === 0) topics.delete(log)
      }
    },
    silentMillis: () => (topics.size === 0 ? 0 : Math.max(0, now() - answeredAt)),
    interrupted: follow.isInterrupted
  }
})
