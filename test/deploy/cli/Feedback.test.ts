/** `eco2 feedback`: what users called wrong, on a real gateway and database. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { characters, prepareDatabase } from "@eco2/actors/characters"
import { Feedback } from "@eco2/actors/protocol"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Duration, Effect, Layer } from "effect"
import { simulatedOnly, start } from "../../gateway/Serving.ts"
import type { Serving } from "../../gateway/Serving.ts"
import { runWith } from "./Operating.ts"
import type { Said } from "./Operating.ts"

const secret = "only operators know this"

describe.skipIf(!PostgresServer.isInstalled())("eco2 feedback", () => {
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  let gateway: Serving
  let eco2: (...words: ReadonlyArray<string>) => Promise<Said>

  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    gateway = await start("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      REDIS_URL: redis.url,
      DATABASE_URL: database.url(),
      INTERNAL_SECRET: secret
    })
    eco2 = runWith({ ECO2_URL: gateway.address, INTERNAL_SECRET: secret })
  })
  afterAll(async () => {
    await gateway.stop()
    await Promise.all([redis.stop(), database.stop()])
  })

  it("eco2 feedback lists what users called wrong, the newest first, and says when there are older ones", async () => {
    const given = (n: number) =>
      Feedback.Feedback.use((feedback) =>
        feedback.give({
          jobId: `00000000-0000-4000-8000-00000000000${n}`,
          userId: "ann",
          at: Date.now() - 60_000 * (3 - n),
          language: "ko",
          found: { major_category: "재활용폐기물", middle_category: "종이", minor_category: "신문지" },
          model: "gpt-5.2",
          category: "종이팩",
          comment: `우유팩 ${n}`
        })
      )
    expect(await eco2("feedback")).toMatchObject({ code: 5 })
    await Effect.runPromise(
      Effect.andThen(prepareDatabase, Effect.andThen(given(1), given(2))).pipe(
        Effect.provide(
          Layer.provideMerge(characters, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
        )
      )
    )
    const shown = await eco2("feedback")
    expect(shown).toMatchObject({ code: 0, err: "" })
    expect(shown.out).toMatch(/우유팩 2[\s\S]*우유팩 1/)
    expect(shown.out).not.toContain("ann")
    const one = await eco2("feedback", "--limit", "1", "--json")
    expect(JSON.parse(one.out).feedback).toMatchObject([{ category: "종이팩", middle_category: "종이" }])
    expect(one.err).toContain("older")
  })
})
