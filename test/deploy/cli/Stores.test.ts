/** The commands that a deployment's hooks run on the database and on Redis: their effects and their failures. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { runWith } from "./Operating.ts"

/** In the order in which they are applied. */
const migrations = [
  "character/0001-characters",
  "character/0002-scan-of-a-reward",
  "scan/0001-kept-scans",
  "scan/0002-erasures",
  "scan/0003-feedback",
  "news/0001-news-articles",
  "news/0002-article-keys",
  "news/0003-unkeyed-articles"
]

describe.skipIf(!PostgresServer.isInstalled())("commands on the stores", () => {
  let server: PostgresServer.PostgresServer
  let databases = 0
  let env: Readonly<Record<string, string>>
  beforeAll(async () => {
    server = await PostgresServer.start()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    env = { DATABASE_URL: await server.database(`hooks${databases++}`), REDIS_URL: inject("redisUrl") }
  })

  it("eco2 migrate applies missing migrations once, also when four run at once, and then has nothing to do", async () => {
    const eco2 = runWith(env)
    const all = await Promise.all(Array.from({ length: 4 }, () => eco2("migrate", "--json")))
    expect(all.map(({ code, err }) => [code, err])).toEqual(Array.from({ length: 4 }, () => [0, ""]))
    expect(all.flatMap(({ out }) => JSON.parse(out).applied as ReadonlyArray<string>).toSorted()).toEqual(
      migrations.toSorted()
    )
    expect(await eco2("migrate")).toEqual({ code: 0, out: "the database is up to date", err: "" })
  })

  it("eco2 characters warm-up tells workers the catalogue, and before a migrate fails with the command to run", async () => {
    const eco2 = runWith(env)
    const early = await eco2("characters", "warm-up")
    expect(early).toEqual({ code: 1, out: "", err: expect.stringContaining("run `eco2 migrate`") })
    expect(await eco2("migrate")).toEqual({
      code: 0,
      out: migrations.map((name) => `applied ${name}`).join("\n"),
      err: ""
    })
    expect(await eco2("characters", "warm-up")).toEqual({
      code: 0,
      out: "told every worker the 13 characters",
      err: ""
    })
    expect(JSON.parse((await eco2("characters", "warm-up", "--json")).out)).toEqual({ characters: 13 })
  })

  it.each([["migrate"], ["characters warm-up"]])(
    "eco2 %s ends with 2 for a missing or wrong setting and 5 for a store that does not answer, in one line each",
    async (command) => {
      const words = command.split(" ")
      const ran = (changes: Readonly<Record<string, string>>) => runWith({ ...env, ...changes })(...words)
      const nobody = `127.0.0.1:${await RedisServer.freePort()}`
      await runWith(env)("migrate")
      for (const [changes, code, said] of [
        [{ DATABASE_URL: "" }, 2, /^eco2: DATABASE_URL is not set/],
        [{ DATABASE_URL: "mysql://a:secret@b/c" }, 2, /^eco2: DATABASE_URL is not a Postgres URL/],
        [{ DATABASE_URL: `postgres://a:secret@${nobody}/c` }, 5, /^eco2: no answer from Postgres/],
        ...(words.length > 1 ? ([[{ REDIS_URL: `redis://${nobody}` }, 5, /^eco2: no answer from Redis/]] as const) : [])
      ] as const) {
        const { err, out, ...rest } = await ran(changes)
        expect({ ...rest, out }).toEqual({ code, out: "" })
        expect(err).toMatch(said)
        expect(err.split("\n")).toHaveLength(1)
        expect(err).not.toContain("secret")
      }
    }
  )
})
