/**
 * Global setup: one Redis for all tests that need no server of their own (a UUID in the prefix separates their keys), and the
 * path of Chromium. Tests read both by `inject("redisUrl")`, `inject("chromiumPath")`.
 */
import type { TestProject } from "vitest/node"
import { start } from "../packages/core/src/server/RedisServer.ts"
import { chromium, find } from "../deploy/local/SystemProgram.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /** `redis://127.0.0.1:<port>`, shared by all test files, saves nothing. */
    redisUrl: string
    /** Absolute path; empty if there is none, and then browser tests are skipped. */
    chromiumPath: string
  }
}

export default async function setup(project: TestProject) {
  const redis = await start()
  project.provide("redisUrl", redis.url)
  project.provide("chromiumPath", find(chromium) ?? "")
  return () => redis.stop()
}
