/** RewardBehaviors: saves rewards in batches, as Saving says; those of users whose data was erased meanwhile are removed again. */
import { BatchBehavior } from "@eco2/core"
import { Postgres } from "@eco2/core/postgres"
import type { PostgresError } from "@eco2/core/postgres"
import { Effect, Layer, Metric } from "effect"
import * as ErasureStore from "../history/ErasureStore.ts"
import { OwnershipActor, UserCharacterActor } from "./RewardActors.ts"
import * as RewardStore from "./RewardStore.ts"
import * as Saving from "./Saving.ts"

/** Rewards saved, by `table` and `outcome`: stored, or known (already there). */
const rewardsSaved = Metric.counter("eco2_rewards_saved_total", {
  incremental: true,
  description: "rewards that a batch has saved"
})

const saving = <A extends { readonly userId: string }>(
  table: string,
  save: (
    batch: ReadonlyArray<A>
  ) => Effect.Effect<ReadonlyArray<unknown>, PostgresError.PostgresError, Postgres.Postgres>
) => {
  const counted = (outcome: string, rows: number) =>
    Metric.update(Metric.withAttributes(rewardsSaved, { table, outcome }), rows)
  return Effect.map(
    Postgres.Postgres,
    (postgres) => (batch: ReadonlyArray<A>) =>
      save(batch).pipe(
        Effect.tap(ErasureStore.sweep(batch.map(({ userId }) => userId))),
        Effect.provideService(Postgres.Postgres, postgres),
        Saving.patiently,
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
  BatchBehavior.layer(OwnershipActor, ownerships, Saving.options),
  BatchBehavior.layer(UserCharacterActor, userCharacters, Saving.options)
)
