/** @eco2/core/server: stores as child processes, for a system that starts its own. */
export * as PostgresPrograms from "./server/PostgresPrograms.ts"
export * as RedisServer from "./server/RedisServer.ts"
