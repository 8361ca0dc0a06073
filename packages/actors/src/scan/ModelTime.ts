/**
 * ModelTime: how long a model call may take, and whether the stages leave their calls that time: one call of each model of the
 * stage's chain, and one that repairs its output. A stage that ends before its calls do could never have a slow answer, and would
 * pay for each. Read by every role that knows the scan, so that none starts on settings that contradict each other.
 */
import { Setting, Stage } from "@eco2/core/client"
import { Config, Duration, Effect } from "effect"
import * as ModelChain from "../model/ModelChain.ts"
import { modelTimeout } from "../model/ModelTimeout.ts"
import { ScanPipeline } from "./ScanPipeline.ts"

/** The stages that call models, and the variables of their chains. */
const callers = [
  { stage: ScanPipeline.stages.vision, chain: "vision", variable: "SCAN_VISION_MODELS" },
  { stage: ScanPipeline.stages.answer, chain: "answer", variable: "SCAN_ANSWER_MODELS" }
] as const

/** A call, and its repair. */
const callsOfModel = 2

/** MODEL_TIMEOUT; refused where a stage that calls models ends no later than its calls. */
export const ModelTime: Config.Config<Duration.Duration> = Config.all({
  call: modelTimeout,
  chains: ModelChain.ModelChains,
  stages: Config.all(callers.map(({ stage }) => Stage.timeoutSetting(ScanPipeline.name, stage)))
}).pipe(
  Config.mapEffect(({ call, chains, stages }) => {
    for (const [at, { chain, stage, variable }] of callers.entries()) {
      const lengths = chains.offered.models.map(
        (requested) => ModelChain.of({ default: chains.default, models: chains[chain] }, requested).length
      )
      const calls = callsOfModel * Math.max(...lengths)
      const allowed = stages[at]!
      if (Duration.isGreaterThan(allowed, Duration.times(call, calls))) continue
      const timeout = Stage.timeoutVariable(ScanPipeline.name, stage)
      const fewer = calls === callsOfModel ? "" : `, or shorten ${variable}`
      return Setting.refused(
        `${timeout} is ${Duration.format(allowed)}, and MODEL_TIMEOUT ${Duration.format(call)} for each of ${calls} calls: a call could outlive its stage, and be paid for nothing; raise the first, or lower the second${fewer}`
      )
    }
    return Effect.succeed(call)
  })
)
