/** The roles of this package as layers, for composition roots. */
import { Worker } from "@eco2/core"
import { Layer } from "effect"
import * as GuardedModels from "./model/GuardedModels.ts"
import * as Models from "./model/Models.ts"
import * as ServedModels from "./model/ServedModels.ts"
import * as Pictures from "./model/Pictures.ts"
import * as DisposalRules from "./rule/DisposalRules.ts"
import * as AnswerStage from "./scan/AnswerStage.ts"
import * as RewardStage from "./scan/RewardStage.ts"
import * as RuleStage from "./scan/RuleStage.ts"
import * as VisionStage from "./scan/VisionStage.ts"

/** The configured providers, with limits and breakers. */
const models = GuardedModels.layer.pipe(Layer.provide([Models.layer, Pictures.layer, Worker.limits]))

/** Role `scan-worker`: the four stages of a scan, by the configured model providers. */
export const scanWorker = Layer.mergeAll(VisionStage.layer, RuleStage.layer, AnswerStage.layer, RewardStage.layer).pipe(
  Layer.provide([models, DisposalRules.layer]),
  Layer.merge(ServedModels.announcing)
)
