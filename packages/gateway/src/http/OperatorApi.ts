/** OperatorApi: all operators' calls in one definition, from which the command line makes its client. */
import * as HttpApi from "effect/http-api/HttpApi"
import { BreakerOpsGroup } from "./BreakerOpsApi.ts"
import { ConsoleGroup } from "./ConsoleApi.ts"
import { ControlOpsGroup } from "./ControlOpsApi.ts"
import { FeedbackOpsGroup } from "./FeedbackOpsApi.ts"
import { LimitOpsGroup } from "./LimitOpsApi.ts"
import { NewsOpsGroup } from "./NewsOpsApi.ts"
import { OpsGroup } from "./OpsApi.ts"
import { PolicyOpsGroup } from "./PolicyOpsApi.ts"
import { RateOpsGroup } from "./RateOpsApi.ts"
import { ScheduleOpsGroup } from "./ScheduleOpsApi.ts"
import { TailOpsGroup } from "./TailOpsApi.ts"
import { TopicOpsGroup } from "./TopicOpsApi.ts"

export type { CallState, CancelQuery, JobState, JobSummary, SpentState } from "./OpsApi.ts"

export class OperatorApi extends HttpApi.make("eco2-operator")
  .add(OpsGroup)
  .add(ScheduleOpsGroup)
  .add(PolicyOpsGroup)
  .add(LimitOpsGroup)
  .add(ConsoleGroup)
  .add(ControlOpsGroup)
  .add(FeedbackOpsGroup)
  .add(BreakerOpsGroup)
  .add(TailOpsGroup)
  .add(TopicOpsGroup)
  .add(NewsOpsGroup)
  .add(RateOpsGroup) {}
