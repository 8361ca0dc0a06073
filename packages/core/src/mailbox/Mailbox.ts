/**
 * Mailbox: the durable, bounded queue an actor takes its work from; one stream a partition with one consumer group.
 * Invariant A1: an entry leaves only by acknowledgement, so a crash redelivers it. Here: messages without a job (tell),
 * and how a delivery of one ends. Jobs enter and leave by the pipeline's scripts; reading is Reader's, leases are Lease's.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import type { Delivery } from "./Delivery.ts"

/** The consumer group of every mailbox. */
export const group = "workers"

/** The mailbox holds its capacity. Nothing was stored; sending again later is safe. */
export class MailboxFull extends Schema.TaggedError<MailboxFull>()("MailboxFull", {
  mailbox: Schema.String,
  depth: Schema.Int
}) {
  override get message() {
    return `mailbox ${this.mailbox} is full (${this.depth} entries in one partition); see MAILBOX_CAPACITY`
  }
}

export interface Message {
  readonly mailbox: string
  readonly type: string
  /** JSON text. */
  readonly body: string
}

/** handled: done for good · later: deliver again after a delay · dead: given up, a letter says why. */
export type Outcome =
  | { readonly _tag: "handled" }
  | { readonly _tag: "later"; readonly delayMillis: number; readonly attempts: number }
  | { readonly _tag: "dead"; readonly cause: string; readonly message: string; readonly attempts: number }

export class Mailbox extends Context.Service<
  Mailbox,
  {
    /**
     * Stores one message; messages with the same `key` share a partition. One round trip.
     * MailboxFull, RedisFull: nothing stored. RedisUnavailable: unknown; sending again may store it twice (at least once).
     */
    readonly append: (key: string, message: Message) => Effect.Effect<void, MailboxFull | RedisError>
    /** Ends one delivery; `lost`: others have it by now, nothing changed. */
    readonly settle: (delivery: Delivery, outcome: Outcome) => Effect.Effect<"settled" | "lost", RedisError>
    /** Makes the mailbox's streams and groups where they are missing. */
    readonly ensure: (mailbox: string, partitions?: ReadonlyArray<Partition>) => Effect.Effect<void, RedisError>
    /** Over all partitions: entries not acknowledged, those of them in work, and the oldest one's arrival (ms, null = empty). */
    readonly depth: (
      mailbox: string
    ) => Effect.Effect<{ readonly depth: number; readonly leased: number; readonly oldest: number | null }, RedisError>
  }
>()("@eco2/core/mailbox/Mailbox") {}

const appendScript = Script.make({
  file: new URL("./scripts/append.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Tuple([Schema.Literals(["appended", "full"]), Schema.String])
})
const settleScript = Script.make({
  file: new URL("./scripts/settle.lua", import.meta.url),
  preludes: [new URL("../pipeline/scripts/job.lua", import.meta.url)],
  numberOfKeys: 1,
  reply: Schema.Literals(["settled", "lost"])
})
const Range = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
const PendingSummary = Schema.TupleWithRest(Schema.Tuple([Schema.Int]), [Schema.Unknown])

export const layer: Layer.Layer<Mailbox, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  Mailbox,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const config = yield* CoreConfig
    const capacity = Math.max(1, Math.ceil(config.mailboxCapacity / config.partitions))
    const letterTtl = Duration.toMillis(config.letterTtl)
    const decodeLength = decodeReply("XLEN", Schema.Int)
    const decodePending = decodeReply("XPENDING", PendingSummary)
    const decodeRange = decodeReply("XRANGE", Range)

    return Mailbox.of({
      append: Effect.fnUntraced(function* (key, message) {
        const [outcome, detail] = yield* redis.run(
          appendScript,
          [keyspace.of(key).mailbox(message.mailbox)],
          [config.clockOffsetMillis, capacity, message.type, message.body]
        )
        if (outcome === "full") return yield* new MailboxFull({ mailbox: message.mailbox, depth: Number(detail) })
      }),
      settle: (delivery, outcome) => {
        const [delay, name, text, attempts] =
          outcome._tag === "later"
            ? [
                outcome.delayMillis,
                randomUUID(),
                JSON.stringify({
                  mailbox: delivery.mailbox,
                  type: delivery.fields.get("type") ?? "",
                  body: delivery.fields.get("body") ?? "",
                  attempts: outcome.attempts
                }),
                outcome.attempts
              ]
            : outcome._tag === "dead"
              ? [0, outcome.cause, outcome.message, outcome.attempts]
              : [0, "", "", 0]
        return redis.run(
          settleScript,
          [delivery.partition.root],
          [
            config.clockOffsetMillis,
            delivery.mailbox,
            delivery.entry,
            delivery.consumer,
            outcome._tag,
            delay,
            name,
            text,
            attempts,
            letterTtl
          ]
        )
      },
      ensure: (mailbox, partitions = keyspace.partitions) =>
        Effect.forEach(
          partitions,
          (partition) =>
            redis.send("XGROUP", "CREATE", partition.mailbox(mailbox), group, "0", "MKSTREAM").pipe(
              Effect.catchIf(
                (error) => error._tag === "RedisRefused" && error.code === "BUSYGROUP",
                () => Effect.void
              )
            ),
          { discard: true, concurrency: "unbounded" }
        ),
      depth: Effect.fnUntraced(function* (mailbox) {
        const parts = yield* Effect.forEach(
          keyspace.partitions,
          Effect.fnUntraced(function* (partition) {
            const key = partition.mailbox(mailbox)
            const [depth, [leased], [first]] = yield* Effect.all(
              [
                redis.send("XLEN", key).pipe(Effect.flatMap(decodeLength)),
                redis.send("XPENDING", key, group).pipe(
                  Effect.flatMap(decodePending),
                  // a mailbox nobody has served yet has no group
                  Effect.catchIf(
                    (error) => error._tag === "RedisRefused" && error.code === "NOGROUP",
                    () => Effect.succeed([0] as const)
                  )
                ),
                redis.send("XRANGE", key, "-", "+", "COUNT", 1).pipe(Effect.flatMap(decodeRange))
              ],
              { concurrency: "unbounded" }
            )
            const at = first === undefined ? -1 : first[1].indexOf("ts")
            return { depth, leased, oldest: at < 0 ? null : Number(first![1][at + 1]) }
          }),
          { concurrency: "unbounded" }
        )
        const arrivals = parts.flatMap((part) => (part.oldest === null ? [] : [part.oldest]))
        return {
          depth: parts.reduce((sum, part) => sum + part.depth, 0),
          leased: parts.reduce((sum, part) => sum + part.leased, 0),
          oldest: arrivals.length === 0 ? null : Math.min(...arrivals)
        }
      })
    })
  })
)
