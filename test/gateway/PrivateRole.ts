/** PrivateRole: one role on a Redis of its own, for all tests of a file; started before them, stopped after them. */
import { afterAll, beforeAll } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { start } from "./Serving.ts"
import type { Environment, Serving } from "./Serving.ts"

export interface PrivateRole extends Serving {
  /** REDIS_URL of the role. */
  readonly redisUrl: string
}

/** Declares the hooks. What it returns can be read while tests run, not before. `env`: without REDIS_URL. */
export const privateRole = (role: Parameters<typeof start>[0], env: Environment): PrivateRole => {
  let redis: RedisServer.RedisServer | undefined
  let serving: Serving | undefined
  beforeAll(async () => {
    redis = await RedisServer.start()
    serving = await start(role, { ...env, REDIS_URL: redis.url })
  })
  afterAll(async () => {
    await serving?.stop()
    await redis?.stop()
  })
  const present = <A>(started: A | undefined): A => {
    if (started === undefined) throw new Error(`${role} is there only while tests run`)
    return started
  }
  return {
    get redisUrl() {
      return present(redis).url
    },
    get address() {
      return present(serving).address
    },
    get admin() {
      return present(serving).admin
    },
    get routes() {
      return present(serving).routes
    },
    get logs() {
      return present(serving).logs
    },
    stop: () => present(serving).stop()
  }
}
