/**
 * ModelProvider: what a provider's adapter returns: both ports over one client. Models chooses one by the model's name.
 */
import type { AnswerModel } from "./AnswerModel.ts"
import type { VisionModel } from "./VisionModel.ts"

export interface ModelProvider {
  readonly classify: VisionModel["Service"]["classify"]
  readonly answer: AnswerModel["Service"]["answer"]
}
