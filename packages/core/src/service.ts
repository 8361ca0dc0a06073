/** @eco2/core/service: for processes that serve HTTP: the role around the app, probes and logging. */
export * as Health from "./service/Health.ts"
export * as Logging from "./service/Logging.ts"
export * as Role from "./service/Role.ts"
