/** What the driver leaves undone on a Cluster. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { setImmediate as turn } from "node:timers/promises"
import * as Connection from "../../../packages/core/src/redis/Connection.ts"
import * as RedisSettings from "../../../packages/core/src/redis/RedisSettings.ts"
import * as RedisUrl from "../../../packages/core/src/redis/RedisUrl.ts"

let redis: RedisServer.RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.stop())

it("a connection of a Cluster that closes while ASKING is on its way rejects nothing that nobody handles", async () => {
  const url = await Effect.runPromise(RedisUrl.parse(`redis+cluster://127.0.0.1:${redis.port}`))
  const cluster = Connection.connect(RedisSettings.ofUrl(url), { lazyConnect: true })
  const node = new Redis({ port: redis.port, lazyConnect: true })
  await node.connect()
  cluster.emit("+node", node)
  const unhandled: Array<unknown> = []
  const note = (reason: unknown) => void unhandled.push(reason)
  process.on("unhandledRejection", note)
  // as the driver does: the promise is dropped
  void node.asking()
  node.disconnect()
  await new Promise((resolve) => node.once("end", resolve))
  await turn()
  process.off("unhandledRejection", note)
  cluster.disconnect()
  expect(unhandled).toEqual([])
})
