/**
 * UserData: erases what the database has of a user. A contract for gateways, which import no implementation; composition roots
 * provide StoredUserData, on Postgres.
 */
import { Context, Schema } from "effect"
import type { Effect } from "effect"

/** The database does not answer, or has no tables yet: some of it may be erased. Asking again is safe. */
export class UserDataUnavailable extends Schema.TaggedError<UserDataUnavailable>()("UserDataUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `a user's data cannot be erased: ${this.reason}`
  }
}

/** How many of each were erased. */
export const Erased = Schema.Struct({ scans: Schema.Int, characters: Schema.Int, feedback: Schema.Int })
export type Erased = typeof Erased.Type
export const nothing: Erased = { scans: 0, characters: 0, feedback: 0 }

/** How long the moment of an erasure is remembered, for what is still on its way, days. */
export const rememberedDays = 30

export class UserData extends Context.Service<
  UserData,
  {
    /** Erases all that is stored of the user up to `at`, epoch milliseconds, and what is on its way. Nothing without a database. */
    readonly erase: (userId: string, at: number) => Effect.Effect<Erased, UserDataUnavailable>
  }
>()("@eco2/actors/history/UserData") {}
