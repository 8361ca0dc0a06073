/**
 * System: the roles as separate processes around one private Redis and one model server on loopback, as an operator would
 * run them. Everything it started is ended by `stop`.
 */
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import * as Process from "../harness/Process.ts"
import type { Process as Running, RoleName } from "../harness/Process.ts"

/** Anything in the logs that reads like this is a leak. */
export const apiKey = "sk-e2e-7f3a9c51d2"

export interface System {
  readonly redis: RedisServer.RedisServer
  /** A look at Redis from outside. */
  readonly outside: Redis
  readonly models: FakeModelServer
  /** A role with these settings beside the usual ones. */
  readonly start: (role: RoleName, env?: Readonly<Record<string, string>>) => Promise<Running>
  /** All that has been started, living or not. */
  readonly processes: ReadonlyArray<Running>
  readonly stop: () => Promise<void>
}

export const start = async (settings: Readonly<Record<string, string>> = {}): Promise<System> => {
  const redis = await RedisServer.start()
  const outside = new Redis(redis.url)
  const models = await FakeModelServer.start()
  const processes: Array<Running> = []
  const usual = {
    REDIS_URL: redis.url,
    AUTH_MODE: "header",
    OPENAI_MODELS: "gpt-5.2",
    OPENAI_API_KEY: apiKey,
    OPENAI_BASE_URL: `${models.url}/v1`,
    GEMINI_MODELS: "",
    SHUTDOWN_GRACE: "1 second",
    ...settings
  }
  return {
    redis,
    outside,
    models,
    processes,
    start: async (role, env = {}) => {
      const process = await Process.start(role, { ...usual, ...env })
      processes.push(process)
      return process
    },
    stop: async () => {
      await Promise.all(processes.map((process) => process.kill9()))
      outside.disconnect()
      await models.close()
      await redis.stop()
    }
  }
}
