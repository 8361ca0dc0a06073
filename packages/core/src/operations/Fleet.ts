/**
 * Fleet: the processes of the fleet and the number of entries each holds: the operator's view of leases (A1). Read-only; for
 * display, not for decisions.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { group } from "../mailbox/Mailbox.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import * as ServerTime from "../redis/ServerTime.ts"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"

export interface Member {
  readonly token: string
  /** The role it registered with. */
  readonly role: string
  /** alive: its lease is valid · expired: not condemned yet · condemned: others take, or took, its work. */
  readonly state: "alive" | "expired" | "condemned"
  /** Milliseconds until its lease ends; negative after its end. */
  readonly leaseMillis: number
  /** Milliseconds since its last beat, computed with this process's LEASE; null for a condemned process (unknown). */
  readonly heardMillis: number | null
  /** Entries it holds in the given mailboxes. */
  readonly inFlight: number
}

export class Fleet extends Context.Service<
  Fleet,
  {
    /** Every process that has a lease or was condemned lately, the latest lease end first. */
    readonly members: (mailboxes: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Member>, RedisError>
  }
>()("@eco2/core/operations/Fleet") {}

const Scores = Schema.Array(Schema.String)
const Consumers = Schema.Array(Schema.Array(Schema.Union([Schema.String, Schema.Number])))

export const layer: Layer.Layer<Fleet, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  Fleet,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const { partitions } = yield* Keyspace
    const leaseMillis = Duration.toMillis((yield* CoreConfig).lease)
    const decodeScores = decodeReply("ZRANGE", Scores)
    const decodeConsumers = decodeReply("XINFO CONSUMERS", Consumers)

    const held = Effect.fnUntraced(function* (mailboxes: ReadonlyArray<string>) {
      const inFlight = new Map<string, number>()
      const keys = partitions.flatMap((partition) => mailboxes.map((mailbox) => partition.mailbox(mailbox)))
      const replies = yield* Effect.forEach(
        keys,
        (key) =>
          redis.send("XINFO", "CONSUMERS", key, group).pipe(
            Effect.flatMap(decodeConsumers),
            Effect.catchIf(
              // a mailbox that was never served
              (error) => error._tag === "RedisRefused" && !isTransient(error),
              () => Effect.succeed([])
            )
          ),
        { concurrency: 16 }
      )
      for (const row of replies.flat()) {
        const name = String(row[row.indexOf("name") + 1])
        inFlight.set(name, (inFlight.get(name) ?? 0) + Number(row[row.indexOf("pending") + 1]))
      }
      return inFlight
    })

    return Fleet.of({
      members: Effect.fnUntraced(function* (mailboxes) {
        const now = yield* redis.send("TIME").pipe(Effect.flatMap(ServerTime.decode))
        const flat = yield* redis
          .send("ZRANGE", redis.keys.alive, 0, -1, "WITHSCORES")
          .pipe(Effect.flatMap(decodeScores))
        const inFlight = yield* held(mailboxes)
        const members = Array.from(Pairs.toMap(flat), ([token, text]): Member => {
          const score = Number(text)
          return {
            token,
            role: token.split(".", 1)[0] ?? "",
            state: score < 0 ? "condemned" : score <= now ? "expired" : "alive",
            leaseMillis: Math.abs(score) - now,
            heardMillis: score < 0 ? null : Math.max(0, leaseMillis - (score - now)),
            inFlight: inFlight.get(token) ?? 0
          }
        })
        return members.toSorted((a, b) => b.leaseMillis - a.leaseMillis)
      })
    })
  })
)
