/** @eco2/core/service: for processes that serve HTTP: start and stop (Role), probes and logging. */
export * as Health from "./service/Health.ts"
export * as HttpPort from "./service/HttpPort.ts"
export * as Logging from "./service/Logging.ts"
export * as Role from "./service/Role.ts"
