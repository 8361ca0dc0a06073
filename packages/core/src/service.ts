/** @eco2/core/service: for processes that serve HTTP: the role around the app, probes, logging, what all HTTP answers share. */
export * as CorsOrigins from "./service/CorsOrigins.ts"
export * as ErrorBody from "./service/ErrorBody.ts"
export * as Health from "./service/Health.ts"
export * as Logging from "./service/Logging.ts"
export * as PagePolicy from "./service/PagePolicy.ts"
export * as Refusal from "./service/Refusal.ts"
export * as Role from "./service/Role.ts"
