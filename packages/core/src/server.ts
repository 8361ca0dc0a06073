/** @eco2/core/server: servers as child processes, for a system that brings its own stores. */
export * as PostgresPrograms from "./server/PostgresPrograms.ts"
export * as RedisServer from "./server/RedisServer.ts"
