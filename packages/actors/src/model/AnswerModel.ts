/**
 * AnswerModel: the port through which the answer stage puts a disposal rule into the user's words.
 * Implemented by openai/, gemini/ and simulated/, routed by Models; all three run one contract suite.
 */
import { Context } from "effect"
import type { Effect } from "effect"
import type { DisposalRule } from "../domain/Disposal.ts"
import type { Language } from "../domain/Language.ts"
import type { ClassificationResult, FinalAnswer } from "../domain/Scan.ts"
import type { ModelError } from "./ModelError.ts"
import type { Repair } from "./Repair.ts"
import type { Usage } from "./Usage.ts"

export interface AnswerRequest {
  /** One of OfferedModels. */
  readonly model: string
  readonly classification: ClassificationResult
  /** The rule that the answer must follow. */
  readonly rule: DisposalRule
  /** The user's question; data to the model, never instructions. */
  readonly userInput: string
  /** The language of the answer, which the rule is in too. Default: Korean. */
  readonly language?: Language | undefined
  /** Where the user lives, in the user's words; data like the question. Default: not known. */
  readonly region?: string | null | undefined
  /** The former output could not be used; the model is told what was wrong (Repair). */
  readonly repair?: Repair | undefined
  /**
   * Called with the beginning of `user_answer` each time it has grown, never after the call has ended; must not throw. The
   * result is the same with and without it.
   */
  readonly onText?: ((textSoFar: string) => void) | undefined
}

export interface AnswerReply {
  /** `user_answer` is never empty; `disposal_steps` are numbered from 단계1 without a gap. */
  readonly answer: FinalAnswer
  readonly usage: Usage
}

export class AnswerModel extends Context.Service<
  AnswerModel,
  {
    /**
     * Writes one answer; one provider call, no retry inside. Interruption aborts the call.
     * - output that is not the JSON asked for: ModelOutputInvalid, never an answer
     * - a model that this worker does not serve: ModelNotServed, without a call
     */
    readonly answer: (request: AnswerRequest) => Effect.Effect<AnswerReply, ModelError>
  }
>()("@eco2/actors/model/AnswerModel") {}
