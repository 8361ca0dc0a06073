/**
 * Behavior: how an actor's messages are handled. Handlers run side by side, in this process and in others; what they share
 * is the store, and it decides.
 * A failing handler is its message's failure: retried by policy on a durable timer, then a dead letter (A1: it never just
 * disappears). A message that does not decode is a dead letter at once.
 */
import { Cause, Duration, Effect, Exit, Layer, Metric, Schema } from "effect"
import * as Setting from "../config/Setting.ts"
import type { Config } from "effect"
import { aloneFrom, maxDeliveries } from "../mailbox/Delivery.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import type { Outcome } from "../mailbox/Mailbox.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { deadLetters } from "../telemetry/Metrics.ts"
import { ActorSystem } from "./ActorSystem.ts"
import type { Actor, Payload, Protocol } from "./Actor.ts"
import * as Retry from "./Retry.ts"

export type Handlers<P extends Protocol, E, R> = {
  readonly [K in keyof P]: (payload: Payload<P[K]>) => Effect.Effect<void, E, R>
}
type Tagged = { readonly _tag: string }
type Handled<H> = H[keyof H] extends (payload: never) => infer A ? A : never
/** What handlers fail with, and what they need around them. */
type FailureOf<H> = Effect.Error<Handled<H>> & Tagged
type ServicesOf<H> = Effect.Services<Handled<H>>

/** The environment variable that sets how many messages one process handles at once: `character.save` → CHARACTER_SAVE_CONCURRENCY. */
export const concurrencyVariable = (mailbox: string): string =>
  `${mailbox.replace(/[.-]/g, "_").toUpperCase()}_CONCURRENCY`

const DecodeFailed = "MessageUnreadable"

/**
 * Serves an actor's mailbox with these handlers while the layer lives.
 * - `make` builds the handlers once
 * - `concurrency`: messages at once in one process; default 20
 */
export const layer = <Name extends string, P extends Protocol, H extends Handlers<P, Tagged, unknown>, EX, R>(
  actor: Actor<Name, P>,
  make: Effect.Effect<H, EX, R>,
  options: { readonly concurrency?: number; readonly retry?: Retry.Policy<FailureOf<H>> } = {}
): Layer.Layer<never, EX | RedisError | Config.ConfigError, R | ServicesOf<H> | ActorSystem | Mailbox> =>
  // what the handlers say of themselves is put back: inside, only that errors have a tag matters
  serve(actor, make, options.concurrency, (options.retry ?? Retry.policy()) as Retry.Policy<Tagged>) as Layer.Layer<
    never,
    EX | RedisError | Config.ConfigError,
    R | ServicesOf<H> | ActorSystem | Mailbox
  >

const serve = <P extends Protocol, EX, R>(
  actor: Actor<string, P>,
  make: Effect.Effect<Handlers<P, Tagged, unknown>, EX, R>,
  defaultConcurrency: number | undefined,
  policy: Retry.Policy<Tagged>
): Layer.Layer<never, EX | RedisError | Config.ConfigError, unknown> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const mailbox = yield* Mailbox
      const handlers = yield* make
      const services = yield* Effect.context<unknown>()
      const concurrency = yield* Setting.integer(concurrencyVariable(actor.name), {
        default: defaultConcurrency ?? 20,
        min: 1,
        max: 100_000
      })
      const decoders = new Map(
        Object.entries(actor.protocol).map(([type, { payload }]) => [
          type,
          Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(payload)))
        ])
      )

      const settle = (delivery: Delivery, outcome: Outcome) =>
        Effect.suspend(() => {
          delivery.settling = true
          return mailbox.settle(delivery, outcome)
        }).pipe(
          Effect.retry({
            schedule: Retry.settling,
            while: (error) => isTransient(error) && !system.abandoned(),
            times: 1_800
          }),
          Effect.tap(() =>
            Effect.sync(() => {
              if (outcome._tag === "later") system.wakeIn(delivery.partition, outcome.delayMillis)
            })
          ),
          Effect.catch((error) =>
            Effect.logError("message could not be settled").pipe(
              Effect.annotateLogs({ entry: delivery.key, error: error.message })
            )
          )
        )

      const handle = (delivery: Delivery): Effect.Effect<void, Tagged, unknown> => {
        const type = delivery.fields.get("type") ?? ""
        const decode = decoders.get(type)
        const handler: ((payload: Payload<P[string]>) => Effect.Effect<void, Tagged, unknown>) | undefined =
          handlers[type]
        if (decode === undefined || handler === undefined) {
          return Effect.fail({ _tag: DecodeFailed, message: `actor ${actor.name} has no message "${type}"` })
        }
        return decode(delivery.fields.get("body")).pipe(
          Effect.mapError((issue) => ({ _tag: DecodeFailed, message: String(issue) })),
          Effect.flatMap((payload) => handler(payload as Payload<P[string]>))
        )
      }

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
        return yield* settle(delivery, { _tag: "dead", cause: tag, message, attempts })
      })
      const exhausted = (delivery: Delivery, deliveries: number) =>
        giveUp(
          delivery,
          "DeliveriesExhausted",
          `the message was delivered ${deliveries} times to processes that never reported back`,
          Number(delivery.fields.get("attempts") ?? 0)
        )

      const failed = Effect.fnUntraced(function* (delivery: Delivery, cause: Cause.Cause<Tagged>) {
        const attempt = Number(delivery.fields.get("attempts") ?? 0) + 1
        const reason = Retry.reasonOf(cause)
        const { message, tag } = Retry.describe(reason)
        const decision: Retry.Decision = !("error" in reason)
          ? yield* Retry.defects(attempt)
          : tag === DecodeFailed
            ? { _tag: "give-up", heals: false }
            : yield* policy.decide(reason.error, attempt)
        if (decision._tag === "give-up") {
          // what a schema says of a body may be as long as the body
          return yield* giveUp(delivery, tag, message.slice(0, PayloadLimit.mostReasonLength), attempt)
        }
        yield* Effect.logWarning("message will be tried again").pipe(
          Effect.annotateLogs({ mailbox: actor.name, reason: tag, delay: Duration.format(decision.delay) })
        )
        yield* settle(delivery, {
          _tag: "later",
          delayMillis: Duration.toMillis(decision.delay),
          attempts: decision._tag === "again" ? attempt : attempt - 1
        })
      })

      const run = (delivery: Delivery): Effect.Effect<void> => {
        const deliveries = Number(delivery.fields.get("deliveries") ?? 0)
        if (deliveries >= maxDeliveries) return exhausted(delivery, deliveries)
        const handled = Effect.provideContext(handle(delivery), services)
        const work = deliveries >= aloneFrom ? Effect.andThen(system.alone(delivery), handled) : handled
        return Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.exit(restore(work)), (exit) => {
            if (Exit.isSuccess(exit)) return settle(delivery, { _tag: "handled" })
            if (delivery.fate === "lost") return Effect.void
            if (delivery.fate === "release") {
              const attempts = Number(delivery.fields.get("attempts") ?? 0)
              return settle(delivery, { _tag: "later", delayMillis: 0, attempts })
            }
            return failed(delivery, exit.cause)
          })
        )
      }

      yield* system.serve({
        mailbox: actor.name,
        concurrency,
        take: (deliveries) =>
          Effect.forEach(deliveries, (delivery) => system.work(delivery, run(delivery)), { discard: true })
      })
    })
  )
