/**
 * Lease: which processes are alive. The lease belongs to the process, not to an entry: one member of `alive`, renewed every
 * third of LEASE, however many entries the process holds and however long they take.
 * Invariant A1 (the entries of a living process are never taken). Typed calls of the scripts that Heartbeat uses.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Meta, metaPrelude, metaWords } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import { Entry } from "../mailbox/Delivery.ts"
import { group } from "../mailbox/Mailbox.ts"

export interface Beat {
  /** False: this token was condemned; others may take its entries. */
  readonly alive: boolean
  /** Milliseconds until the next lease of another process expires; null: there is none. */
  readonly nextExpiryMillis: number | null
  /** Redis's clock, epoch milliseconds. */
  readonly now: number
  /** Processes of this role that are alive, this one included; 1 while `dead` is empty. */
  readonly processes: number
  /** Tokens whose lease has expired, condemned or not yet. */
  readonly dead: ReadonlyArray<string>
  /** What Redis's data was written with (Keyspace). */
  readonly meta: Meta
}

export interface Held {
  /** Ids of the entries pending for this consumer, by mailbox. */
  readonly mine: ReadonlyMap<string, ReadonlyArray<string>>
  /** All other consumers of these mailboxes, alive or not. */
  readonly others: ReadonlyArray<string>
}

export interface Reaped {
  readonly taken: ReadonlyArray<{ readonly mailbox: string; readonly entries: ReadonlyArray<Entry> }>
  /** Number of mailboxes where the dead consumer still holds entries: call again with free slots. */
  readonly left: number
}

export class Lease extends Context.Service<
  Lease,
  {
    /**
     * `clockSetBack`: leases of other processes that were given by the clock before are cut to a few of ours. `serves`: the mailboxes
     * that the process serves, for whoever counts their servers; null: it does not say yet.
     */
    readonly beat: (
      token: string,
      mode: "register" | "beat" | "leave" | "abandon",
      clockSetBack?: boolean,
      serves?: ReadonlyArray<string> | null
    ) => Effect.Effect<Beat, RedisError>
    /**
     * Condemns expired tokens; returns those now dead for every process. A token absent from `alive` is dead. `asOf`: Redis's clock
     * as the caller knows it, epoch milliseconds; leases are judged at no later time.
     */
    readonly condemn: (tokens: ReadonlyArray<string>, asOf: number) => Effect.Effect<ReadonlyArray<string>, RedisError>
    readonly held: (
      partition: Partition,
      token: string,
      mailboxes: ReadonlyArray<string>,
      withOthers: boolean
    ) => Effect.Effect<Held, RedisError>
    /** Takes over entries of a condemned token, up to the free slots given. */
    readonly reap: (
      partition: Partition,
      dead: string,
      heir: string,
      free: ReadonlyArray<readonly [mailbox: string, slots: number]>
    ) => Effect.Effect<Reaped, RedisError>
  }
>()("@eco2/core/worker/Lease") {}

const file = (name: string) => new URL(`./scripts/${name}.lua`, import.meta.url)
const beatScript = Script.make({
  file: file("beat"),
  preludes: [Script.clock, metaPrelude],
  numberOfKeys: 3,
  reply: Schema.TupleWithRest(
    Schema.Tuple([Schema.Literals(["alive", "condemned"]), Schema.Number, Schema.Number, Meta, Schema.Int]),
    [Schema.String]
  )
})
const condemnScript = Script.make({
  file: file("condemn"),
  preludes: [Script.clock],
  numberOfKeys: 1,
  reply: Schema.Array(Schema.String)
})
const pendingScript = Script.make({
  file: file("pending"),
  numberOfKeys: "root",
  reply: Schema.Array(Schema.Array(Schema.String))
})
const reapScript = Script.make({ file: file("reap"), numberOfKeys: "root", reply: Schema.Array(Schema.Unknown) })
const decodeReaped = Schema.decodeUnknownEffect(
  Schema.TupleWithRest(Schema.Tuple([Schema.Int]), [Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Entry])])
)
/** A process may have a LEASE so many times ours, times three, and is still not taken for dead when the clock is set back. */
const longestLeases = 4
/** Entries of one mailbox compared at once; more than any process has slots. */
const mostHeld = 50_000

export const layer: Layer.Layer<Lease, never, RedisClient | CoreConfig> = Layer.effect(
  Lease,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const config = yield* CoreConfig
    const leaseMillis = Duration.toMillis(config.lease)
    /**
     * A call to one partition within a beat. A partition whose slot is open, or whose server is down, answers late or never, and the
     * next beat must not wait so long that the lease expires. The call may have run; the next beat finds what it did (A4).
     */
    const withinBeat = <A>(command: string, call: Effect.Effect<A, RedisError>) =>
      Effect.timeoutOrElse(call, {
        duration: Duration.millis(leaseMillis / 4),
        orElse: () => Effect.fail(redis.late(command, "no answer within a quarter of the lease"))
      })
    return Lease.of({
      beat: Effect.fnUntraced(function* (token, mode, clockSetBack = false, serves = null) {
        const [status, next, now, meta, processes, ...dead] = yield* redis.run(
          beatScript,
          [redis.keys.alive, redis.keys.meta, redis.keys.serving],
          [
            config.clockOffsetMillis,
            token,
            leaseMillis,
            mode,
            ...metaWords(config),
            clockSetBack ? longestLeases * leaseMillis : 0,
            serves === null ? "-" : serves.join(" ")
          ]
        )
        return { alive: status === "alive", nextExpiryMillis: next < 0 ? null : next, now, meta, processes, dead }
      }),
      condemn: (tokens, asOf) =>
        tokens.length === 0
          ? Effect.succeed([])
          : redis.run(condemnScript, [redis.keys.alive], [config.clockOffsetMillis, Math.ceil(asOf), ...tokens]),
      held: Effect.fnUntraced(function* (partition, token, mailboxes, withOthers) {
        const words = [group, token, mostHeld, withOthers ? "1" : "0", ...mailboxes]
        const rows = yield* withinBeat("pending", redis.run(pendingScript, [partition.root], words))
        return {
          mine: new Map(rows.slice(0, -1).map(([mailbox = "", ...ids]) => [mailbox, ids])),
          others: rows.at(-1) ?? []
        }
      }),
      reap: Effect.fnUntraced(function* (partition, dead, heir, free) {
        const words = [group, dead, heir, ...free.flat()]
        const reply = yield* withinBeat("reap", redis.run(reapScript, [partition.root], words))
        const [left, ...rows] = yield* Effect.mapError(
          decodeReaped(reply),
          (issue) => new RedisReplyInvalid({ command: "reap", reason: String(issue) })
        )
        return { left, taken: rows.map(([mailbox, ...entries]) => ({ mailbox, entries })) }
      })
    })
  })
)
