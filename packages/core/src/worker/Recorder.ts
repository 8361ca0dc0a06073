/**
 * Recorder: sends a result to Redis until it is recorded: it may have cost money, and every script may be sent twice. Every
 * error that is not known to be final (RedisError.isTransient) is retried for an hour, or until the process stops; then, or at a
 * final error, the result is dropped and logged.
 */
import { Effect } from "effect"
import type { Delivery } from "../mailbox/Delivery.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import type { ActorSystem } from "./ActorSystem.ts"
import * as Retry from "./Retry.ts"

/** Records the result of these deliveries; "unsettled": it was dropped. From the first try on they are not interrupted. */
export type Recorder = <A>(
  deliveries: ReadonlyArray<Delivery>,
  send: Effect.Effect<A, RedisError>
) => Effect.Effect<A | "unsettled">

export const make = (system: ActorSystem["Service"]): Recorder => {
  const whileItMayHelp = {
    while: (error: RedisError) => isTransient(error) && !system.abandoned(),
    times: 1_800
  }
  return <A>(deliveries: ReadonlyArray<Delivery>, send: Effect.Effect<A, RedisError>) =>
    Retry.untilSettled(
      Effect.suspend(() => {
        for (const delivery of deliveries) delivery.settle()
        return send
      }),
      whileItMayHelp
    ).pipe(
      Effect.catch((error) =>
        Effect.as(
          Effect.logError("result could not be recorded").pipe(
            Effect.annotateLogs({ entries: deliveries.map(({ key }) => key), error: error.message })
          ),
          "unsettled" as const
        )
      )
    )
}
