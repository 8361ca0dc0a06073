/**
 * Actor: the protocol of an actor, the only part a sender imports. Its handlers are elsewhere (Behavior, BatchBehavior).
 * A `tell` is stored in the actor's mailbox and handled at least once; a stage sends it with its commit, exactly when the stage
 * is recorded (J3). An `ask` is a message whose sender waits for the answer, always with a deadline (Replies); the handler's
 * typed error is returned to the asker.
 */
import { Duration, Effect, Schema } from "effect"
import * as Definition from "../config/Definition.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import type { MailboxFull, Message, MessageTooLarge } from "../mailbox/Mailbox.ts"
import * as MailboxNames from "../mailbox/MailboxNames.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { AskFailed, Replies, ReplyTooLarge } from "./Replies.ts"
import type { AskTimeout } from "./Replies.ts"

type Codec<A> = Schema.ConstraintCodec<A, unknown>

export interface Tell<A> {
  readonly _tag: "tell"
  readonly payload: Codec<A>
}
export interface Ask<A, B, E> {
  readonly _tag: "ask"
  readonly payload: Codec<A>
  readonly reply: Codec<B>
  readonly error: Codec<E>
}
export type Protocol = { readonly [type: string]: Tell<unknown> | Ask<unknown, unknown, unknown> }
export type Payload<M> = M extends { readonly payload: Codec<infer A> } ? A : never
export type Reply<M> = M extends { readonly reply: Codec<infer B> } ? B : never
export type Refusal<M> = M extends { readonly error: Codec<infer E> } ? E : never
/** The names of a protocol's tells, and of its asks. */
export type Told<P extends Protocol> = { [K in keyof P & string]: P[K]["_tag"] extends "tell" ? K : never }[keyof P &
  string]
export type Asked<P extends Protocol> = { [K in keyof P & string]: P[K]["_tag"] extends "ask" ? K : never }[keyof P &
  string]

/** A message without an answer. */
export const tell = <A>(options: { readonly payload: Codec<A> }): Tell<A> => ({ _tag: "tell", ...options })

/** A message with an answer: `reply`, or the handler's `error`. Without `error` the handler cannot fail. */
export const ask = <A, B, E = never>(options: {
  readonly payload: Codec<A>
  readonly reply: Codec<B>
  readonly error?: Codec<E>
}): Ask<A, B, E> => ({ _tag: "ask", payload: options.payload, reply: options.reply, error: options.error ?? never })
const never: Codec<never> = Schema.Never

/** Why an ask got no answer from its handler. */
export type AskError = AskTimeout | AskFailed | ReplyTooLarge | MessageTooLarge | MailboxFull | RedisError

export interface Actor<Name extends string, P extends Protocol> {
  /** The actor's name, and its mailbox's. */
  readonly name: Name
  readonly protocol: P
  /** The message as it is stored; an invalid payload is a defect of the sender. */
  readonly message: <K extends keyof P & string>(type: K, payload: Payload<P[K]>) => Effect.Effect<Message>
  /**
   * Stores a message; messages with the same `key` share a partition.
   * MessageTooLarge, MailboxFull, RedisFull, RedisRefused: nothing stored. RedisUnavailable: unknown; telling again may store it twice.
   */
  readonly tell: <K extends Told<P>>(
    key: string,
    type: K,
    payload: Payload<P[K]>
  ) => Effect.Effect<void, MessageTooLarge | MailboxFull | RedisError, Mailbox>
  /**
   * Stores a message and waits for its answer, for `deadline` at most, sending included.
   * - the message's own error: its handler failed; the error says what happened
   * - MessageTooLarge, MailboxFull, RedisFull, RedisRefused: nothing happened
   * - ReplyTooLarge: it happened, and asking again would not help
   * - AskTimeout, AskFailed, RedisUnavailable: unknown; it may have happened, once or (after a crash) twice
   *
   * An interrupted ask withdraws its message unless its handling has begun; a later answer is dropped and counted.
   */
  readonly ask: <K extends Asked<P>>(
    key: string,
    type: K,
    payload: Payload<P[K]>,
    options: { readonly deadline: Duration.Input }
  ) => Effect.Effect<Reply<P[K]>, Refusal<P[K]> | AskError, Replies>
}

/** Actors of these names would read core's own settings as theirs, such as USER_CONCURRENCY. */
const reserved = ["user"]

/**
 * The protocol of an actor. Throws InvalidDefinition when it has no message, or when a name is wrong.
 * - `name`: words with dots between, not the mailbox of a pipeline's stage
 * - `protocol`: its messages by name; letters, digits and `. _ : / -`
 */
export const make = <const Name extends string, P extends Protocol>(name: Name, protocol: P): Actor<Name, P> => {
  Definition.words("actor", name)
  const actor = `actor ${JSON.stringify(name)}`
  if (reserved.includes(name)) Definition.refuse(actor, "its name", name, `any other name than ${reserved.join(", ")}`)
  if (Object.keys(protocol).length === 0) Definition.refuse(actor, "its protocol", {}, "at least one message")
  for (const type of Object.keys(protocol)) Definition.title(`${actor}: message`, type)
  MailboxNames.claim(name, "actor")
  const wires = new Map(
    Object.entries(protocol).map(([type, message]) => {
      const read = <A>(codec: Codec<A>) => Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(codec)))
      return [
        type,
        {
          payload: Schema.encodeUnknownEffect(Schema.toCodecJson(message.payload)),
          reply: message._tag === "ask" ? read(message.reply) : null,
          error: message._tag === "ask" ? read(message.error) : null
        }
      ]
    })
  )
  const message = <K extends keyof P & string>(type: K, payload: Payload<P[K]>): Effect.Effect<Message> => {
    const wire = wires.get(type)
    return wire === undefined
      ? Effect.die(new Error(`actor ${name} has no message ${type}`))
      : wire.payload(payload).pipe(
          Effect.orDie,
          Effect.map((json) => ({ mailbox: name, type, body: JSON.stringify(json) }))
        )
  }
  const failed = (type: string, reason: string) => new AskFailed({ actor: name, type, reason })
  return {
    name,
    protocol,
    message,
    tell: Effect.fnUntraced(function* (key, type, payload) {
      const mailbox = yield* Mailbox
      yield* mailbox.append(key, yield* message(type, payload))
    }),
    ask: Effect.fnUntraced(function* <K extends Asked<P>>(
      key: string,
      type: K,
      payload: Payload<P[K]>,
      options: { readonly deadline: Duration.Input }
    ) {
      const replies = yield* Replies
      const { body, outcome } = yield* replies.ask(
        key,
        yield* message(type, payload),
        Duration.toMillis(options.deadline)
      )
      if (outcome === "failed") return yield* failed(type, body)
      if (outcome === "large") return yield* new ReplyTooLarge({ actor: name, type, bytes: Number(body) })
      const read = outcome === "reply" ? wires.get(type)?.reply : wires.get(type)?.error
      if (read === undefined || read === null) return yield* failed(type, "it is not a message that is asked")
      const value = yield* Effect.mapError(read(body), (issue) => failed(type, `its answer is unreadable: ${issue}`))
      // the schema of this message decoded it
      return outcome === "reply" ? (value as Reply<P[K]>) : yield* Effect.fail(value as Refusal<P[K]>)
    })
  }
}
