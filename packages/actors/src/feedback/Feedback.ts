/**
 * Feedback: what users say is wrong with an answer, stored for the owner of the service. A contract for gateways, which import no
 * implementation; composition roots provide StoredFeedback, on Postgres.
 */
import { Context, Schema } from "effect"
import type { Effect } from "effect"
import { Language } from "../domain/Language.ts"
import { Classification } from "../domain/Scan.ts"
import { minorGroups } from "../domain/Waste.ts"

/** What a user may say that an item is: a middle of the recyclables, or another major. */
export const Category = Schema.Literals(minorGroups)

/** Most characters of a comment. */
export const mostComment = 500
/** Scans that one user may give feedback on within a day. */
export const mostADay = 50

export interface Given {
  readonly jobId: string
  readonly userId: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly language: Language
  readonly found: Classification
  readonly model: string | null
  /** Null: the user does not know. */
  readonly category: typeof Category.Type | null
  readonly comment: string | null
}

/** As its reader sees it: without the user. */
export const Entry = Schema.Struct({
  job_id: Schema.String,
  /** ISO, UTC. */
  given_at: Schema.String,
  language: Language,
  ...Classification.fields,
  model: Schema.NullOr(Schema.String),
  category: Schema.NullOr(Schema.String),
  comment: Schema.NullOr(Schema.String)
})
export type Entry = typeof Entry.Type

/** The database does not answer, is not configured, or has no tables yet. Retrying later is safe. */
export class FeedbackUnavailable extends Schema.TaggedError<FeedbackUnavailable>()("FeedbackUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `feedback cannot be stored or read: ${this.reason}`
  }
}

export class Feedback extends Context.Service<
  Feedback,
  {
    /** Stores it, in place of what the user said of the scan before. `full`: the user has said enough for a day. */
    readonly give: (given: Given) => Effect.Effect<"stored" | "full", FeedbackUnavailable>
    /** The newest first; `before`: behind this one. */
    readonly list: (options: {
      readonly before: { readonly givenAt: string; readonly jobId: string } | null
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<Entry>, FeedbackUnavailable>
  }
>()("@eco2/actors/feedback/Feedback") {}
