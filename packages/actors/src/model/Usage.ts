/** Usage: which provider served a model call, and the tokens it counted; for a result's metadata, metrics and cost. */
import { Schema } from "effect"

/** What a provider counted for one call; 0 where it reports nothing. */
export const Tokens = Schema.Struct({
  /** All input, cached input included. */
  inputTokens: Schema.Int,
  /** The part of the input that the provider had in its cache. */
  cachedTokens: Schema.Int,
  /** All output, reasoning included. */
  outputTokens: Schema.Int,
  /** The part of the output that the model thought and did not say. */
  reasoningTokens: Schema.Int
})
export type Tokens = typeof Tokens.Type

export const noTokens: Tokens = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 }

/** `simulated` is true if no model was called. `requestId`: the provider's name for the call, if it gave one. */
export const Usage = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  simulated: Schema.Boolean,
  ...Tokens.fields,
  requestId: Schema.optionalKey(Schema.String)
})
export type Usage = typeof Usage.Type

/** A count from outside: a whole number from 0; anything else counts as not reported. */
const count = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.floor(value) : 0

/** Tokens from what a provider reports, whatever its types: a wrong count never costs an answer. */
export const tokensOf = (reported: {
  readonly input?: unknown
  readonly cached?: unknown
  readonly output?: unknown
  readonly reasoning?: unknown
}): Tokens => ({
  inputTokens: count(reported.input),
  cachedTokens: Math.min(count(reported.cached), count(reported.input)),
  outputTokens: count(reported.output),
  reasoningTokens: Math.min(count(reported.reasoning), count(reported.output))
})
