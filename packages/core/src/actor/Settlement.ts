/**
 * Settlement: ends the delivery of a message without a job: handled, retried later, or dead-lettered. Shared by Behavior (one
 * message at a time) and BatchBehavior (many at once).
 * A message whose handler fails is retried by policy on a durable timer, then becomes a dead letter (A1: it never just
 * disappears). A message that does not decode, or that is found to kill its process (A2), becomes a dead letter at once.
 */
import { Cause, Duration, Effect, Exit, Metric, Schema } from "effect"
import * as Jitter from "../clock/Jitter.ts"
import * as Definition from "../config/Definition.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import * as Suspicion from "../mailbox/Suspicion.ts"
import type { Outcome } from "../mailbox/Mailbox.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { Policies } from "../policy/Policies.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { deadLetters } from "../telemetry/Metrics.ts"
import { ActorSystem } from "../worker/ActorSystem.ts"
import type { Protocol } from "./Actor.ts"
import * as Recorder from "../worker/Recorder.ts"
import * as Retry from "../worker/Retry.ts"

/** The parts of an actor's protocol that serving it needs. */
export interface Served {
  readonly name: string
  readonly protocol: Protocol
}
type Tagged = { readonly _tag: string }

/** Throws InvalidDefinition unless each message has a handler, and each handler a message. */
export const checkHandlers = (actor: Served, handlers: { readonly [type: string]: unknown }): void => {
  const definition = `handlers of actor ${JSON.stringify(actor.name)}`
  const types = Object.keys(actor.protocol)
  for (const type of types) {
    if (typeof handlers[type] !== "function") Definition.refuse(definition, type, handlers[type], "a function")
  }
  for (const name of Object.keys(handlers)) {
    if (!types.includes(name))
      Definition.refuse(definition, "a handler", name, `for one of its messages: ${types.join(", ")}`)
  }
}

/** The message type is unknown, or the body does not decode. */
export class MessageUnreadable extends Schema.TaggedError<MessageUnreadable>()("MessageUnreadable", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export interface Settlement {
  /** Decodes the message by its type's schema. */
  readonly decode: (delivery: Delivery) => Effect.Effect<unknown, MessageUnreadable>
  readonly handled: (delivery: Delivery) => Effect.Effect<void>
  /** Acknowledges messages of one mailbox that were handled together. */
  readonly allHandled: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void>
  /** Returns it to its mailbox at once; the attempt is not counted (A5). */
  readonly release: (delivery: Delivery) => Effect.Effect<void>
  /** Retries it by the policy, or gives it up. */
  readonly failed: (delivery: Delivery, cause: Cause.Cause<Tagged>) => Effect.Effect<void>
  /**
   * Runs a message's work when its history permits (A2): at once, unless it was in work when a process died. `beforeGivingUp`
   * runs before the dead letter of one that is given up.
   */
  readonly guarded: (
    delivery: Delivery,
    work: Effect.Effect<void>,
    beforeGivingUp?: Effect.Effect<void>
  ) => Effect.Effect<void>
}

/** The record of crashes while the message ran (Suspicion.read); 0: it is no suspect. */
const recordOf = (delivery: Delivery): number => Number(delivery.fields.get("deliveries") ?? 0)
export const isSuspect = (delivery: Delivery): boolean => recordOf(delivery) > 0
const attemptsOf = (delivery: Delivery): number => Number(delivery.fields.get("attempts") ?? 0)

export const make = Effect.fnUntraced(function* (
  actor: Served,
  policy: Retry.Policy<Tagged>
): Effect.fn.Return<Settlement, never, ActorSystem | Mailbox | Policies> {
  const system = yield* ActorSystem
  const mailbox = yield* Mailbox
  const policies = yield* Policies
  const decoders = new Map(
    Object.entries(actor.protocol).map(([type, { payload }]) => [
      type,
      Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(payload)))
    ])
  )

  const recorder = Recorder.make(system)
  const record = (deliveries: ReadonlyArray<Delivery>, send: Effect.Effect<unknown, RedisError>) =>
    Effect.asVoid(recorder(deliveries, send))
  const settle = (delivery: Delivery, outcome: Outcome) => record([delivery], mailbox.settle(delivery, outcome))
  const later = (delivery: Delivery, delayMillis: number, attempts: number, deliveries?: number) =>
    Effect.tap(
      settle(delivery, {
        _tag: "later",
        delayMillis,
        attempts,
        ...(deliveries === undefined ? {} : { deliveries })
      }),
      () => Effect.sync(() => system.wakeIn(delivery.partition, delayMillis))
    )
  /** It waits for another turn, and remains a suspect. */
  const putOff = (delivery: Delivery, millis: number) =>
    later(delivery, millis, attemptsOf(delivery), recordOf(delivery))

  /** Runs a suspect: the run is recorded first, so that a crash is counted. */
  const runSuspect = (delivery: Delivery, alone: boolean, work: Effect.Effect<void>) =>
    Retry.untilSettled(mailbox.begin(delivery, Suspicion.crashed(recordOf(delivery), alone)), {
      while: isTransient,
      times: 20
    }).pipe(
      // its entry stays pending: others take it over
      Effect.onInterrupt(() => Effect.sync(() => system.postpone(delivery))),
      Effect.flatMap((held) => (held === "held" ? work : Effect.void)),
      Effect.catch((error) =>
        Effect.andThen(
          Effect.logError("begin failed; the message will be delivered again").pipe(
            Effect.annotateLogs({ mailbox: actor.name, error: error.message })
          ),
          Effect.sync(() => system.postpone(delivery))
        )
      ),
      Effect.ensuring(Effect.sync(() => system.clear(delivery)))
    )

  const guarded: Settlement["guarded"] = (delivery, work, beforeGivingUp = Effect.void) =>
    Effect.suspend(() => {
      if (!isSuspect(delivery)) return work
      const history = Suspicion.read(recordOf(delivery))
      const verdict = system.judge(delivery, history, delivery.fields.get("fresh") === "1")
      switch (verdict._tag) {
        case "run":
          return runSuspect(delivery, false, work)
        case "pause":
          return putOff(delivery, Jitter.millis(verdict.millis))
        case "guilty": {
          const message = Suspicion.accusation("message", history)
          return Effect.andThen(beforeGivingUp, giveUp(delivery, Suspicion.guiltyTag, message, attemptsOf(delivery)))
        }
        case "alone":
          return Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(Effect.exit(restore(system.alone(delivery))), (exit) => {
              if (Exit.isSuccess(exit) && exit.value) return restore(runSuspect(delivery, true, work))
              if (delivery.endReason === "lost") return Effect.void
              return putOff(delivery, Exit.isSuccess(exit) ? Jitter.millis(Suspicion.againMillis) : 0)
            })
          )
      }
    })

  const giveUp = Effect.fnUntraced(function* (delivery: Delivery, tag: string, message: string, attempts: number) {
    yield* Metric.update(Metric.withAttributes(deadLetters, { mailbox: actor.name, reason: tag }), 1)
    yield* Effect.logError("message dead-lettered").pipe(
      Effect.annotateLogs({
        mailbox: actor.name,
        type: delivery.fields.get("type"),
        reason: tag,
        error: message,
        attempts
      })
    )
    // a schema's message may be as long as the body
    const text = message.slice(0, PayloadLimit.mostReasonLength)
    return yield* settle(delivery, { _tag: "dead", cause: tag, message: text, attempts })
  })

  return {
    decode: (delivery) => {
      const type = delivery.fields.get("type") ?? ""
      const decode = decoders.get(type)
      return decode === undefined
        ? Effect.fail(new MessageUnreadable({ reason: `actor ${actor.name} has no message "${type}"` }))
        : Effect.mapError(
            decode(delivery.fields.get("body")),
            (issue) => new MessageUnreadable({ reason: String(issue) })
          )
    },
    handled: (delivery) => settle(delivery, { _tag: "handled" }),
    allHandled: (deliveries) => record(deliveries, mailbox.acknowledge(deliveries)),
    release: (delivery) => later(delivery, 0, attemptsOf(delivery)),
    failed: Effect.fnUntraced(function* (delivery, cause) {
      const attempt = attemptsOf(delivery) + 1
      const reason = Retry.reasonOf(cause)
      const { message, tag } = Retry.describe(reason)
      const decision: Retry.Decision = !("error" in reason)
        ? yield* Retry.defects(attempt)
        : reason.error instanceof MessageUnreadable
          ? { _tag: "give-up", heals: false }
          : yield* Retry.limited(policy, policies.of(actor.name).attempts ?? null).decide(reason.error, attempt)
      if (decision._tag === "give-up") return yield* giveUp(delivery, tag, message, attempt)
      yield* Effect.logWarning("message will be retried").pipe(
        Effect.annotateLogs({ mailbox: actor.name, reason: tag, delay: Duration.format(decision.delay) })
      )
      const spent = decision._tag === "again" ? attempt : attempt - 1
      yield* later(delivery, Duration.toMillis(decision.delay), spent)
    }),
    guarded
  }
})
