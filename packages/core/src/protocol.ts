/**
 * @eco2/core/protocol: schemas and names alone, for what describes or calls an HTTP API. It loads no Redis driver, no HTTP and no
 * index of Effect, so a program that makes one call starts quickly; test/core/entryPoints.test.ts checks it. Neighbour: refusal.ts.
 */
export * as Job from "./job/Job.ts"
export { cursorPattern } from "./operations/JobWalk.ts"
export * as Policy from "./policy/Policy.ts"
export * as Setting from "./config/Setting.ts"
export * as VisibleText from "./telemetry/VisibleText.ts"
