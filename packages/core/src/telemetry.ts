/** @eco2/core/telemetry: for observing a process: metrics, spans, readiness, supervised loops. */
export { Readiness } from "./supervision/Readiness.ts"
export * as Supervisor from "./supervision/Supervisor.ts"
export * as CauseText from "./telemetry/CauseText.ts"
export * as OutageLog from "./telemetry/OutageLog.ts"
export { Gauges } from "./telemetry/Gauges.ts"
export * as Metrics from "./telemetry/Metrics.ts"
export * as VisibleText from "./telemetry/VisibleText.ts"
export * as Tracing from "./telemetry/Tracing.ts"
