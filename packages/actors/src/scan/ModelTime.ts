/**
 * ModelTime: how long a model call may take, and whether the stages leave it that time. A stage that ends before its call does
 * could never have a slow answer, and would pay for each. Read by every role that knows the scan, so that none starts on settings
 * that contradict each other.
 */
import { Setting, Stage } from "@eco2/core/client"
import { Config, Duration, Effect } from "effect"
import { modelTimeout } from "../model/ModelTimeout.ts"
import { ScanPipeline } from "./ScanPipeline.ts"

/** The stages that call models. */
const callers = [ScanPipeline.stages.vision, ScanPipeline.stages.answer] as const

/** MODEL_TIMEOUT; refused where a stage that calls models ends no later than its call. */
export const ModelTime: Config.Config<Duration.Duration> = Config.all({
  call: modelTimeout,
  stages: Config.all(callers.map((stage) => Stage.timeoutSetting(ScanPipeline.name, stage)))
}).pipe(
  Config.mapEffect(({ call, stages }) => {
    const tooShort = callers.findIndex((_, i) => Duration.isLessThanOrEqualTo(stages[i]!, call))
    if (tooShort === -1) return Effect.succeed(call)
    const variable = Stage.timeoutVariable(ScanPipeline.name, callers[tooShort]!)
    const [stage, allowed] = [stages[tooShort]!, call].map((time) => Duration.format(time))
    return Setting.refused(
      `${variable} is ${stage}, and MODEL_TIMEOUT ${allowed}: a call could outlive its stage, and be paid for nothing; raise the first, or lower the second`
    )
  })
)
