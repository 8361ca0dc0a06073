/**
 * OpsMailboxes: the mailboxes that operators can name: those that a gateway submits to, and all others that any process of the
 * fleet has served, whose code the gateway need not know (news, other actors).
 */
import { mailboxes } from "@eco2/actors/protocol"
import { Mailbox, RedisError } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import { nothing } from "./WrongField.ts"

/** A Redis error as operators see it. */
export const fromRedis = (error: RedisError.RedisError) =>
  Refusal.unavailable(`${RedisError.reasonFor(error)}; try again`)
type Unavailable = ReturnType<typeof fromRedis>

export interface OpsMailboxes {
  /** In the order in which operators see them. */
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
