/**
 * @eco2/core/client: for programs that submit jobs, tell and ask actors, watch and wait. It loads no handler and nothing that reads a
 * mailbox.
 */
export * as Actor from "./actor/Actor.ts"
export * as Replies from "./actor/Replies.ts"
export * as Elapsed from "./clock/Elapsed.ts"
export { CoreConfig } from "./config/CoreConfig.ts"
export * as Setting from "./config/Setting.ts"
export * as EventLog from "./job/EventLog.ts"
export * as Job from "./job/Job.ts"
export * as JobEnds from "./job/JobEnds.ts"
export * as JobEvent from "./job/JobEvent.ts"
export * as JobStore from "./job/JobStore.ts"
export * as UuidV5 from "./job/UuidV5.ts"
export * as Client from "./layers/Client.ts"
export * as Limit from "./limit/Limit.ts"
export * as Mailbox from "./mailbox/Mailbox.ts"
export * as Pipeline from "./pipeline/Pipeline.ts"
export * as Stage from "./pipeline/Stage.ts"
export * as Policies from "./policy/Policies.ts"
export * as RedisError from "./redis/RedisError.ts"
export * as Schedules from "./schedule/Schedules.ts"
export * as Topic from "./topic/Topic.ts"
