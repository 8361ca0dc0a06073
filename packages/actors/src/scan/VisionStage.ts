/** VisionStage: classifies the photo. Reads the submitted image, calls the vision model once, keeps to the taxonomy. */
import { Pipeline, StageBehavior } from "@eco2/core"
import { Effect, Layer } from "effect"
import { VisionModel } from "../model/VisionModel.ts"
import type { Image } from "../model/VisionModel.ts"
import * as ModelPatience from "./ModelPatience.ts"
import { ImageGone, modelRetry, saidBy } from "./ModelRetry.ts"
import { ScanPipeline } from "./ScanPipeline.ts"
import { ModelTime } from "./ModelTime.ts"
import type { ModelTimes } from "./ModelTime.ts"

const stage = ({ vision: timeout }: ModelTimes) =>
  StageBehavior.layer(
    ScanPipeline,
    "vision",
    Effect.gen(function* () {
      const model = yield* VisionModel
      const patience = yield* ModelPatience.modelPatience
      return Effect.fnUntraced(function* (
        { input }: Pipeline.Read<typeof ScanPipeline, "vision">,
        job: StageBehavior.StageJob
      ) {
        let image: Image
        if (input.image._tag === "Url") {
          image = input.image
        } else {
          const bytes = yield* job.image
          if (bytes === null) return yield* new ImageGone()
          image = { _tag: "Bytes", mimeType: input.image.mimeType, bytes }
        }
        const { classification, situationTags, usage } = yield* model
          .classify({
            model: input.model,
            image,
            userInput: input.userInput,
            language: input.language,
            region: input.region,
            owner: job.owner
          })
          .pipe(ModelPatience.within(patience, job.ageMillis))
        return {
          result: { classification, situation_tags: situationTags, meta: { user_input: input.userInput } },
          use: { provider: usage.provider, model: usage.model, simulated: usage.simulated }
        }
      })
    }),
    { retry: modelRetry, detail: saidBy, timeout }
  )

export const layer = Layer.unwrap(Effect.map(ModelTime, stage))
