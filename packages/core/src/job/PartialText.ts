/**
 * PartialText: the text that a running stage has written so far, for viewers who want to see it grow. It is no part of the job's
 * history: it has no seq, a new attempt begins it anew, and the stage's commit supersedes it. A job that nobody watches costs a
 * read a second and stores nothing; a watched one a bounded key with a short life.
 * Workers `send` (StageJob.emit); gateways `watch`, `read` and follow it (EventLog.tail).
 */
import { Context, Effect, Layer, Schema } from "effect"
import * as DueTimer from "../clock/DueTimer.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import type { JobId } from "./Job.ts"
import { movesJobs } from "./JobStore.ts"

/** A stage's text so far. */
export interface Partial {
  readonly stage: string
  /** Higher for a text that was begun later: by a later attempt, or anew within an attempt. */
  readonly order: number
  /** The attempt that writes it, as the retry policy counts. */
  readonly attempt: number
  readonly text: string
}

/** What was added to it: `text` stands at `offset`, counted as JavaScript counts a string. */
export const Added = Schema.Struct({
  ts: Schema.Finite,
  stage: Schema.String,
  progress: Schema.Int,
  attempt: Schema.Int,
  offset: Schema.Int,
  text: Schema.String
})
export interface Added extends Schema.Schema.Type<typeof Added> {
  readonly order: number
}

/** Texts beyond this many bytes are not sent on: viewers get the whole with the commit. */
export const mostBytes = 32 * 1024
/** Between two sends of a job's text, and between two looks whether an unwatched job is watched now. */
const everyMillis = 100
const unwatchedMillis = 1_000
/** How often an attempt may begin its text anew; beyond that the last text stays. */
const mostBegunAnew = 1_000
/** Jobs in one call. */
const mostTogether = 32

/** One attempt's text on its way. */
export interface Writer {
  /**
   * Replaces the text so far; sent soon, and at most ten times a second. Never fails. A text that does not begin with the former
   * one was begun anew.
   */
  readonly send: (text: string) => void
  /** Nothing is sent after it. */
  readonly end: () => void
}

export class PartialText extends Context.Service<
  PartialText,
  {
    /** `token`: of the attempt's begin; `begins`: its number among the job's begins. */
    readonly writer: (at: {
      readonly partition: Partition
      readonly id: JobId
      readonly token: string
      readonly begins: number
      readonly attempt: number
      readonly stage: string
    }) => Writer
    /** Somebody watches the job for this long. One round trip. */
    readonly watch: (id: JobId, millis: number) => Effect.Effect<void, RedisError>
    /** The text so far, of the attempt that wrote last; null: none is kept. One round trip. */
    readonly read: (id: JobId) => Effect.Effect<Partial | null, RedisError>
  }
>()("@eco2/core/job/PartialText") {}

const emitScript = Script.make({
  file: new URL("./scripts/emit-partial.lua", import.meta.url),
  preludes: movesJobs,
  numberOfKeys: "root",
  reply: Schema.Array(Schema.Literals(["sent", "unwatched", "over"]))
})

const readAdded = Schema.decodeUnknownOption(Schema.fromJsonString(Added))

/** The lines of an entry of the stream `{p}:partials`; lines of another version's form are left out. */
export const linesOf = (text: string): ReadonlyArray<{ readonly jobId: string; readonly added: Added }> =>
  text.split("\n").flatMap((line) => {
    const [, jobId = "", order = "", json] = /^(\S+) (\d+) (.*)$/.exec(line) ?? []
    const added = readAdded(json)
    return added._tag === "Some" ? [{ jobId, added: { ...added.value, order: Number(order) } }] : []
  })

const membersOf = ({ attempt, sent, stage, text }: Sending): string =>
  JSON.stringify({ stage, attempt, offset: sent, text: text.slice(sent) }).slice(1, -1)

interface Sending {
  readonly partition: Partition
  readonly id: JobId
  readonly token: string
  readonly attempt: number
  readonly stage: string
  order: number
  text: string
  /** Characters that viewers have. */
  sent: number
  dueAt: number
  ended: boolean
}

export const layer: Layer.Layer<PartialText, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  PartialText,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const { clockOffsetMillis } = yield* CoreConfig
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const decodeText = decodeReply("GET", Schema.NullOr(Schema.String))
    /** Attempts with text that is not sent yet. */
    const waiting = new Set<Sending>()
    const busy = new Set<Partition>()

    const sendBatch = (partition: Partition, batch: ReadonlyArray<Sending>): Effect.Effect<void> => {
      const texts = batch.map(({ text }) => text)
      const orders = batch.map(({ order }) => order)
      return redis
        .run(
          emitScript,
          [partition.root],
          [
            clockOffsetMillis,
            ...batch.flatMap((one, i) => [
              one.id,
              one.token,
              orders[i]!,
              `${one.stage} ${one.attempt}`,
              texts[i]!,
              membersOf(one)
            ])
          ]
        )
        .pipe(
          Effect.map((answers) => {
            const now = performance.now()
            for (const [i, one] of batch.entries()) {
              const answer = answers[i]
              // unless it was begun anew meanwhile
              if (answer === "sent" && one.order === orders[i]) one.sent = texts[i]!.length
              if (answer === "over") one.ended = true
              one.dueAt = now + (answer === "unwatched" ? unwatchedMillis : everyMillis)
              if (one.text.length > one.sent) wait(one)
            }
          }),
          // text that is not shown costs nobody anything: the commit has the whole
          Effect.catch((error) =>
            Effect.logDebug("partial text could not be sent").pipe(
              Effect.annotateLogs({ error: error.message }),
              Effect.andThen(
                Effect.sync(() => {
                  for (const one of batch) {
                    one.dueAt = performance.now() + unwatchedMillis
                    wait(one)
                  }
                })
              )
            )
          ),
          Effect.ensuring(
            Effect.sync(() => {
              busy.delete(partition)
              timer.at(performance.now())
            })
          )
        )
    }
    const timer: DueTimer.DueTimer = DueTimer.make((now) => {
      const due = new Map<Partition, Array<Sending>>()
      let next = Infinity
      for (const one of waiting) {
        // a partition has one call under way: its end looks again
        if (busy.has(one.partition)) continue
        if (one.dueAt > now) {
          next = Math.min(next, one.dueAt)
          continue
        }
        const batch = due.get(one.partition) ?? []
        due.set(one.partition, batch)
        if (batch.length === mostTogether) continue
        batch.push(one)
        waiting.delete(one)
      }
      for (const [partition, batch] of due) {
        busy.add(partition)
        fork(sendBatch(partition, batch))
      }
      return next
    })
    yield* Effect.addFinalizer(() => Effect.sync(timer.stop))
    const wait = (one: Sending) => {
      if (one.ended) return
      waiting.add(one)
      if (!busy.has(one.partition)) timer.at(one.dueAt)
    }

    return PartialText.of({
      writer: (at) => {
        const one: Sending = { ...at, order: at.begins * mostBegunAnew, text: "", sent: 0, dueAt: 0, ended: false }
        return {
          send: (text) => {
            if (one.ended || Buffer.byteLength(text) > mostBytes) return
            if (!text.startsWith(one.text)) {
              if ((one.order + 1) % mostBegunAnew === 0) return
              one.order++
              one.sent = 0
            }
            // half of a surrogate pair is no text: the other half comes with the next
            one.text = /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text
            if (one.text.length > one.sent) wait(one)
          },
          end: () => {
            one.ended = true
            waiting.delete(one)
          }
        }
      },
      watch: (id, millis) =>
        Effect.asVoid(redis.send("SET", keyspace.of(id).jobWatched(id), "1", "PX", Math.max(1, Math.ceil(millis)))),
      read: (id) =>
        redis.send("GET", keyspace.of(id).jobPartial(id)).pipe(
          Effect.flatMap(decodeText),
          Effect.map((stored) => {
            const [, order, stage, attempt, text] = /^(\d+) (\S+) (\d+) ([^]*)$/.exec(stored ?? "") ?? []
            return stage === undefined || text === undefined
              ? null
              : { stage, order: Number(order), attempt: Number(attempt), text }
          })
        )
    })
  })
)
