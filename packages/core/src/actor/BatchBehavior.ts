/**
 * BatchBehavior: handles told messages in batches: up to `size` messages of one type that arrive `within` a time after the
 * first. A batch is acknowledged as a whole after the handler's success.
 * The messages of a failed batch are tried one by one, so that only the bad message is retried or dead-lettered (Settlement).
 * With an error that concerns the whole batch (`whole`, such as a store that is down) every message fails at once.
 * The messages of an incomplete batch count against the process's slots (back-pressure), belong to the process until they are
 * acknowledged (A1), and are handled at once when the process begins to stop (A5).
 */
import { Cause, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import type { Config, Duration } from "effect"
import * as Definition from "../config/Definition.ts"
import * as Setting from "../config/Setting.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import type { Mailbox } from "../mailbox/Mailbox.ts"
import type { Policies } from "../policy/Policies.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { ActorSystem } from "../worker/ActorSystem.ts"
import type { Actor, Payload, Protocol, Tell } from "./Actor.ts"
import { concurrencyVariable } from "./Behavior.ts"
import * as Retry from "../worker/Retry.ts"
import * as Settlement from "./Settlement.ts"

type Tagged = { readonly _tag: string }
type Tells = { readonly [type: string]: Tell<unknown> }

/** One handler for each message type. It gets a batch without duplicates; messages of one partition are in order of arrival. */
export type Handlers<P extends Protocol, E, R> = {
  readonly [K in keyof P]: (payloads: ReadonlyArray<Payload<P[K]>>) => Effect.Effect<void, E, R>
}
type Handled<H> = H[keyof H] extends (payloads: never) => infer A ? A : never
type FailureOf<H> = Effect.Error<Handled<H>> & Tagged
type ServicesOf<H> = Effect.Services<Handled<H>>

export interface Options<E> {
  /** Messages in a batch, 1 to 1000. */
  readonly size: number
  /** How long the first message of a batch waits for more, at most 1 hour. */
  readonly within: Duration.Input
  /** Batches at once in one process, incomplete ones included, 1 to 1000; default 4. The process holds up to `size` messages for each. */
  readonly concurrency?: number
  readonly retry?: Retry.Policy<E>
  /** Whether an error concerns the whole batch, so that its messages are not tried one by one. */
  readonly whole?: (error: E) => boolean
}

/** One message in a batch. `gone`: its delivery was interrupted; others have it, or it was returned to its mailbox. */
interface Item {
  readonly delivery: Delivery
  readonly payload: unknown
  readonly settled: Deferred.Deferred<void>
  gone: boolean
}
interface Batch {
  readonly items: Array<Item>
  readonly full: Deferred.Deferred<void>
  fiber: Fiber.Fiber<void> | null
}

/**
 * Serves an actor's mailbox in batches while the layer lives. `make` builds the handlers once. Throws InvalidDefinition on wrong
 * options; so does the layer when handlers and messages do not match.
 */
export const layer = <Name extends string, P extends Tells, H extends Handlers<P, Tagged, unknown>, EX, R>(
  actor: Actor<Name, P>,
  make: Effect.Effect<H, EX, R>,
  options: Options<FailureOf<H>>
): Layer.Layer<never, EX | RedisError | Config.ConfigError, R | ServicesOf<H> | ActorSystem | Mailbox | Policies> =>
  // the handlers' types are restored outside; inside, it matters only that errors have a tag
  serve(
    actor,
    make as Effect.Effect<unknown, EX, R> as Effect.Effect<AnyHandlers, EX, R>,
    options as Options<never> as Options<Tagged>
  ) as Layer.Layer<never, EX | RedisError | Config.ConfigError, R | ServicesOf<H> | ActorSystem | Mailbox | Policies>

type AnyHandlers = {
  readonly [type: string]: (payloads: ReadonlyArray<unknown>) => Effect.Effect<unknown, Tagged, unknown>
}

const serve = <EX, R>(
  actor: Settlement.Served,
  make: Effect.Effect<AnyHandlers, EX, R>,
  options: Options<Tagged>
): Layer.Layer<never, EX | RedisError | Config.ConfigError, unknown> => {
  const definition = `batches of actor ${JSON.stringify(actor.name)}`
  const few = { min: 1, max: 1_000 }
  const size = Definition.integer(definition, "size", options.size, few)
  const within = Definition.duration(definition, "within", options.within, { min: "0 millis", max: "1 hour" })
  const defaultBatches = Definition.integer(definition, "concurrency", options.concurrency ?? 4, few)
  return Layer.effectDiscard(
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const settlement = yield* Settlement.make(actor, options.retry ?? Retry.policy())
      const handlers = yield* make
      Settlement.checkHandlers(actor, handlers)
      const services = yield* Effect.context<unknown>()
      const batches = yield* Setting.integer(concurrencyVariable(actor.name), {
        default: defaultBatches,
        ...few
      })
      /** The incomplete batch of each type. */
      const open = new Map<string, Batch>()

      const handle = (type: string, items: ReadonlyArray<Item>) =>
        Effect.suspend(() => {
          const handler = handlers[type]
          return handler === undefined
            ? Effect.die(new Error(`actor ${actor.name} has no handler for ${type}`))
            : Effect.provideContext(handler(items.map(({ payload }) => payload)), services)
        })
      const present = (items: ReadonlyArray<Item>) => items.filter((item) => !item.gone)
      const done = (items: ReadonlyArray<Item>) =>
        Effect.forEach(items, ({ settled }) => Deferred.succeed(settled, undefined), { discard: true })

      /** Acknowledges all handled messages, also those lost meanwhile: a success counts from any process that held them. */
      const attempt = (type: string, items: ReadonlyArray<Item>): Effect.Effect<void> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.exit(restore(handle(type, items))), (exit) => {
            if (Exit.isSuccess(exit)) {
              return Effect.andThen(settlement.allHandled(items.map(({ delivery }) => delivery)), done(items))
            }
            const rest = present(items)
            const reason = Retry.reasonOf(exit.cause)
            const together = "error" in reason && options.whole?.(reason.error) === true
            if (rest.length === 0) return Effect.void
            if (items.length > 1 && !together) {
              return Effect.andThen(
                Effect.logWarning("batch failed; trying its messages one by one").pipe(
                  Effect.annotateLogs({
                    mailbox: actor.name,
                    messages: rest.length,
                    reason: Retry.describe(reason).tag
                  })
                ),
                restore(
                  Effect.forEach(rest, (item) => (item.gone ? Effect.void : attempt(type, [item])), { discard: true })
                )
              )
            }
            return Effect.forEach(
              rest,
              (item) => {
                item.delivery.settle()
                return Effect.andThen(settlement.failed(item.delivery, exit.cause), done([item]))
              },
              { discard: true }
            )
          })
        )

      const single = (type: string, item: Item): Effect.Effect<void> =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.exit(restore(handle(type, [item]))), (exit) => {
            if (Exit.isSuccess(exit)) return settlement.handled(item.delivery)
            return item.delivery.isOutlived ? Effect.void : endSingle(item, exit.cause)
          })
        )
      const endSingle = ({ delivery }: Item, cause: Cause.Cause<Tagged>): Effect.Effect<void> => {
        if (delivery.endReason === "lost") return Effect.void
        return delivery.endReason === "release" ? settlement.release(delivery) : settlement.failed(delivery, cause)
      }

      const close = (type: string, batch: Batch) => {
        if (open.get(type) === batch) open.delete(type)
      }
      const run = (type: string, batch: Batch) =>
        Effect.gen(function* () {
          yield* Effect.raceFirst(Effect.timeoutOption(Deferred.await(batch.full), within), system.stopping)
          close(type, batch)
          const items = present(batch.items)
          if (items.length > 0) yield* attempt(type, items)
        }).pipe(
          // a defect outside the handler: all deliveries end, one reports it, and pending messages are adopted again (A4)
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              close(type, batch)
              const [first] = present(batch.items)
              const told =
                Exit.isSuccess(exit) || first === undefined
                  ? Effect.void
                  : Deferred.failCause(first.settled, exit.cause)
              return Effect.andThen(told, done(batch.items))
            })
          )
        )
      const batchOf = (type: string): Effect.Effect<Batch> =>
        Effect.suspend(() => {
          const filling = open.get(type)
          if (filling !== undefined) return Effect.succeed(filling)
          const batch: Batch = { items: [], full: Deferred.makeUnsafe(), fiber: null }
          open.set(type, batch)
          // detached: the end of its last message interrupts it, and its handler must not hold up a stop
          return Effect.map(Effect.forkDetach(run(type, batch)), (fiber) => {
            batch.fiber = fiber
            return batch
          })
        })

      /** Waits until the message is settled in its batch. When interrupted it leaves the batch; an empty batch is interrupted. */
      const inBatch = (batch: Batch, item: Item): Effect.Effect<void> =>
        Effect.onInterrupt(Deferred.await(item.settled), () =>
          Effect.suspend(() => {
            item.gone = true
            const empty = batch.items.every(({ gone }) => gone)
            if (empty) close(item.delivery.fields.get("type") ?? "", batch)
            const ended = empty && batch.fiber !== null ? Fiber.interrupt(batch.fiber) : Effect.void
            // handed back first: the batch's handler may go on
            const handedBack = item.delivery.endReason === "release" ? settlement.release(item.delivery) : Effect.void
            return Effect.andThen(handedBack, Effect.asVoid(ended))
          })
        )

      const join = Effect.fnUntraced(function* (delivery: Delivery) {
        const decoded = yield* Effect.exit(settlement.decode(delivery))
        if (Exit.isFailure(decoded)) return yield* system.work(delivery, settlement.failed(delivery, decoded.cause))
        const type = delivery.fields.get("type") ?? ""
        const item: Item = { delivery, payload: decoded.value, settled: Deferred.makeUnsafe(), gone: false }
        // a batch of its own, so that a crash is not that of the messages beside it (A2)
        if (Settlement.isSuspect(delivery)) {
          delivery.whenOutlived(() => endSingle(item, Cause.interrupt()))
          return yield* system.work(delivery, settlement.guarded(delivery, single(type, item)))
        }
        const batch = yield* batchOf(type)
        batch.items.push(item)
        yield* system.work(delivery, inBatch(batch, item))
        if (batch.items.length >= size) {
          close(type, batch)
          yield* Deferred.succeed(batch.full, undefined)
        }
      })

      yield* system.serve({
        mailbox: actor.name,
        concurrency: batches * size,
        timeoutMillis: () => null,
        take: (deliveries) => Effect.forEach(deliveries, join, { discard: true })
      })
    })
  )
}
