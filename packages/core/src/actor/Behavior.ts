/**
 * Behavior: the handlers of an actor's messages. Handlers run concurrently, in this process and in others; they share only the
 * store, which must resolve conflicts.
 * A failed tell is retried or given up by Settlement. A failed ask is not: its asker gets the handler's error at once and
 * decides. The answer is sent before the message is acknowledged, so that a crash in between answers twice, never not at all.
 * An ask whose deadline is over is not begun.
 */
import { Effect, Exit, Layer, Metric, Schema } from "effect"
import type { Cause, Config } from "effect"
import * as Definition from "../config/Definition.ts"
import * as Setting from "../config/Setting.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import type { Mailbox } from "../mailbox/Mailbox.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { Policies } from "../policy/Policies.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { asks } from "../telemetry/Metrics.ts"
import { ActorSystem } from "../worker/ActorSystem.ts"
import type { Actor, Asked, Payload, Protocol, Refusal, Reply } from "./Actor.ts"
import { askerOf, Replies } from "./Replies.ts"
import type { Answer, Asker } from "./Replies.ts"
import * as Retry from "../worker/Retry.ts"
import * as Settlement from "./Settlement.ts"

type Tagged = { readonly _tag: string }

/** One handler for each message: for a tell it returns nothing and may fail, for an ask it returns the reply or the error. */
export type Handlers<P extends Protocol, E, R> = {
  readonly [K in keyof P]: K extends Asked<P>
    ? (payload: Payload<P[K]>) => Effect.Effect<Reply<P[K]>, Refusal<P[K]>, R>
    : (payload: Payload<P[K]>) => Effect.Effect<void, E, R>
}
type Handled<H> = H[keyof H] extends (payload: never) => infer A ? A : never
/** The errors of handlers, and the services they need. */
type FailureOf<H> = Effect.Error<Handled<H>> & Tagged
type ServicesOf<H> = Effect.Services<Handled<H>>

/** The environment variable for the concurrency in one process: `character.save` → CHARACTER_SAVE_CONCURRENCY. */
export const concurrencyVariable = (mailbox: string): string =>
  `${mailbox.replace(/[.-]/g, "_").toUpperCase()}_CONCURRENCY`

/**
 * Serves an actor's mailbox with these handlers while the layer lives.
 * - `make` builds the handlers once
 * - `concurrency`: messages at once in one process, 1 to 100,000; default 20
 * - `retry`: the policy for tells; an ask is retried only by its asker
 *
 * Throws InvalidDefinition on a wrong concurrency; so does the layer when handlers and messages do not match.
 */
export const layer = <Name extends string, P extends Protocol, H extends Handlers<P, Tagged, unknown>, EX, R>(
  actor: Actor<Name, P>,
  make: Effect.Effect<H, EX, R>,
  options: { readonly concurrency?: number; readonly retry?: Retry.Policy<FailureOf<H>> } = {}
): Layer.Layer<
  never,
  EX | RedisError | Config.ConfigError,
  R | ServicesOf<H> | ActorSystem | Mailbox | Replies | Policies
> =>
  // the handlers' types are restored outside; inside, it matters only that errors have a tag
  serve(
    actor,
    make as Effect.Effect<unknown, EX, R> as Effect.Effect<AnyHandlers, EX, R>,
    Definition.integer(`actor ${JSON.stringify(actor.name)}`, "concurrency", options.concurrency ?? 20, {
      min: 1,
      max: 100_000
    }),
    (options.retry ?? Retry.policy()) as Retry.Policy<Tagged>
  ) as Layer.Layer<
    never,
    EX | RedisError | Config.ConfigError,
    R | ServicesOf<H> | ActorSystem | Mailbox | Replies | Policies
  >

type AnyHandlers = { readonly [type: string]: (payload: unknown) => Effect.Effect<unknown, Tagged, unknown> }

const serve = <EX, R>(
  actor: Settlement.Served,
  make: Effect.Effect<AnyHandlers, EX, R>,
  defaultConcurrency: number,
  policy: Retry.Policy<Tagged>
): Layer.Layer<never, EX | RedisError | Config.ConfigError, unknown> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const replies = yield* Replies
      const settlement = yield* Settlement.make(actor, policy)
      const handlers = yield* make
      Settlement.checkHandlers(actor, handlers)
      const services = yield* Effect.context<unknown>()
      const concurrency = yield* Setting.integer(concurrencyVariable(actor.name), {
        default: defaultConcurrency,
        min: 1,
        max: 100_000
      })
      const write = new Map(
        Object.entries(actor.protocol).flatMap(([type, message]) =>
          message._tag === "tell"
            ? []
            : [[type, { reply: encoder(message.reply), error: encoder(message.error) }] as const]
        )
      )

      const handle = (delivery: Delivery): Effect.Effect<unknown, Tagged, unknown> =>
        Effect.flatMap(settlement.decode(delivery), (payload) => {
          const handler = handlers[delivery.fields.get("type") ?? ""]
          return handler === undefined
            ? Effect.die(new Error(`actor ${actor.name} has no handler for ${delivery.fields.get("type")}`))
            : handler(payload)
        })

      const tell = (asker: Asker, answer: Answer) =>
        Retry.untilSettled(replies.answer(asker, answer), {
          while: (error) => isTransient(error) && !system.abandoned() && system.storeTime() < asker.due
        }).pipe(
          Effect.tap((told) =>
            told
              ? Effect.void
              : Metric.update(Metric.withAttributes(asks, { actor: actor.name, outcome: "unheard" }), 1)
          ),
          Effect.catch((error) =>
            Effect.logWarning("answer could not be sent").pipe(
              Effect.annotateLogs({ mailbox: actor.name, error: error.message })
            )
          )
        )
      const failedFor = (cause: Cause.Cause<Tagged>): Effect.Effect<Answer> => {
        const { message, tag } = Retry.describe(Retry.reasonOf(cause))
        return Effect.as(
          Effect.logError("ask could not be answered", cause).pipe(Effect.annotateLogs({ mailbox: actor.name })),
          { outcome: "failed", body: `${tag}: ${message}`.slice(0, PayloadLimit.mostReasonLength) }
        )
      }
      const answerOf = (delivery: Delivery, exit: Exit.Exit<unknown, Tagged>): Effect.Effect<Answer> => {
        const wire = write.get(delivery.fields.get("type") ?? "")
        if (wire === undefined) return Effect.succeed({ outcome: "failed", body: "it is not a message that is asked" })
        if (Exit.isSuccess(exit)) return bounded("reply", wire.reply(exit.value))
        const reason = Retry.reasonOf(exit.cause)
        return "error" in reason && !(reason.error instanceof Settlement.MessageUnreadable)
          ? bounded("error", wire.error(reason.error))
          : failedFor(exit.cause)
      }
      const bounded = (outcome: "reply" | "error", text: Effect.Effect<string, Schema.SchemaError>) =>
        Effect.matchCauseEffect(text, {
          onFailure: (cause) => failedFor(cause),
          onSuccess: (body) => {
            const bytes = Buffer.byteLength(body)
            return Effect.succeed<Answer>(
              bytes <= PayloadLimit.mostBytes ? { outcome, body } : { outcome: "large", body: String(bytes) }
            )
          }
        })

      const ended = Effect.fnUntraced(function* (
        delivery: Delivery,
        asker: Asker | null,
        exit: Exit.Exit<unknown, Tagged>
      ) {
        if (Exit.isFailure(exit)) {
          if (delivery.endReason === "lost") return
          if (delivery.endReason === "release") return yield* settlement.release(delivery)
          if (asker === null) return yield* settlement.failed(delivery, exit.cause)
        }
        if (asker !== null) yield* tell(asker, yield* answerOf(delivery, exit))
        yield* settlement.handled(delivery)
      })

      const run = (delivery: Delivery): Effect.Effect<void> => {
        const asker = askerOf(delivery.fields.get("ask"))
        if (asker !== null && asker.due <= system.storeTime()) {
          return Effect.andThen(
            Metric.update(Metric.withAttributes(asks, { actor: actor.name, outcome: "expired" }), 1),
            settlement.handled(delivery)
          )
        }
        delivery.whenOutlived(() => ended(delivery, asker, Exit.interrupt()))
        const work = Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.exit(restore(Effect.provideContext(handle(delivery), services))), (exit) =>
            // the end of a delivery that was outlived is recorded already; a success counts however late it is
            delivery.isOutlived && Exit.isFailure(exit) ? Effect.void : ended(delivery, asker, exit)
          )
        )
        return settlement.guarded(
          delivery,
          work,
          asker === null
            ? Effect.void
            : tell(asker, { outcome: "failed", body: "processes that handled it never reported back" })
        )
      }

      yield* system.serve({
        mailbox: actor.name,
        concurrency,
        timeoutMillis: () => null,
        take: (deliveries) =>
          Effect.forEach(deliveries, (delivery) => system.work(delivery, run(delivery)), { discard: true })
      })
    })
  )

const encoder = (codec: Schema.ConstraintCodec<unknown, unknown>) => {
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(codec))
  return (value: unknown): Effect.Effect<string, Schema.SchemaError> =>
    Effect.map(encode(value), (json) => JSON.stringify(json))
}
