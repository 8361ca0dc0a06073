/**
 * ModelProvider: what a provider's adapter offers, both ports over one client. Models picks one by the model's name.
 */
import type { AnswerModel } from "./AnswerModel.ts"
import type { VisionModel } from "./VisionModel.ts"

export interface ModelProvider {
  readonly classify: VisionModel["Service"]["classify"]
  readonly answer: AnswerModel["Service"]["answer"]
}
