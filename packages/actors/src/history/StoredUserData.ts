/** StoredUserData: the contract UserData, on Postgres. A process without a database has nothing to erase. */
import { Postgres } from "@eco2/core/postgres"
import { Effect, Layer } from "effect"
import * as ErasureStore from "./ErasureStore.ts"
import { nothing, UserData, UserDataUnavailable } from "./UserData.ts"

export const layer: Layer.Layer<UserData, never, Postgres.Postgres> = Layer.effect(
  UserData,
  Effect.map(Postgres.Postgres, (postgres) =>
    UserData.of({
      erase: (userId, at) =>
        postgres === Postgres.absent
          ? Effect.succeed(nothing)
          : ErasureStore.erase(userId, at).pipe(
              Effect.provideService(Postgres.Postgres, postgres),
              Effect.mapError((error) => new UserDataUnavailable({ reason: error.message }))
            )
    })
  )
)
