/**
 * ModelProvider: what a provider's adapter returns: both ports over one client, and a question that tries a model. Models chooses
 * one by the model's name.
 */
import type { AnswerModel } from "./AnswerModel.ts"
import type { Effect } from "effect"
import type { ModelError } from "./ModelError.ts"
import type { Usage } from "./Usage.ts"
import type { VisionModel } from "./VisionModel.ts"

export interface ModelProvider {
  readonly classify: VisionModel["Service"]["classify"]
  readonly answer: AnswerModel["Service"]["answer"]
  /** One structured question with an answer of one word: whether the model can be asked at all. A paid call (ModelProbe). */
  readonly probe: (model: string) => Effect.Effect<Usage, ModelError>
}
