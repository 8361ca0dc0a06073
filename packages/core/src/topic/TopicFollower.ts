/**
 * TopicFollower: one follower of a topic, in its own fiber, so that a slow follower delays no other. Its cursor is the number
 * and entry id of the last event it applied. It applies only the next number; after a gap it reloads the state. Its queue is
 * bounded and drops the oldest entry, which shows as a gap.
 */
import { Duration, Effect, Metric, Queue } from "effect"
import type { Scope } from "effect"
import type { Supervisor } from "../supervision/Supervisor.ts"
import { isBefore } from "../redis/EntryId.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import { topicLoads } from "../telemetry/Metrics.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import type { Topic } from "./TopicDefinition.ts"
import { decodeHead, decodeState, headField } from "./TopicState.ts"
import type { Head } from "./TopicState.ts"
import type { Entry, TopicTail } from "./TopicTail.ts"

export interface Handlers<A, S, E = never, R = never> {
  /**
   * Replaces what is known with the whole state. For a topic without its own state the map is empty: load the state from its
   * owner. Events published meanwhile follow, so applying an event that the state already contains must be harmless.
   */
  readonly snapshot: (state: ReadonlyMap<string, S>) => Effect.Effect<void, E, R>
  /** Applies the next event. A defect is logged, and the snapshot is loaded again. */
  readonly event: (event: A) => Effect.Effect<void, never, R>
}

export interface Subscription {
  /**
   * Milliseconds since this process certainly knew every event: since the last answered read, or since an open gap was seen. At
   * most 20,000 while all is well (the longest read). A broken connection is detected at once (`blind`), a silent one after
   * 25 s.
   */
  readonly ageMillis: () => number
  /** Whether the read is broken, or a snapshot must be loaded. */
  readonly blind: () => boolean
  /**
   * Returns once every event published before the call is applied here, for callers that must not answer from state that became
   * stale while the process was frozen. One command; it may wait for a snapshot, so give it a deadline.
   */
  readonly caughtUp: Effect.Effect<void, RedisError>
}

const queueCapacity = 1_024
/** Least time between two loads of a snapshot, failed ones included. */
const loadSpacingMillis = 1_000
const lookAgain = Duration.millis(5)

const field = (fields: ReadonlyArray<string>, name: string): string | undefined => {
  const at = fields.indexOf(name)
  return at % 2 === 0 ? fields[at + 1] : undefined
}

export const make = Effect.fnUntraced(function* <A, S, E, R>(options: {
  readonly topic: Topic<A, S>
  readonly handlers: Handlers<A, S, E, R>
  readonly tail: TopicTail
  readonly supervisor: Supervisor
}): Effect.fn.Return<Subscription, RedisError | E, RedisClient | R | Scope.Scope> {
  const { handlers, supervisor, tail, topic } = options
  const redis = yield* RedisClient
  const now = yield* Elapsed.clock
  const queue = yield* Queue.sliding<Entry | null>(queueCapacity)
  const loads = Metric.withAttributes(topicLoads, { topic: topic.name })
  const said = Effect.annotateLogs({ topic: topic.name })
  let place: Head = { count: 0, id: "0-0" }
  /** Since when events may be missing; null: none is. */
  let staleSince: number | null = now()
  let loadedAt = -Infinity
  let leave: (() => void) | undefined

  const stale = () => {
    staleSince ??= now()
  }
  const join = (head: Head) => {
    leave ??= tail.join(topic.name, head.id, {
      entry: (entry) => void Queue.offerUnsafe(queue, entry),
      gap: () => {
        stale()
        Queue.offerUnsafe(queue, null)
      }
    })
  }
  const part = Effect.sync(() => {
    leave?.()
    leave = undefined
  })

  const load = Effect.fnUntraced(function* () {
    // another follower here may have read beyond the state that we are about to load
    if (tail.reads(topic.name)) join(place)
    const { fields, head } = yield* redis
      .send("HGETALL", redis.keys.topic(topic.name).state)
      .pipe(Effect.flatMap(decodeState))
    // from here on, events published while the snapshot is applied wait in the queue
    join(head)
    const state = new Map<string, S>()
    for (const [name, text] of fields) {
      yield* topic.decodeValue(text).pipe(
        Effect.match({
          onSuccess: (value) => void state.set(name, value),
          onFailure: (error) => error
        }),
        Effect.flatMap((error) =>
          error === undefined
            ? Effect.void
            : Effect.logError("topic value is unreadable; left out").pipe(
                Effect.annotateLogs({ field: name, error: String(error) })
              )
        )
      )
    }
    // a gap seen from now on is a new one; count -1: `caughtUp` waits until the snapshot is applied
    staleSince = null
    place = { ...place, count: -1 }
    yield* handlers.snapshot(state).pipe(Effect.onError(() => Effect.sync(stale)))
    place = head
    yield* Metric.update(loads, 1)
  }, said)

  yield* Effect.addFinalizer(() => part)
  yield* Effect.onError(load(), () => part)

  const outage = OutageLog.make("topic snapshot cannot be loaded", "topic snapshot is loaded again")
  const reload = Effect.suspend(() =>
    Effect.sleep(Duration.millis(Math.max(0, loadedAt + loadSpacingMillis - now())))
  ).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        loadedAt = now()
        return load()
      })
    ),
    Effect.matchEffect({
      onSuccess: () => outage.over,
      onFailure: (error) =>
        Effect.suspend(() => {
          stale()
          return outage.failed(error instanceof Error ? error : new Error(String(error)))
        })
    }),
    said
  )

  const take = Effect.fnUntraced(function* (entry: Entry) {
    // the snapshot contains it
    if (!isBefore(place.id, entry.id)) return
    const count = Number(field(entry.fields, "n"))
    if (count !== place.count + 1) return stale()
    const event = yield* Effect.result(topic.decode(field(entry.fields, "e") ?? ""))
    if (event._tag === "Failure") {
      stale()
      return yield* Effect.logError("topic event is unreadable; loading the snapshot again").pipe(
        Effect.annotateLogs({ entry: entry.id, error: String(event.failure) }),
        said
      )
    }
    yield* handlers.event(event.success)
    place = { count, id: entry.id }
  })

  let begun = false
  const loop = Effect.suspend(() => {
    // the event during which the loop failed may not be applied
    if (begun) stale()
    begun = true
    return Effect.forever(
      Effect.suspend(() =>
        staleSince !== null
          ? reload
          : Effect.flatMap(Queue.take(queue), (entry) => (entry === null ? Effect.void : take(entry)))
      )
    )
  })
  yield* supervisor.supervise(`topic ${topic.name}`, loop)

  return {
    ageMillis: () => Math.max(tail.silentMillis(), staleSince === null ? 0 : now() - staleSince),
    blind: () => tail.interrupted() || staleSince !== null,
    caughtUp: Effect.gen(function* () {
      const head = yield* redis
        .send("HGET", redis.keys.topic(topic.name).state, headField)
        .pipe(Effect.flatMap(decodeHead))
      while (staleSince !== null || place.count < head.count) yield* Effect.sleep(lookAgain)
    })
  }
})
