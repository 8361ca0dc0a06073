/**
 * Global setup of project `cluster`: one Cluster of three masters for each worker, because making one takes a second or two, and
 * the tests of a file often less. `VITEST_POOL_ID` numbers the workers from 1; core/CoreFixture empties a Cluster for each file.
 */
import type { TestProject } from "vitest/node"
import { Effect, Exit, Scope } from "effect"
import * as RedisCluster from "./core/RedisCluster.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /** In project `cluster`, one for each worker: a process's REDIS_URL, and each master's own address. */
    clusters: ReadonlyArray<{ readonly url: string; readonly masters: ReadonlyArray<string> }> | undefined
  }
}

export default async function setup(project: TestProject) {
  const scope = Scope.makeUnsafe()
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const workers = Array.from({ length: project.config.maxWorkers })
  const all = Effect.forEach(workers, () => RedisCluster.start(), { concurrency: "unbounded" })
  try {
    const clusters = await Effect.runPromise(Scope.provide(all, scope))
    project.provide(
      "clusters",
      clusters.map(({ servers, url }) => ({ url, masters: servers.map((server) => server.url) }))
    )
  } catch (failure) {
    await stop()
    throw failure
  }
  return stop
}
