/**
 * OpsMailboxes: which mailboxes operators may ask for: those of the work a gateway hands in, and whatever else any process
 * of the fleet has served, which a gateway need not know the code of (news, actors of others).
 */
import { mailboxes } from "@eco2/actors/protocol"
import { Mailbox } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import type { RedisError } from "@eco2/core/client"
import { Effect } from "effect"
import { nothing } from "./WrongField.ts"

/** Redis as operators are told of it. */
export const fromRedis = (error: RedisError.RedisError) =>
  Refusal.unavailable(error._tag === "RedisFull" ? "the store is full" : "the store does not answer; try again")
type Unavailable = ReturnType<typeof fromRedis>

export interface OpsMailboxes {
  /** In the order operators see them. */
  readonly all: Effect.Effect<ReadonlyArray<string>, Unavailable>
  /** The name, if there is such a mailbox. */
  readonly known: (name: string) => Effect.Effect<string, Unavailable | typeof nothing>
}

export const make: Effect.Effect<OpsMailboxes, never, Mailbox.Mailbox> = Effect.map(Mailbox.Mailbox, ({ served }) => {
  const all = Effect.map(Effect.mapError(served, fromRedis), (names) => [...new Set([...mailboxes, ...names])])
  return {
    all,
    known: (name) =>
      mailboxes.includes(name)
        ? Effect.succeed(name)
        : Effect.flatMap(all, (names) => (names.includes(name) ? Effect.succeed(name) : Effect.fail(nothing)))
  }
})
