/** OperatorApi: all operators' calls in one definition, from which the command line makes its client. */
import { HttpApi } from "effect/http-api"
import { BreakerOpsGroup } from "./BreakerOpsApi.ts"
import { ConsoleGroup } from "./ConsoleApi.ts"
import { ControlOpsGroup } from "./ControlOpsApi.ts"
import { FeedbackOpsGroup } from "./FeedbackOpsApi.ts"
import { LimitOpsGroup } from "./LimitOpsApi.ts"
import { OpsGroup } from "./OpsApi.ts"
import { PolicyOpsGroup } from "./PolicyOpsApi.ts"
import { ScheduleOpsGroup } from "./ScheduleOpsApi.ts"

export { jobStates, mostLimit, openStates } from "./OpsApi.ts"
export type { CallState, CancelQuery, JobState, JobSummary, SpentState } from "./OpsApi.ts"

export class OperatorApi extends HttpApi.make("eco2-operator")
  .add(OpsGroup)
  .add(ScheduleOpsGroup)
  .add(PolicyOpsGroup)
  .add(LimitOpsGroup)
  .add(ConsoleGroup)
  .add(ControlOpsGroup)
  .add(FeedbackOpsGroup)
  .add(BreakerOpsGroup) {}
