/** `reward.received`: a result says that its character is new when it is, and never when it is not. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Duration, Effect } from "effect"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import * as RewardStore from "../../../packages/actors/src/character/RewardStore.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, field } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

describe.skipIf(!PostgresServer.isInstalled())("reward.received", () => {
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  let gateway: Serving
  let hand: HandWorker.HandWorker
  /** As the saver does. */
  const save = (userId: string, scanId: string | null, acquired: number) => {
    const row = {
      userId,
      characterId: CharacterId.ofCharacter("char-paepy"),
      code: "char-paepy",
      source: "scan",
      acquired,
      ...(scanId === null ? {} : { scanId }),
      // the reward of HandWorker
      name: "페이피",
      type: "종이",
      dialog: "안녕"
    }
    return Effect.runPromise(
      Effect.provide(
        RewardStore.saveUserCharacters([row]),
        Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) })
      )
    )
  }
  const done = async (user: Client) => {
    const id = await user.accepted()
    await hand.work(id)
    return id
  }
  const receivedOf = async (user: Client, id: string) =>
    field(field((await user.result(id)).body, "reward"), "received")
  /** In the event that ends the stream. */
  const told = async (user: Client, id: string) => {
    const text = await (await fetch(user.eventsUrl(id), { headers: user.headers })).text()
    const data: unknown = JSON.parse(
      /event: done\n(?:id: .*\n)?data: (.*)\n|data: (\{.*"stage":"done".*)/.exec(text)?.slice(1).find(Boolean) ?? "null"
    )
    return field(field(field(data, "result"), "reward"), "received")
  }

  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    await Effect.runPromise(
      Effect.provide(prepareDatabase, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
    )
    gateway = await start("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      REDIS_URL: redis.url,
      DATABASE_URL: database.url()
    })
    hand = await HandWorker.start(redis.url)
  })
  afterAll(async () => {
    await Promise.all([gateway.stop(), hand.stop()])
    await Promise.all([redis.stop(), database.stop()])
  })

  it("the first scan of a character is new and a later one is not, before and after the character is saved", async () => {
    const ann = client(gateway, "ann")
    const first = await done(ann)
    expect([await receivedOf(ann, first), await told(ann, first)]).toEqual([true, true])
    const second = await done(ann)
    const both = async () => [await receivedOf(ann, first), await receivedOf(ann, second), await told(ann, second)]
    expect(await both()).toEqual([true, false, false])
    await save("ann", first, Date.now())
    expect(await both()).toEqual([true, false, false])
    // another user's first is new
    const bob = client(gateway, "bob")
    expect(await receivedOf(bob, await done(bob))).toBe(true)
  })

  it("a character that was saved without its scan, by an earlier version, is new if it was not there when the scan began", async () => {
    const kim = client(gateway, "kim")
    await save("kim", null, Date.now() - 60_000)
    expect(await receivedOf(kim, await done(kim))).toBe(false)
    const lea = client(gateway, "lea")
    const id = await done(lea)
    await save("lea", null, Date.now() + 1_000)
    expect(await receivedOf(lea, id)).toBe(true)
  })

  it("while the database is away a result says nothing of whether its character is new", async () => {
    const ida = client(gateway, "ida")
    const id = await done(ida)
    await database.kill()
    const { body, status } = await ida.result(id)
    expect([status, field(field(body, "reward"), "name"), field(body, "status")]).toEqual([200, "페이피", "completed"])
    expect(Object.keys(field(body, "reward") as object)).not.toContain("received")
    await database.restart()
    expect(await receivedOf(ida, id)).toBe(true)
  })
})
