/**
 * NewsSource: the port through which articles are found. Implemented over Naver's search, NewsData and feeds; all three run one
 * contract suite. A source makes one call and returns the result; schedules, quotas and retries are in collect/.
 */
import { Schema } from "effect"
import type { Effect } from "effect"
import { Category, Source } from "../domain/Article.ts"
import type { FoundArticle } from "./FoundArticle.ts"
import type { Rejected } from "./Items.ts"

/** One query to one source. JSON, because a stage's result may carry it. */
export const Query = Schema.Struct({
  source: Source,
  /** Search words; for a feed, its URL. */
  text: Schema.NonEmptyString,
  /** The category that the words are for; null for feeds. */
  category: Schema.NullOr(Category)
})
export type Query = typeof Query.Type

/** A document's version as its server reported it; sent with the next request, so that the server can answer 304. */
export const Validators = Schema.Struct({
  etag: Schema.NullOr(Schema.String),
  last_modified: Schema.NullOr(Schema.String)
})
export type Validators = typeof Validators.Type

export interface Found {
  /** In the source's order; empty if nothing changed. */
  readonly articles: ReadonlyArray<FoundArticle>
  /** Items of the reply that are no articles, by cause. */
  readonly rejected: Rejected
  /** Whether the document still has the version `known`. */
  readonly unchanged: boolean
  /** For the next request; null if the source has none. */
  readonly validators: Validators | null
  /** Where the document has moved for good, as this answer says; null: it has not. */
  readonly movedTo: string | null
}

/** What earlier answers to a query said. */
export interface Known {
  /** The version that was read last; null: none is known. */
  readonly validators: Validators | null
  /** Where the document has moved for good; null: it has not. */
  readonly movedTo: string | null
}

const failure = { source: Source, message: Schema.String }

/** The source asks for fewer calls (429). Nothing was found. null: it named no time. */
export class SourceRateLimited extends Schema.TaggedError<SourceRateLimited>()("SourceRateLimited", {
  ...failure,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** Not reached, too slow, or broken (5xx). The call may count against a quota. Retryable, after the named time if there is one. */
export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  ...failure,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** The document is gone for good (410). It is not asked for again for a day; an operator should remove it. */
export class SourceGone extends Schema.TaggedError<SourceGone>()("SourceGone", failure) {}

/** The source rejects the key, the query or the address (4xx). An operator must fix it. */
export class SourceRefused extends Schema.TaggedError<SourceRefused>()("SourceRefused", failure) {}

/** The reply is not in the source's format, or too large. */
export class SourceReplyInvalid extends Schema.TaggedError<SourceReplyInvalid>()("SourceReplyInvalid", failure) {}

export const SourceError = Schema.Union([
  SourceRateLimited,
  SourceUnavailable,
  SourceGone,
  SourceRefused,
  SourceReplyInvalid
])
export type SourceError = typeof SourceError.Type

export interface NewsSource {
  readonly name: Source
  /** The queries of one run, each for one call of `find`. */
  readonly queries: ReadonlyArray<Query>
  /**
   * One call to the source, 10 seconds at most.
   * - `known`: what the last replies to this query said
   * - an item that cannot be read is counted, and affects no other
   */
  readonly find: (query: Query, known?: Known) => Effect.Effect<Found, SourceError>
}
