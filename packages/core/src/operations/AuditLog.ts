/**
 * AuditLog: what operators did: who, when, what, to what, how it ended, and for a change what was there before and after. The
 * latest are kept, in a stream of the fleet. For people; nothing else reads it.
 */
import { Context, Effect, Layer, Schema } from "effect"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"

export interface Act {
  /** Who: a name that the caller gave, not verified beyond the secret. */
  readonly who: string
  /** The role by which it was allowed. */
  readonly role: string
  /** As in `policies.change`. */
  readonly what: string
  /** What it was done to, as in `mailbox=scan.vision cause=ModelTimeout`. */
  readonly target: string
  /** `ok`, or the code of the refusal. */
  readonly outcome: string
  /** JSON, "" where nothing was changed or it is not known. */
  readonly before: string
  readonly after: string
}

export interface Entry extends Act {
  /** Of the stream; the cursor of the next page. */
  readonly id: string
  /** Epoch milliseconds. */
  readonly at: number
}

export class AuditLog extends Context.Service<
  AuditLog,
  {
    readonly record: (act: Act) => Effect.Effect<void, RedisError>
    /** The newest first; `before`: an entry's id, exclusive. */
    readonly list: (options: {
      readonly limit: number
      readonly before: string | null
    }) => Effect.Effect<ReadonlyArray<Entry>, RedisError>
  }
>()("@eco2/core/operations/AuditLog") {}

/** About so many are kept. */
export const kept = 10_000
/** Characters of one field. */
const mostChars = 2_000

const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
const fields = ["who", "role", "what", "target", "outcome", "before", "after"] as const

export const layer: Layer.Layer<AuditLog, never, RedisClient> = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const decode = decodeReply("XREVRANGE", Entries)
    return AuditLog.of({
      record: (act) =>
        Effect.asVoid(
          redis.send(
            "XADD",
            redis.keys.audit,
            "MAXLEN",
            "~",
            kept,
            "*",
            ...fields.flatMap((name) => [name, act[name].slice(0, mostChars)])
          )
        ),
      list: ({ before, limit }) =>
        redis.send("XREVRANGE", redis.keys.audit, before === null ? "+" : `(${before}`, "-", "COUNT", limit).pipe(
          Effect.flatMap(decode),
          Effect.map((entries) =>
            entries.map(([id, flat]) => {
              const found = Pairs.toMap(flat)
              const of = (name: (typeof fields)[number]) => found.get(name) ?? ""
              return {
                id,
                at: Number(id.split("-")[0]),
                who: of("who"),
                role: of("role"),
                what: of("what"),
                target: of("target"),
                outcome: of("outcome"),
                before: of("before"),
                after: of("after")
              }
            })
          )
        )
    })
  })
)
