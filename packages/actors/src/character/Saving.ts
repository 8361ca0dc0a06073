/**
 * Saving: how messages are saved to Postgres: in batches of 50, or of what arrived within 5 seconds. A message that Postgres
 * rejects becomes a dead letter, it alone. While Postgres is down, or fails for a reason that no single message causes (a missing
 * table, a wrong password), all messages wait: half a minute in memory, then on durable timers, without spending an attempt.
 */
import type { Retry } from "@eco2/core"
import { PostgresError } from "@eco2/core/postgres"
import { Duration, Effect, Schedule } from "effect"

type Failure = PostgresError.PostgresError

const patience = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "30 seconds" }))
const comeBack = Duration.seconds(5)

const isWaitedOut = (error: Failure) => !PostgresError.isOfData(error)

const retry: Retry.Policy<Failure> = {
  decide: (error) =>
    Effect.succeed(isWaitedOut(error) ? { _tag: "later", delay: comeBack } : { _tag: "give-up", heals: false })
}

/** Of BatchBehavior. */
export const options = { size: 50, within: "5 seconds", concurrency: 20, whole: isWaitedOut, retry } as const

/** Repeats a statement while the database is away, for half a minute. */
export const patiently = <A, R>(statement: Effect.Effect<A, Failure, R>): Effect.Effect<A, Failure, R> =>
  Effect.retry(statement, { schedule: patience, while: PostgresError.isTransient })
