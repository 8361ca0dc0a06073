/** Operations: the services for operators together: dead letters, processes, jobs, rate limits, breakers, what they did. */
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

export const layer: Layer.Layer<
  AuditLog | BreakerList | DeadLetters | Fleet | JobList | LimitList,
  never,
  RedisClient | Keyspace | JobStore | CoreConfig
> = Layer.mergeAll(auditLogLayer, breakerListLayer, deadLettersLayer, fleetLayer, jobListLayer, limitListLayer)
