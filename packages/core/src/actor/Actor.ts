/**
 * Actor: a protocol, all a sender knows and all it may import; its behavior (actor/Behavior) stands apart.
 * A `tell` is stored in the actor's mailbox and handled at least once; inside a stage it goes out with the stage's commit
 * instead, and is then sent exactly when the stage is recorded (J3).
 */
import { Effect, Schema } from "effect"
import { Mailbox } from "../mailbox/Mailbox.ts"
import type { MailboxFull, Message, MessageTooLarge } from "../mailbox/Mailbox.ts"
import type { RedisError } from "../redis/RedisError.ts"

export interface Tell<A> {
  readonly _tag: "tell"
  readonly payload: Schema.ConstraintCodec<A, unknown>
}
export type Protocol = { readonly [type: string]: Tell<unknown> }
export type Payload<M> = M extends Tell<infer A> ? A : never

/** A message without an answer. */
export const tell = <A>(options: { readonly payload: Schema.ConstraintCodec<A, unknown> }): Tell<A> => ({
  _tag: "tell",
  ...options
})

export interface Actor<Name extends string, P extends Protocol> {
  /** Also the mailbox's name. */
  readonly name: Name
  readonly protocol: P
  /** The message as it is stored; an invalid payload is a defect of the sender. */
  readonly message: <K extends keyof P & string>(type: K, payload: Payload<P[K]>) => Effect.Effect<Message>
  /**
   * Stores a message; messages with the same `key` share a partition.
   * MessageTooLarge, MailboxFull: nothing stored. RedisUnavailable: unknown; telling again may store it twice.
   */
  readonly tell: <K extends keyof P & string>(
    key: string,
    type: K,
    payload: Payload<P[K]>
  ) => Effect.Effect<void, MessageTooLarge | MailboxFull | RedisError, Mailbox>
}

export const make = <const Name extends string, P extends Protocol>(name: Name, protocol: P): Actor<Name, P> => {
  const encoders = new Map(
    Object.entries(protocol).map(([type, { payload }]) => [
      type,
      Schema.encodeUnknownEffect(Schema.toCodecJson(payload))
    ])
  )
  const message = <K extends keyof P & string>(type: K, payload: Payload<P[K]>): Effect.Effect<Message> => {
    const encode = encoders.get(type)
    return encode === undefined
      ? Effect.die(new Error(`actor ${name} has no message ${type}`))
      : encode(payload).pipe(
          Effect.orDie,
          Effect.map((json) => ({ mailbox: name, type, body: JSON.stringify(json) }))
        )
  }
  return {
    name,
    protocol,
    message,
    tell: Effect.fnUntraced(function* (key, type, payload) {
      const mailbox = yield* Mailbox
      yield* mailbox.append(key, yield* message(type, payload))
    })
  }
}
