/**
 * Recorder: sends a result until Redis has it. It may have cost money, and every script may be sent twice. A transient refusal
 * is waited out for an hour, or until the process has stopped; only then, or on a final one, is the result given up, and said.
 */
import { Effect } from "effect"
import type { Delivery } from "../mailbox/Delivery.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import type { ActorSystem } from "./ActorSystem.ts"
import * as Retry from "./Retry.ts"

/** Of what these deliveries came to; "unsettled": Redis did not take it. From the first try on they are not interrupted. */
export type Recorder = <A>(
  deliveries: ReadonlyArray<Delivery>,
  send: Effect.Effect<A, RedisError>
) => Effect.Effect<A | "unsettled">

export const make = (system: ActorSystem["Service"]): Recorder => {
  const whileItMayHelp = {
    schedule: Retry.settling,
    while: (error: RedisError) => isTransient(error) && !system.abandoned(),
    times: 1_800
  }
  return <A>(deliveries: ReadonlyArray<Delivery>, send: Effect.Effect<A, RedisError>) =>
    Effect.suspend(() => {
      for (const delivery of deliveries) delivery.settle()
      return send
    }).pipe(
      // the schedule is made only for those that need it
      Effect.catchIf(isTransient, () => Effect.retry(send, whileItMayHelp)),
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
