/** How much a process of each role does at once by default; `<ACTOR>_CONCURRENCY` changes it. */
import { expect, it } from "@effect/vitest"
import { characterMatch, characterWorker } from "@eco2/actors/characters"
import { scanWorker } from "@eco2/actors/layers"
import { ActorSystem, CoreConfig, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { ConfigProvider, Effect, Layer } from "effect"
import { characters } from "../../packages/actors/src/domain/Character.ts"
import * as Fleet from "../core/CoreFixture.ts"
import { onServer, postgresLayer, quietly } from "../core/postgres/PostgresFixture.ts"
import { simulatedOnly } from "../gateway/Serving.ts"
import { prepareDatabase } from "@eco2/actors/characters"

const redis = Fleet.privateRedis()

/** What a process with this role serves, and in how many slots. */
const served = <E, R>(role: Layer.Layer<never, E, R>, env: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    Layer.build(
      role.pipe(
        Layer.provideMerge(Worker.layer({ role: "test" })),
        Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})]),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...simulatedOnly, ...env } }))),
        Layer.fresh
      )
    ).pipe(
      Effect.orDie,
      Effect.flatMap((context) => Effect.provideContext(ActorSystem, context))
    ),
    (system) => Object.fromEntries(system.mailboxes().map(({ concurrency, mailbox }) => [mailbox, concurrency]))
  ).pipe(Effect.scoped, quietly)

it.live("a scan-worker runs 100 of each stage at once, and as many as a setting says", () =>
  Effect.gen(function* () {
    const each = (concurrency: number) => ({
      "scan.vision": concurrency,
      "scan.rule": 100,
      "scan.answer": 100,
      "scan.reward": 100
    })
    expect(yield* served(scanWorker)).toEqual(each(100))
    expect(yield* served(scanWorker, { SCAN_VISION_CONCURRENCY: "7" })).toEqual(each(7))
  })
)

it.live("a character-match answers 16 asks at once", () =>
  Effect.gen(function* () {
    const absent = Layer.succeed(Postgres.Postgres, Postgres.absent)
    expect(yield* served(characterMatch({ meanwhile: characters }).pipe(Layer.provide(absent)))).toEqual({
      character: 16
    })
  })
)

onServer("a character-worker", (database) => {
  it.live("a character-worker holds 20 batches of 50 for each of its two actors", () =>
    Effect.gen(function* () {
      const postgres = postgresLayer(database())
      yield* Effect.provide(prepareDatabase, postgres)
      expect(yield* served(characterWorker.pipe(Layer.provide(postgres)))).toEqual({
        ownership: 1_000,
        "user-character": 1_000,
        history: 1_000
      })
    }).pipe(quietly)
  )
})
