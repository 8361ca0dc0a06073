/**
 * Characters with every role in its own process: a scan's reward is stored for the user, and workers that were frozen, or started
 * late, are up to date before they answer.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { CharacterAdmin, prepareDatabase } from "@eco2/actors/characters"
import { Client, CoreConfig, Replies, Topic } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { Duration, Effect, Layer, ManagedRuntime } from "effect"
import { CharacterActor } from "../../packages/actors/src/character/CharacterActor.ts"
import { characters } from "../../packages/actors/src/domain/Character.ts"
import { client, field, photo } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as Process from "../harness/Process.ts"
import type { Process as Running } from "../harness/Process.ts"
import * as System from "./System.ts"

const petty = characters.find(({ code }) => code === "char-petty")!

describe.skipIf(!PostgresServer.isInstalled())("characters end to end", () => {
  let database: PostgresServer.PostgresServer
  let system: System.System
  let outside: ManagedRuntime.ManagedRuntime<
    Postgres.Postgres | Topic.Topics | Replies.Replies | Client.Client,
    unknown
  >
  const ask = (deadline: Duration.Input = "10 seconds") =>
    outside.runPromise(
      Effect.map(
        CharacterActor.ask("ann", "MatchCharacter", { middle: "무색페트병", minor: null }, { deadline }),
        ({ name }) => name
      )
    )
  /** An operator's changes to the catalogue. */
  const rename = (name: string) => outside.runPromise(CharacterAdmin.upsert({ ...petty, name }))

  beforeAll(async () => {
    database = await PostgresServer.start()
    system = await System.start({ DATABASE_URL: database.url(), DATABASE_POOL: "2" })
    outside = ManagedRuntime.make(
      Layer.merge(Client.layer, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) })).pipe(
        Layer.provideMerge(RedisClient.layerUrl(system.redis.url)),
        Layer.provide(CoreConfig.layerWith({}))
      )
    )
  })
  afterAll(async () => {
    await outside.dispose()
    await system.stop()
    await database.stop()
  })

  it.each(["character-match", "character-worker"] as const)(
    "%s without DATABASE_URL, or on a database without its tables, refuses to start with one line and code 1",
    async (role) => {
      for (const [url, said] of [
        ["", /DATABASE_URL is not set; allowed is postgres:/],
        [
          database.url(),
          /the database lacks character\/0001-characters, character\/0002-scan-of-a-reward, scan\/0001-kept-scans, scan\/0002-erasures, scan\/0003-feedback; run `eco2 migrate`/
        ]
      ] as const) {
        const process = Process.launch(role, { REDIS_URL: system.redis.url, DATABASE_URL: url })
        expect(await process.exited, process.output()).toEqual({ code: 1, signal: null })
        expect(process.logs.filter(({ level }) => level === "fatal").map(({ msg }) => msg)).toEqual([
          expect.stringMatching(said)
        ])
      }
    }
  )

  it("a scan's reward is shown among its user's characters", async () => {
    await outside.runPromise(prepareDatabase)
    const [gateway] = await Promise.all([
      system.start("gateway"),
      system.start("scan-worker"),
      system.start("character-match"),
      system.start("character-worker")
    ])
    const ann = client(gateway, "ann")
    const { body } = await ann.finished(await ann.accepted({ image_url: photo }))
    expect(field(field(body, "reward"), "name")).toBe("페티")
    const mine = await until(
      () => ann.get("/api/v1/users/me/characters/페티/ownership"),
      (answer) => field(answer.body, "owned") === true
    )
    expect(mine.status).toBe(200)
    expect((await ann.get("/api/v1/users/me/characters")).body).toEqual([
      expect.objectContaining({ code: "char-petty", name: "페티", dialog: petty.dialog })
    ])
  })

  it("a catalogue change reaches three workers, and one that was frozen or starts later has it before its first answer", async () => {
    const first = system.processes.filter((process) => process.logs.some(({ role }) => role === "character-match"))
    const more = await Promise.all([system.start("character-match"), system.start("character-match")])
    const three: ReadonlyArray<Running> = [...first, ...more]
    expect(three).toHaveLength(3)
    await ask()
    await rename("모두에게")
    // either of them answers
    const names = await Promise.all(Array.from({ length: 60 }, () => ask()))
    expect([...new Set(names)]).toEqual(["모두에게"])

    const [frozen, ...others] = three
    for (const other of others) await other.stop()
    for (let i = 0; i < 5; i++) {
      frozen!.signal("SIGSTOP")
      await rename(`얼었다 ${i}`)
      const answer = ask()
      frozen!.signal("SIGCONT")
      expect(await answer).toBe(`얼었다 ${i}`)
    }

    await frozen!.stop()
    await rename("늦었다")
    const answer = ask("60 seconds")
    await system.start("character-match")
    expect(await answer).toBe("늦었다")
  })
})
