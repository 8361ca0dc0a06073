/** Operations: the services for operators together: dead letters, processes, jobs, rate limits, breakers, topics, rates, runs, what they did. */
import { Layer } from "effect"
import type { CoreConfig } from "../config/CoreConfig.ts"
import type { JobStore } from "../job/JobStore.ts"
import type { Keyspace } from "../redis/Keyspace.ts"
import type { RedisClient } from "../redis/RedisClient.ts"
import { layer as auditLogLayer } from "./AuditLog.ts"
import type { AuditLog } from "./AuditLog.ts"
import { layer as breakerListLayer } from "./BreakerList.ts"
import type { BreakerList } from "./BreakerList.ts"
import { layer as deadLettersLayer } from "./DeadLetters.ts"
import type { DeadLetters } from "./DeadLetters.ts"
import { layer as fleetLayer } from "./Fleet.ts"
import type { Fleet } from "./Fleet.ts"
import { layer as jobListLayer } from "./JobList.ts"
import type { JobList } from "./JobList.ts"
import { layer as limitListLayer } from "./LimitList.ts"
import type { LimitList } from "./LimitList.ts"
import { layer as runListLayer } from "./RunList.ts"
import type { RunList } from "./RunList.ts"
import { layer as stageRatesLayer } from "./StageRates.ts"
import type { StageRates } from "./StageRates.ts"
import { layer as topicListLayer } from "./TopicList.ts"
import type { TopicList } from "./TopicList.ts"

export const layer: Layer.Layer<
  AuditLog | BreakerList | DeadLetters | Fleet | JobList | LimitList | RunList | StageRates | TopicList,
  never,
  RedisClient | Keyspace | JobStore | CoreConfig
> = Layer.mergeAll(
  auditLogLayer,
  breakerListLayer,
  deadLettersLayer,
  fleetLayer,
  Layer.provideMerge(Layer.merge(runListLayer, stageRatesLayer), jobListLayer),
  limitListLayer,
  topicListLayer
)
