/**
 * KeptScans: the user's scans that Postgres keeps when Redis no longer has their jobs. A read contract for gateways, which import
 * no implementation; composition roots provide StoredScans, on Postgres.
 */
import { Context, Schema } from "effect"
import type { Effect } from "effect"
import type { Place, StoredScan } from "./HistoryStore.ts"

/** The database does not answer, or has no tables yet. Retrying later is safe. */
export class KeptScansUnavailable extends Schema.TaggedError<KeptScansUnavailable>()("KeptScansUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `kept scans cannot be read: ${this.reason}`
  }
}

export class KeptScans extends Context.Service<
  KeptScans,
  {
    /** The user's scans behind a place, the newest first, without some; at most `limit`. None without a database. */
    readonly page: (
      userId: string,
      options: { readonly after: Place | null; readonly without: ReadonlyArray<string>; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<StoredScan>, KeptScansUnavailable>
    /** Those of these scans that are kept and the user's. */
    readonly some: (
      userId: string,
      ids: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<StoredScan>, KeptScansUnavailable>
  }
>()("@eco2/actors/history/KeptScans") {}
