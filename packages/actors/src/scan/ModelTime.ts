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

/** What a stage does beside its calls: it reads the photo and records the result. */
const beside = Duration.minutes(1)

export interface ModelTimes {
  /** MODEL_TIMEOUT: the longest time of one call. */
  readonly call: Duration.Duration
  /** The time-outs of the stages: as they are set, else long enough for their calls. */
  readonly vision: Duration.Duration
  readonly answer: Duration.Duration
}

/** Refused where a stage that calls models is set to end no later than its calls. */
export const ModelTime: Config.Config<ModelTimes> = Config.all({
  call: modelTimeout,
  chains: ModelChain.ModelChains,
  // zero: not set, which no setting can say
  set: Config.all(
    callers.map(({ stage }) => Stage.timeoutSetting(ScanPipeline.name, { name: stage.name, timeout: Duration.zero }))
  )
}).pipe(
  Config.mapEffect(({ call, chains, set }) => {
    const times: Array<Duration.Duration> = []
    for (const [at, { chain, stage, variable }] of callers.entries()) {
      const lengths = chains.offered.models.map(
        (requested) => ModelChain.of({ default: chains.default, models: chains[chain] }, requested).length
      )
      const calls = callsOfModel * Math.max(1, ...lengths)
      const longest = Duration.times(call, calls)
      const allowed = set[at]!
      if (Duration.isZero(allowed)) {
        times.push(Duration.max(stage.timeout, Duration.sum(longest, beside)))
        continue
      }
      if (!Duration.isGreaterThan(allowed, longest)) {
        const timeout = Stage.timeoutVariable(ScanPipeline.name, stage)
        const fewer = calls === callsOfModel ? "" : `, or shorten ${variable}`
        return Setting.refused(
          `${timeout} is ${Duration.format(allowed)}, and MODEL_TIMEOUT ${Duration.format(call)} for each of ${calls} calls: a call could outlive its stage, and be paid for nothing; raise the first, or lower the second${fewer}`
        )
      }
      times.push(allowed)
    }
    const [vision = call, answer = call] = times
    return Effect.succeed({ call, vision, answer })
  })
)
