/**
 * @eco2/core: durable actors and pipelines on Redis Streams, for slow, costly, rate-limited work in several steps. Exports all
 * of client.ts and what workers need. Knows nothing of waste, characters or news.
 */
export * from "./client.ts"
export * as BatchBehavior from "./actor/BatchBehavior.ts"
export * as Behavior from "./actor/Behavior.ts"
export * as Jitter from "./clock/Jitter.ts"
export * as Worker from "./layers/Worker.ts"
export * as CircuitBreaker from "./limit/CircuitBreaker.ts"
export * as RateLimiter from "./limit/RateLimiter.ts"
export { Attempt } from "./mailbox/Attempt.ts"
export * as ImageMemory from "./pipeline/ImageMemory.ts"
export * as PaidCalls from "./pipeline/PaidCalls.ts"
export * as StageBehavior from "./pipeline/StageBehavior.ts"
export * as Schedule from "./schedule/Schedule.ts"
export { ScheduleLoop } from "./schedule/ScheduleLoop.ts"
export * as Timing from "./schedule/Timing.ts"
export { ActorSystem } from "./worker/ActorSystem.ts"
export * as Retry from "./worker/Retry.ts"
