/** @eco2/core/testing: the test kit: real servers, and proxies that inject faults. */
export * as FaultProxy from "./testing/FaultProxy.ts"
export * as PostgresServer from "./testing/PostgresServer.ts"
export * as RedisServer from "./server/RedisServer.ts"
