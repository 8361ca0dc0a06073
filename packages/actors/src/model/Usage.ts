/** Usage: which provider served a model call and the tokens it used; for a result's metadata and the token metrics. */
import { Schema } from "effect"

/** Token counts are the provider's, 0 if it reports none; `simulated` is true if no model was called. */
export const Usage = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  simulated: Schema.Boolean,
  inputTokens: Schema.Int,
  outputTokens: Schema.Int
})
export type Usage = typeof Usage.Type
