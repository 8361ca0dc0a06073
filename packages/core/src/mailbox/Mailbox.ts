/**
 * Mailbox: the durable, bounded queue an actor takes its work from; one stream in each partition, with one consumer group.
 * Invariant A1: an entry leaves only by acknowledgement, so a crash redelivers it. This module sends messages without a job
 * (tell, ask) and ends their deliveries. Neighbours: JobStore (jobs), Reader (reading), Lease (leases).
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import * as MailboxCapacity from "../policy/MailboxCapacity.ts"
import type { Policies } from "../policy/Policies.ts"
import type { Partition } from "../redis/Keys.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import type { Delivery } from "./Delivery.ts"

/** The consumer group of every mailbox. */
export const group = "workers"

/** The mailbox is at capacity. Nothing was stored; sending again later is safe. */
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
/** Marks a message as an ask: the caller, and for how many milliseconds from now it waits for the answer. */
export interface AskedBy {
  readonly process: string
  readonly call: string
  readonly deadlineMillis: number
}
/** About how many bytes a message takes in Redis. */
export const bytesOf = ({ body, mailbox, type }: Message): number =>
  Buffer.byteLength(body) + Buffer.byteLength(type) + mailbox.length

/** The message is larger than allowed. Nothing was stored; sending it again would not help. */
export class MessageTooLarge extends Schema.TaggedError<MessageTooLarge>()("MessageTooLarge", {
  mailbox: Schema.String,
  bytes: Schema.Int,
  most: Schema.Int
}) {
  override get message() {
    return `a message to ${this.mailbox} has ${this.bytes} bytes, allowed are ${this.most}`
  }
}

export interface Depth {
  /** Entries not yet acknowledged, those in work included. */
  readonly entries: number
  /** Entries in work, over all processes. */
  readonly leased: number
  /** Age of the oldest entry, counted from the arrival of its work; 0 when empty. */
  readonly oldestMillis: number
  /** Jobs and messages on timers due here within a minute, among the first thousand timers of each partition. */
  readonly due: number
  /** Dead letters that wait for an operator, or for the next round of their parked job. */
  readonly letters: number
}

/**
 * handled: done · later: deliver again after a delay; `deliveries`: it remains a suspect with this record (A2) · dead: given up,
 * with a dead letter.
 */
export type Outcome =
  | { readonly _tag: "handled" }
  | {
      readonly _tag: "later"
      readonly delayMillis: number
      readonly attempts: number
      readonly deliveries?: number
    }
  | { readonly _tag: "dead"; readonly cause: string; readonly message: string; readonly attempts: number }

export class Mailbox extends Context.Service<
  Mailbox,
  {
    /**
     * Stores one message and returns its entry id. Messages with the same `key` share a partition. One round trip.
     * `ask`: the caller that waits for an answer, and for how long.
     * MessageTooLarge, MailboxFull, RedisFull, RedisRefused: nothing stored. RedisUnavailable: unknown; sending again may store it twice.
     */
    readonly append: (
      key: string,
      message: Message,
      ask?: AskedBy
    ) => Effect.Effect<string, MessageTooLarge | MailboxFull | RedisError>
    /** Ends one delivery; `lost`: another process has it, nothing changed. */
    readonly settle: (delivery: Delivery, outcome: Outcome) => Effect.Effect<"settled" | "lost", RedisError>
    /** A suspect message begins to run; `record`: of its crashes, if this run ends in one. `lost`: another process has it (A2). */
    readonly begin: (delivery: Delivery, record: number) => Effect.Effect<"held" | "lost", RedisError>
    /** Ends deliveries of one mailbox that were handled together; one round trip for each partition. */
    readonly acknowledge: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void, RedisError>
    /** Removes an entry that must not be handled any more; does nothing when it is gone. */
    readonly withdraw: (key: string, mailbox: string, entry: string) => Effect.Effect<void, RedisError>
    /** Creates the mailbox's missing streams and groups, and lists the mailbox for operators. */
    readonly ensure: (mailbox: string, partitions?: ReadonlyArray<Partition>) => Effect.Effect<void, RedisError>
    /** Every mailbox that any process of the fleet has served, sorted; for operators. */
    readonly served: Effect.Effect<ReadonlyArray<string>, RedisError>
    /** How full mailboxes are, over all partitions, in the order given. One round trip for each partition. */
    readonly depths: (mailboxes: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Depth>, RedisError>
  }
>()("@eco2/core/mailbox/Mailbox") {}

/** Preludes of every script that moves entries of mailboxes. */
export const movesEntries: ReadonlyArray<URL> = [Script.clock, new URL("./scripts/mailbox.lua", import.meta.url)]

const appendScript = Script.make({
  file: new URL("./scripts/append.lua", import.meta.url),
  preludes: [Script.clock],
  numberOfKeys: 1,
  reply: Schema.Tuple([Schema.Literals(["appended", "full"]), Schema.String])
})
const settleScript = Script.make({
  file: new URL("./scripts/settle.lua", import.meta.url),
  preludes: movesEntries,
  numberOfKeys: "root",
  reply: Schema.Literals(["settled", "lost"])
})
const acknowledgeScript = Script.make({
  file: new URL("./scripts/acknowledge.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Int
})
const turnScript = Script.make({
  file: new URL("./scripts/turn.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Literals(["held", "lost"])
})
const depthScript = Script.make({
  file: new URL("./scripts/depth.lua", import.meta.url),
  preludes: [Script.clock],
  numberOfKeys: "root",
  reply: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int, Schema.Number, Schema.Int, Schema.Int]))
})

const decodeNames = decodeReply("SMEMBERS", Schema.Array(Schema.String))

/** Redis answers, and refuses to write now. */
const takesNoWrites = (error: RedisError): boolean => isTransient(error) && error._tag !== "RedisUnavailable"

export const layer: Layer.Layer<Mailbox, never, RedisClient | Keyspace | CoreConfig | Policies> = Layer.effect(
  Mailbox,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const config = yield* CoreConfig
    const capacityOf = yield* MailboxCapacity.perPartition
    const letterTtl = Duration.toMillis(config.letterTtl)

    return Mailbox.of({
      append: Effect.fnUntraced(function* (key, message, ask) {
        const bytes = bytesOf(message)
        if (bytes > PayloadLimit.mostBytes) {
          return yield* new MessageTooLarge({ mailbox: message.mailbox, bytes, most: PayloadLimit.mostBytes })
        }
        const [outcome, detail] = yield* redis.run(
          appendScript,
          [keyspace.of(key).mailbox(message.mailbox)],
          [
            config.clockOffsetMillis,
            capacityOf(message.mailbox),
            message.type,
            message.body,
            ask === undefined ? "" : `${ask.process} ${ask.call}`,
            ask?.deadlineMillis ?? 0
          ]
        )
        if (outcome === "full") return yield* new MailboxFull({ mailbox: message.mailbox, depth: Number(detail) })
        return detail
      }),
      begin: (delivery, record) =>
        redis.run(
          turnScript,
          [delivery.partition.mailbox(delivery.mailbox)],
          [group, delivery.consumer, delivery.entry, record]
        ),
      acknowledge: (deliveries) => {
        const entries = Map.groupBy(deliveries, ({ mailbox, partition }) => partition.mailbox(mailbox))
        return Effect.forEach(
          entries,
          ([key, some]) => redis.run(acknowledgeScript, [key], [group, ...some.map(({ entry }) => entry)]),
          { concurrency: "unbounded", discard: true }
        )
      },
      withdraw: (key, mailbox, entry) => Effect.asVoid(redis.send("XDEL", keyspace.of(key).mailbox(mailbox), entry)),
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
                  attempts: outcome.attempts,
                  ask: delivery.fields.get("ask"),
                  deliveries: outcome.deliveries
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
              ),
              // a Redis that takes no writes refuses even when the group exists; workers must be able to start there
              Effect.catchIf(takesNoWrites, (refusal) =>
                redis.send("XPENDING", partition.mailbox(mailbox), group).pipe(Effect.mapError(() => refusal))
              )
            ),
          { discard: true, concurrency: "unbounded" }
        ).pipe(
          Effect.andThen(
            // the mailbox works without it; the next process to serve it adds it to the list
            Effect.catchIf(redis.send("SADD", redis.keys.mailboxes, mailbox), takesNoWrites, () => Effect.void)
          ),
          Effect.asVoid
        ),
      served: Effect.map(Effect.flatMap(redis.send("SMEMBERS", redis.keys.mailboxes), decodeNames), (names) =>
        names.toSorted()
      ),
      depths: Effect.fnUntraced(function* (mailboxes) {
        const parts = yield* Effect.forEach(
          keyspace.partitions,
          (partition) => redis.run(depthScript, [partition.root], [config.clockOffsetMillis, group, ...mailboxes]),
          { concurrency: "unbounded" }
        )
        return mailboxes.map((_, i) => {
          const rows = parts.map((part) => part[i] ?? [0, 0, 0, 0, 0])
          return {
            entries: rows.reduce((sum, row) => sum + row[0], 0),
            leased: rows.reduce((sum, row) => sum + row[1], 0),
            oldestMillis: Math.max(...rows.map((row) => row[2])),
            due: rows.reduce((sum, row) => sum + row[3], 0),
            letters: rows.reduce((sum, row) => sum + row[4], 0)
          }
        })
      })
    })
  })
)
