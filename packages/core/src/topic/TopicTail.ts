/**
 * TopicTail: one blocking read for all topics a process follows; they share the tag `{fleet}`, so on a Cluster too.
 * It reads on from where it is and hands entries over; whether one is missing is the follower's to tell (they are counted).
 * After an interruption it looks whether its place is still in the log: where it is not, trimmed or lost with the server,
 * followers are told to take the state again. Idle it costs three commands a minute, and none while nothing is followed.
 */
import { Duration, Effect, Queue, Schema } from "effect"
import type { Scope } from "effect"
import type { Supervisor } from "../supervision/Supervisor.ts"
import * as Keys from "../redis/Keys.ts"
import * as ReadLoop from "../redis/ReadLoop.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import { decodeHead, headField } from "./TopicState.ts"

/** One published event as the log has it. */
export interface Entry {
  readonly id: string
  readonly fields: ReadonlyArray<string>
}

export interface Listener {
  readonly entry: (entry: Entry) => void
  /** The log does not continue where this process had come to. */
  readonly gap: () => void
}

export interface TopicTail {
  readonly reads: (name: string) => boolean
  /** Reads the topic on from `cursor`, or from where others here have come to; the listener drops what it knows. Answers how to leave. */
  readonly join: (name: string, cursor: string, listener: Listener) => () => void
  readonly silentMillis: () => number
  /** Whether the read is broken now, as far as is known. */
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
  /** By the log's key. */
  const topics = new Map<string, Followed>()
  const wake = yield* Queue.sliding<void>(1)
  let answeredAt = now()
  const follow = ReadLoop.make({ begins: "topic events do not arrive", ends: "topic events arrive again" })
  /** The read under way; another object each time. */
  let running: { readonly unblock: Effect.Effect<void> } | null = null

  const catchUp = Effect.fnUntraced(function* () {
    for (const [log, topic] of topics) {
      const { cursor } = topic
      // before the first event there is nothing to lose
      if (cursor === "0-0") continue
      const here = yield* redis.send("XRANGE", log, cursor, cursor).pipe(Effect.flatMap(decodeRange))
      if (here.length > 0) continue
      const head = yield* redis.send("HGET", Keys.topic(topic.name).state, headField).pipe(Effect.flatMap(decodeHead))
      topic.cursor = head.id
      for (const listener of topic.listeners) listener.gap()
    }
  })

  const loop = Effect.scoped(
    Effect.gen(function* () {
      const reader = yield* redis.reader(Keys.fleet)
      // what a read brought before this loop died may be with nobody: the followers count
      const read = Effect.suspend(() => {
        const asked = [...topics]
        running = { unblock: reader.unblock }
        return reader.read(
          blockMillis,
          "XREAD",
          "COUNT",
          mostEntries,
          // after an interruption the first is answered at once: only that tells that it is over
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
    reads: (name) => topics.has(Keys.topic(name).log),
    join: (name, cursor, listener) => {
      const { log } = Keys.topic(name)
      const known = topics.get(log)
      if (known === undefined) {
        if (topics.size === 0) answeredAt = now()
        topics.set(log, { name, cursor, listeners: new Set([listener]) })
        Queue.offerUnsafe(wake, undefined)
        const ask = running
        // again until it has ended: the first call may overtake the read it is to end, which has a connection of its own
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
