/**
 * Unserved: finds mailboxes that have work and no living process that reads them: a stage that was renamed or removed while jobs
 * were under way, a role that is not deployed. Their work waits without an error, so somebody has to say so: UnservedWatch in
 * a fleet that runs, `eco2 doctor` on demand. Read-only, but for the turn.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as ServerTime from "../redis/ServerTime.ts"
import { group, Mailbox } from "./Mailbox.ts"
import * as MailboxNames from "./MailboxNames.ts"

export interface UnservedMailbox {
  readonly mailbox: string
  /** Entries that wait there, over all partitions. */
  readonly entries: number
  /** How long the oldest has waited. */
  readonly oldestMillis: number
}

export class Unserved extends Context.Service<
  Unserved,
  {
    /** Of these mailboxes, those with work older than `leastAgeMillis`. One command when none has any; on a Cluster one a partition. */
    readonly find: (
      names: ReadonlyArray<string>,
      leastAgeMillis: number
    ) => Effect.Effect<ReadonlyArray<UnservedMailbox>, RedisError>
    /** All mailboxes that were ever served, or that this process's definitions name. */
    readonly known: Effect.Effect<ReadonlyArray<string>, RedisError>
    /** The same, for the one process of the fleet that asks first within `millis`; null for the others. One command. */
    readonly turn: (millis: number) => Effect.Effect<ReadonlyArray<string> | null, RedisError>
  }
>()("@eco2/core/mailbox/Unserved") {}

const watchScript = Script.make({
  file: new URL("./scripts/watch.lua", import.meta.url),
  numberOfKeys: 2,
  reply: Schema.NonEmptyArray(Schema.String)
})
const Tokens = Schema.Array(Schema.String)
const Consumers = Schema.Array(Schema.Array(Schema.Union([Schema.String, Schema.Number])))
/** The first entry of each stream that has one. */
const Firsts = Schema.NullOr(
  Schema.Array(
    Schema.Tuple([Schema.String, Schema.NonEmptyArray(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))])
  )
)
const withDefinitions = (names: ReadonlyArray<string>) => [...new Set([...names, ...MailboxNames.all()])]

export const layer: Layer.Layer<Unserved, never, RedisClient | Keyspace | CoreConfig | Mailbox> = Layer.effect(
  Unserved,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const mailboxes = yield* Mailbox
    const { partitions } = yield* Keyspace
    const { clockOffsetMillis } = yield* CoreConfig
    const decodeTokens = decodeReply("ZRANGE", Tokens)
    const decodeConsumers = decodeReply("XINFO CONSUMERS", Consumers)
    const decodeFirsts = decodeReply("XREAD", Firsts)
    // on a Cluster one command has keys of one slot
    const groups = redis.topology === "Cluster" ? partitions.map((one) => [one]) : [partitions]

    /** The time at which the oldest work of each mailbox arrived, for those that have any. */
    const oldest = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
      const arrived = new Map<string, number>()
      for (const group of groups) {
        const keys = new Map(
          group.flatMap((partition) => names.map((name) => [partition.mailbox(name), name] as const))
        )
        const firsts = yield* redis
          .send("XREAD", "COUNT", 1, "STREAMS", ...keys.keys(), ...Array.from(keys, () => "0"))
          .pipe(Effect.flatMap(decodeFirsts))
        for (const [key, [[entry, fields]]] of firsts ?? []) {
          const name = keys.get(key)
          if (name === undefined) continue
          // the arrival is a field: the entry's id has the time it was written, which may be later
          const stamp = fields.indexOf("ts")
          const at = Number(stamp < 0 ? entry.split("-", 1)[0] : fields[stamp + 1])
          arrived.set(name, Math.min(at, arrived.get(name) ?? Infinity))
        }
      }
      return arrived
    })
    /** Whether one of these processes reads the mailbox. */
    const isServed = (mailbox: string, alive: ReadonlySet<string>) =>
      Effect.map(
        Effect.forEach(
          partitions,
          (partition) =>
            redis.send("XINFO", "CONSUMERS", partition.mailbox(mailbox), group).pipe(
              Effect.flatMap(decodeConsumers),
              Effect.catchIf(
                // a mailbox that was never served
                (error) => error._tag === "RedisRefused" && !isTransient(error),
                () => Effect.succeed([])
              )
            ),
          { concurrency: "unbounded" }
        ),
        (rows) => rows.flat().some((row) => alive.has(String(row[row.indexOf("name") + 1])))
      )

    return Unserved.of({
      known: Effect.map(mailboxes.served, withDefinitions),
      turn: (millis) =>
        Effect.map(redis.run(watchScript, [redis.keys.watch, redis.keys.mailboxes], [millis]), ([mine, ...names]) =>
          mine === "1" ? withDefinitions(names) : null
        ),
      find: Effect.fnUntraced(function* (names, leastAgeMillis) {
        if (names.length === 0) return []
        const arrived = yield* oldest(names)
        if (arrived.size === 0) return []
        const now = (yield* redis.send("TIME").pipe(Effect.flatMap(ServerTime.decode))) + clockOffsetMillis
        const waiting = [...arrived].filter(([, at]) => at <= now - leastAgeMillis).map(([name]) => name)
        if (waiting.length === 0) return []
        const alive = new Set(
          yield* redis.send("ZRANGE", redis.keys.alive, `(${now}`, "+inf", "BYSCORE").pipe(Effect.flatMap(decodeTokens))
        )
        const unserved = yield* Effect.filter(waiting, (name) => Effect.map(isServed(name, alive), (served) => !served))
        if (unserved.length === 0) return []
        const depths = yield* mailboxes.depths(unserved)
        return unserved.map((mailbox, i) => ({
          mailbox,
          entries: depths[i]!.entries,
          oldestMillis: depths[i]!.oldestMillis
        }))
      })
    })
  })
)
