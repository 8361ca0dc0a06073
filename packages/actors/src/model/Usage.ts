/** Usage: who served a model call and what it took; goes into a result's metadata and the token metrics. */
import { Schema } from "effect"

/** Token counts are the provider's own, 0 where it names none; `simulated` is true when no model was asked. */
export const Usage = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  simulated: Schema.Boolean,
  inputTokens: Schema.Int,
  outputTokens: Schema.Int
})
export type Usage = typeof Usage.Type
