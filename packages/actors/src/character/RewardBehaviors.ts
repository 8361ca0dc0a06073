/**
 * RewardBehaviors: saves rewards in batches of 50, or of what arrived within 5 seconds. A message that Postgres rejects
 * becomes a dead letter, it alone. While Postgres is down, or fails for a reason that no single message causes (a missing
 * table, a wrong password), all messages wait: half a minute in memory, then on durable timers, without spending an attempt.
 */
import { BatchBehavior, Retry } from "@eco2/core"
import { Postgres, PostgresError } from "@eco2/core/postgres"
import { Duration, Effect, Layer, Metric, Schedule } from "effect"
import { OwnershipActor, UserCharacterActor } from "./RewardActors.ts"
import * as RewardStore from "./RewardStore.ts"

/** Rewards saved, by `table` and `outcome`: stored, or known (already there). */
const rewardsSaved = Metric.counter("eco2_rewards_saved_total", {
  incremental: true,
  description: "rewards that a batch has saved"
})

type Failure = PostgresError.PostgresError

const patience = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "30 seconds" }))
const comeBack = Duration.seconds(5)

const isWaitedOut = (error: Failure) => !PostgresError.isOfData(error)

const retry: Retry.Policy<Failure> = {
  decide: (error) =>
    Effect.succeed(isWaitedOut(error) ? { _tag: "later", delay: comeBack } : { _tag: "give-up", heals: false })
}
const options = { size: 50, within: "5 seconds", concurrency: 20, whole: isWaitedOut, retry } as const

const saving = <A>(
  table: string,
  save: (batch: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<unknown>, Failure, Postgres.Postgres>
) => {
  const counted = (outcome: string, rows: number) =>
    Metric.update(Metric.withAttributes(rewardsSaved, { table, outcome }), rows)
  return Effect.map(
    Postgres.Postgres,
    (postgres) => (batch: ReadonlyArray<A>) =>
      save(batch).pipe(
        Effect.provideService(Postgres.Postgres, postgres),
        Effect.retry({ schedule: patience, while: PostgresError.isTransient }),
        Effect.flatMap((stored) =>
          Effect.andThen(counted("stored", stored.length), counted("known", batch.length - stored.length))
        )
      )
  )
}

const ownerships = Effect.map(saving("ownerships", RewardStore.saveOwnerships), (SaveOwnership) => ({ SaveOwnership }))
const userCharacters = Effect.map(saving("user_characters", RewardStore.saveUserCharacters), (SaveUserCharacter) => ({
  SaveUserCharacter
}))

export const layer = Layer.merge(
  BatchBehavior.layer(OwnershipActor, ownerships, options),
  BatchBehavior.layer(UserCharacterActor, userCharacters, options)
)
