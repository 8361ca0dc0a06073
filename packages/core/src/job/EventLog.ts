/**
 * EventLog: reads job events: the history of one job, and the live tail of all jobs.
 * The job scripts tell events, atomically with the change they report (J3); a history is written as a list only once it no longer
 * follows from the job's hash (scripts/history.lua). Invariant J4: a viewer that joins history and
 * tail by `seq` misses no event and sees none twice. The gateway's EventRouter fans events out to viewers.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Supervisor from "../supervision/Supervisor.ts"
import { isBefore } from "../redis/EntryId.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import * as ReadLoop from "../redis/ReadLoop.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { StoredEvent } from "./JobEvent.ts"
import type { JobEvent } from "./JobEvent.ts"
import type { JobId } from "./Job.ts"
import * as JobScripts from "./JobScripts.ts"
import * as PartialText from "./PartialText.ts"

/** Receives the tail: events of one job in order, or a gap where events may have been missed. */
export interface TailListener {
  readonly events: (jobId: string, events: ReadonlyArray<JobEvent>) => void
  /** The tail of these partitions has a gap: followers of their jobs must read the history again. */
  readonly gap: (partitions: ReadonlyArray<Partition>) => void
  /**
   * A running stage has written more text (PartialText). Comes before the event of its commit. Left out: nobody wants it, and it
   * is not read.
   */
  readonly added?: (jobId: string, added: PartialText.Added) => void
  /** A read was answered, with or without events. */
  readonly answered: () => void
}

export class EventLog extends Context.Service<
  EventLog,
  {
    /** Events with seq > `after`, oldest first; empty for an unknown job. One round trip. */
    readonly history: (id: JobId, after: number) => Effect.Effect<ReadonlyArray<JobEvent>, RedisError>
    /**
     * The number of events told: the last seq, or 0 while a job is only `queued`; null: Redis has no such job. One round trip.
     */
    readonly length: (id: JobId) => Effect.Effect<number | null, RedisError>
    /** The same for many jobs, in their order: one call for 256 jobs of a partition. */
    readonly lengths: (ids: ReadonlyArray<JobId>) => Effect.Effect<ReadonlyArray<number | null>, RedisError>
    /**
     * Follows all partitions from now on. Returns when the starting cursors are known; after that, no event is missed without a
     * `gap`. Runs until the scope closes, or until it failed too often, which the returned Supervision reports.
     */
    readonly tail: (listener: TailListener) => Effect.Effect<Supervisor.Supervision, RedisError, Scope.Scope>
  }
>()("@eco2/core/job/EventLog") {}

const blockMillis = 20_000
const mostEntries = 1_000
/** Jobs in one call of `lengths`; a long script delays every client of Redis. */
const mostCounted = 256

const isEvent = Schema.is(StoredEvent)
/** An event as stored; null when another version wrote it in another form. */
const readEvent = (text: string): StoredEvent | null => {
  try {
    const event: unknown = JSON.parse(text)
    return isEvent(event) ? event : null
  } catch {
    return null
  }
}

const Info = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
const TailReply = Schema.NullOr(Schema.Array(Schema.Tuple([Schema.String, Info])))

export const layer: Layer.Layer<EventLog, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  EventLog,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const { clockOffsetMillis: offset } = yield* CoreConfig
    const decodeTail = decodeReply("XREAD", TailReply)
    const decodeRange = decodeReply("XRANGE", Info)

    const lengths = Effect.fnUntraced(function* (ids: ReadonlyArray<JobId>) {
      const found: Array<number | null> = ids.map(() => null)
      const places = Map.groupBy(ids.keys(), (place) => keyspace.of(ids[place]!))
      const calls: Array<readonly [Partition, ReadonlyArray<number>]> = []
      for (const [partition, all] of places) {
        for (let i = 0; i < all.length; i += mostCounted) calls.push([partition, all.slice(i, i + mostCounted)])
      }
      yield* Effect.forEach(
        calls,
        ([partition, some]) =>
          redis.run(JobScripts.historyLengths, [partition.root], [offset, ...some.map((place) => ids[place]!)]).pipe(
            Effect.flatMap((counted) =>
              counted.length === some.length
                ? Effect.sync(() => {
                    for (const [i, place] of some.entries()) found[place] = counted[i] === -1 ? null : counted[i]!
                  })
                : new RedisReplyInvalid({
                    command: "history-lengths",
                    reason: `${counted.length} answers to ${some.length} jobs`
                  })
            )
          ),
        { concurrency: 8, discard: true }
      )
      return found
    })

    /** Ids of the first and last entry in a stream; "0-0" when it is empty. */
    const bounds = (stream: string) =>
      Effect.all(
        [redis.send("XRANGE", stream, "-", "+", "COUNT", 1), redis.send("XREVRANGE", stream, "+", "-", "COUNT", 1)],
        { concurrency: 2 }
      ).pipe(
        Effect.flatMap(([first, last]) => Effect.all([decodeRange(first), decodeRange(last)])),
        Effect.map(([first, last]) => ({ first: first[0]?.[0] ?? "0-0", last: last[0]?.[0] ?? "0-0" }))
      )

    /** Null: all could be read. */
    const deliver = (
      listener: TailListener,
      partition: Partition,
      fields: ReadonlyArray<string>
    ): Effect.Effect<void> | null => {
      if (fields[0] !== "e") return unreadable("", partition, listener)
      // e: lines; `<job id> <seq of the first>`, then its events
      const lines = (fields[1] ?? "").split("\n")
      let at = 0
      while (at < lines.length) {
        const [id = "", first = ""] = lines[at]!.split(" ")
        const events: Array<JobEvent> = []
        for (at++; at < lines.length && lines[at]!.startsWith("{"); at++) {
          const event = readEvent(lines[at]!)
          if (event === null) return unreadable(id, partition, listener)
          events.push({ ...event, seq: Number(first) + events.length })
        }
        listener.events(id, events)
      }
      return null
    }
    const unreadable = (id: string, partition: Partition, listener: TailListener) =>
      Effect.andThen(
        Effect.logError("an event is unreadable; viewers read the history").pipe(Effect.annotateLogs({ job_id: id })),
        Effect.sync(() => listener.gap([partition]))
      )

    const follow = Effect.fnUntraced(function* (
      listener: TailListener,
      partitions: ReadonlyArray<Partition>,
      cursors: Map<string, string>
    ) {
      const reader = yield* redis.reader(partitions[0]!.root)
      const byKey = new Map(partitions.map((partition) => [partition.events, partition]))
      // first in the reply, so that no text comes behind the event of its commit
      const texts = listener.added === undefined ? [] : partitions.map((partition) => partition.partials)
      const textKeys = new Set(texts)
      const tail = ReadLoop.make({ begins: "event tail interrupted", ends: "event tail continues" })
      const catchUp = Effect.fnUntraced(function* () {
        // the cursor is before the first entry (trimmed while we were away) or after the last (the server lost data)
        for (const partition of partitions) {
          const cursor = cursors.get(partition.events) ?? "0-0"
          const { first, last } = yield* bounds(partition.events)
          if (isBefore(last, cursor)) cursors.set(partition.events, last)
          if (isBefore(last, cursor) || isBefore(cursor, first)) listener.gap([partition])
        }
      })
      const read = Effect.suspend(() =>
        reader.read(
          blockMillis,
          "XREAD",
          "COUNT",
          mostEntries,
          "BLOCK",
          blockMillis,
          "STREAMS",
          ...texts,
          ...byKey.keys(),
          ...[...texts, ...byKey.keys()].map((key) => cursors.get(key) ?? "0-0")
        )
      )
      const tellAll = (reply: typeof TailReply.Type): Effect.Effect<void> => {
        listener.answered()
        const rest: Array<Effect.Effect<void>> = []
        for (const [key, entries] of reply ?? []) {
          for (const [id, fields] of entries) {
            cursors.set(key, id)
            if (textKeys.has(key)) {
              for (const { added, jobId } of PartialText.linesOf(fields[1] ?? "")) listener.added?.(jobId, added)
              continue
            }
            const unread = deliver(listener, byKey.get(key)!, fields)
            if (unread !== null) rest.push(unread)
          }
        }
        return rest.length === 0 ? Effect.void : Effect.all(rest, { discard: true })
      }
      return yield* Effect.forever(
        tail.round(
          Effect.suspend(() => (tail.isInterrupted() ? catchUp() : Effect.void)).pipe(
            Effect.andThen(read),
            Effect.flatMap(decodeTail),
            Effect.flatMap(tellAll)
          )
        )
      )
    })

    return EventLog.of({
      history: Effect.fnUntraced(function* (id, after) {
        const texts = yield* redis.run(JobScripts.readHistory, [keyspace.of(id).root], [offset, id, after])
        // an unreadable event of another version must not end the stream: it is logged and left out
        const events: Array<JobEvent> = []
        for (const [i, text] of texts.entries()) {
          const event = readEvent(text)
          if (event !== null) events.push({ ...event, seq: after + i + 1 })
          else
            yield* Effect.logError("an event is unreadable").pipe(
              Effect.annotateLogs({ job_id: id, seq: after + i + 1 })
            )
        }
        return events
      }),
      length: (id) => Effect.map(lengths([id]), ([length]) => length ?? null),
      lengths,
      tail: Effect.fnUntraced(function* (listener) {
        const cursors = new Map<string, string>()
        for (const partition of keyspace.partitions) {
          cursors.set(partition.events, (yield* bounds(partition.events)).last)
          if (listener.added !== undefined) cursors.set(partition.partials, (yield* bounds(partition.partials)).last)
        }
        const groups =
          redis.topology === "Cluster" ? keyspace.partitions.map((partition) => [partition]) : [keyspace.partitions]
        // a read that blocks on a stream does not notice that the stream is gone
        yield* keyspace.onLoss(() => listener.gap(keyspace.partitions))
        const supervisor = Supervisor.make()
        for (const group of groups) {
          let begun = false
          const run = Effect.suspend(() => {
            // the cursor may have passed an event that was not delivered before the failure
            if (begun) listener.gap(group)
            begun = true
            return Effect.scoped(follow(listener, group, cursors))
          })
          yield* supervisor.supervise("events", run)
        }
        return supervisor
      })
    })
  })
)
