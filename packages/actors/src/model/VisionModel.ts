/**
 * VisionModel: the port through which the vision stage asks what is on a photo.
 * Implemented by openai/, gemini/ and simulated/, routed by Models; all three run one contract suite.
 */
import { Context } from "effect"
import type { Effect } from "effect"
import type { Language } from "../domain/Language.ts"
import type { Classification } from "../domain/Scan.ts"
import type { ModelError } from "./ModelError.ts"
import type { Repair } from "./Repair.ts"
import type { Usage } from "./Usage.ts"

/** The photo: its address, or its bytes (`mimeType` as in `image/jpeg`). */
export type Image =
  | { readonly _tag: "Url"; readonly url: string }
  | { readonly _tag: "Bytes"; readonly mimeType: string; readonly bytes: Uint8Array }

export interface VisionRequest {
  /** One of OfferedModels. */
  readonly model: string
  readonly image: Image
  /** The user's question; data to the model, never instructions. */
  readonly userInput: string
  /** The language of the question. Default: Korean. */
  readonly language?: Language | undefined
  /** Where the user lives, in the user's words; data like the question. Default: not known. */
  readonly region?: string | null | undefined
  /** The owner of the picture, whose fetches at once are limited. Default: no owner in particular. */
  readonly owner?: string
  /** The former output could not be used; the model is told what was wrong (Repair). */
  readonly repair?: Repair | undefined
}

export interface VisionReply {
  /** Major and middle are the taxonomy's; a minor may be the model's own word (Waste.toTaxonomy). */
  readonly classification: Classification
  readonly situationTags: ReadonlyArray<string>
  readonly usage: Usage
}

export class VisionModel extends Context.Service<
  VisionModel,
  {
    /**
     * Classifies one photo; one provider call, no retry inside. Interruption aborts the call.
     * - a major category that does not exist: ModelOutputInvalid; so also a middle, which with `repair` is left out
     * - a model that this worker does not serve: ModelNotServed, without a call
     * - an image the provider cannot read: ImageUnusable; a picture that cannot be fetched now: PictureUnavailable, PicturesBusy
     */
    readonly classify: (request: VisionRequest) => Effect.Effect<VisionReply, ModelError>
  }
>()("@eco2/actors/model/VisionModel") {}
