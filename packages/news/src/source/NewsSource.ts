/**
 * NewsSource: the port by which articles are found. Implemented over Naver's search, NewsData and feeds; one contract
 * suite is run by all three. A source asks once and tells what it got: schedules, quotas and retries are the collection's.
 */
import { Schema } from "effect"
import type { Effect } from "effect"
import { Category, Source } from "../domain/Article.ts"
import type { FoundArticle } from "./FoundArticle.ts"

/** One question to one source, JSON: a stage's result may carry it. */
export const Query = Schema.Struct({
  source: Source,
  /** Search words; of a feed its URL. */
  text: Schema.NonEmptyString,
  /** Which category's words these are; null for feeds. */
  category: Schema.NullOr(Category)
})
export type Query = typeof Query.Type

/** What a server said about a document's version; sent back, it need not send the document again. */
export const Validators = Schema.Struct({
  etag: Schema.NullOr(Schema.String),
  last_modified: Schema.NullOr(Schema.String)
})
export type Validators = typeof Validators.Type

export interface Found {
  /** As the source orders them; empty when nothing changed. */
  readonly articles: ReadonlyArray<FoundArticle>
  /** Items of the reply that are no usable article: without a title, an address or a date. */
  readonly rejected: number
  /** Whether the document is the one `known` tells of. */
  readonly unchanged: boolean
  /** For the next time; null where the source has none. */
  readonly validators: Validators | null
}

const failure = { source: Source, message: Schema.String }

/** The source wants fewer calls (429). Nothing was found. null: it named no time. */
export class SourceRateLimited extends Schema.TaggedError<SourceRateLimited>()("SourceRateLimited", {
  ...failure,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** Not reached, too slow, or broken (5xx). The call may count against a quota. Retryable, after the time named if any. */
export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  ...failure,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** The key, the query or the address is not accepted (4xx). Heals only by an operator. */
export class SourceRefused extends Schema.TaggedError<SourceRefused>()("SourceRefused", failure) {}

/** A reply that is not the source's format, or larger than a reply may be. */
export class SourceReplyInvalid extends Schema.TaggedError<SourceReplyInvalid>()("SourceReplyInvalid", failure) {}

export const SourceError = Schema.Union([SourceRateLimited, SourceUnavailable, SourceRefused, SourceReplyInvalid])
export type SourceError = typeof SourceError.Type

export interface NewsSource {
  readonly name: Source
  /** What one run asks, each by one call of `find`. */
  readonly queries: ReadonlyArray<Query>
  /**
   * Asks once: one call to the source, 10 seconds at most.
   * - `known`: what the last reply to this query had as `validators`
   * - an item that cannot be read is counted, and loses no other
   */
  readonly find: (query: Query, known?: Validators | null) => Effect.Effect<Found, SourceError>
}
