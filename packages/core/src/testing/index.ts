/** The test kit: real servers to run against, and ways to break them. */
export * as FaultProxy from "./FaultProxy.ts"
export * as PostgresServer from "./PostgresServer.ts"
export * as RedisServer from "./RedisServer.ts"
