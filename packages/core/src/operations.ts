/** @eco2/core/operations: for operators: lists and changes dead letters, jobs, processes and limits. */
export * as AuditLog from "./operations/AuditLog.ts"
export * as DeadLetters from "./operations/DeadLetters.ts"
export * as Fleet from "./operations/Fleet.ts"
export * as JobList from "./operations/JobList.ts"
export * as LimitList from "./operations/LimitList.ts"
export * as Scrub from "./job/Scrub.ts"
export * as Unserved from "./mailbox/Unserved.ts"
export * as Operations from "./operations/Operations.ts"
