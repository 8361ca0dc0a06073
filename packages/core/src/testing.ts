/** @eco2/core/testing: the test kit: real servers to run against, and ways to break them. */
export * as FaultProxy from "./testing/FaultProxy.ts"
export * as PostgresServer from "./testing/PostgresServer.ts"
export * as RedisServer from "./server/RedisServer.ts"
