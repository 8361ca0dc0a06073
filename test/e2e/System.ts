/**
 * System: the roles as separate processes around one private Redis and one model server on loopback, as an operator would run
 * them. Without a database, the actor for characters runs in the tests' own process, and rewards are not saved.
 * `stop` ends everything it started.
 */
import { characterMatch, fresh } from "@eco2/actors/characters"
import { CoreConfig, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { RedisServer } from "@eco2/core/testing"
import { Context, Layer, ManagedRuntime, References } from "effect"
import { Redis } from "ioredis"
import { FakeModelServer } from "../harness/FakeModelServer.ts"
import * as Process from "../harness/Process.ts"
import type { Process as Running, RoleName } from "../harness/Process.ts"

/** This text anywhere in the logs is a leak. */
export const apiKey = "sk-e2e-7f3a9c51d2"

export interface System {
  readonly redis: RedisServer.RedisServer
  /** A client of Redis from outside. */
  readonly outside: Redis
  readonly models: FakeModelServer
  /** Starts a role with these settings beside the usual ones. */
  readonly start: (
    role: RoleName,
    env?: Readonly<Record<string, string>>,
    from?: Process.Installation
  ) => Promise<Running>
  /** All processes that were started, running or not. */
  readonly processes: ReadonlyArray<Running>
  readonly stop: () => Promise<void>
}

/** Role `character-match` without a database: the built-in thirteen. */
const answering = (redisUrl: string) =>
  ManagedRuntime.make(
    characterMatch({ meanwhile: fresh }).pipe(
      Layer.provide(Worker.layer({ role: "character-match" })),
      Layer.provide([
        RedisClient.layerUrl(redisUrl),
        CoreConfig.layerWith({}),
        Layer.succeed(Postgres.Postgres, Postgres.absent)
      ]),
      Layer.provide(Layer.succeedContext(Context.make(References.MinimumLogLevel, "None"))),
      Layer.fresh
    )
  )

export const start = async (settings: Readonly<Record<string, string>> = {}): Promise<System> => {
  const redis = await RedisServer.start()
  const outside = new Redis(redis.url)
  const models = await FakeModelServer.start()
  const processes: Array<Running> = []
  const characters = settings.DATABASE_URL === undefined ? answering(redis.url) : undefined
  await characters?.context()
  const usual = {
    REDIS_URL: redis.url,
    AUTH_MODE: "header",
    OPENAI_MODELS: "gpt-5.2",
    OPENAI_API_KEY: apiKey,
    OPENAI_BASE_URL: `${models.url}/v1`,
    // the same photo is asked about again and again
    MODEL_REUSE: "off",
    GEMINI_MODELS: "",
    // the pictures' addresses in tests lead nowhere
    FETCH_IMAGES: "false",
    SHUTDOWN_GRACE: "1 second",
    ...settings
  }
  return {
    redis,
    outside,
    models,
    processes,
    start: async (role, env = {}, from) => {
      const process = await Process.start(role, { ...usual, ...env }, from)
      processes.push(process)
      return process
    },
    stop: async () => {
      await Promise.all(processes.map((process) => process.kill9()))
      await characters?.dispose()
      outside.disconnect()
      await models.close()
      await redis.stop()
    }
  }
}
