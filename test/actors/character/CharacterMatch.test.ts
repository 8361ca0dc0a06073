/** MatchCharacter: workers hold the catalogue in memory, and it is up to date when they answer. */
import { describe, expect, it } from "@effect/vitest"
import { CharacterAdmin, characterMatch, prepareDatabase } from "@eco2/actors/characters"
import { CoreConfig, Topic, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { Metrics } from "@eco2/core/telemetry"
import { Context, Deferred, Effect, Fiber, Layer, Metric } from "effect"
import type { Duration } from "effect"
import { CharacterActor } from "../../../packages/actors/src/character/CharacterActor.ts"
import { CharacterEvents } from "../../../packages/actors/src/character/CharacterEvents.ts"
import * as CharacterCatalog from "../../../packages/actors/src/character/CharacterCatalog.ts"
import type { CharacterEvent } from "../../../packages/actors/src/character/CharacterEvents.ts"
import * as CharacterStore from "../../../packages/actors/src/character/CharacterStore.ts"
import { characters, defaultCharacter } from "../../../packages/actors/src/domain/Character.ts"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import * as Fleet from "../../core/CoreFixture.ts"
import { onServer, postgresLayer, proxied, quietly } from "../../core/postgres/PostgresFixture.ts"

const redis = Fleet.privateRedis()
const petty = characters.find(({ code }) => code === "char-petty")!
const bottle = "무색페트병"

const ask = (middle: string, minor: string | null = null, deadline: Duration.Input = "10 seconds") =>
  CharacterActor.ask("ann", "MatchCharacter", { middle, minor }, { deadline })
const nameOf = (process: Fleet.Process<Fleet.Services>, middle = bottle) =>
  Effect.map(process.run(ask(middle)), ({ name }) => name)

onServer("character-match", (database) => {
  const worker = (postgres?: Layer.Layer<Postgres.Postgres>) =>
    Fleet.working(redis.url, characterMatch().pipe(Layer.provide(postgres ?? postgresLayer(database()))))
  /** An operator's process, which is not a worker. */
  const operate = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres | Topic.Topics>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const process = yield* Fleet.joined(redis.url)
        return yield* process.run(Effect.orDie(Effect.provide(effect, postgresLayer(database()))))
      })
    )
  const prepare = Effect.suspend(() => Effect.provide(prepareDatabase, postgresLayer(database())))

  it.live("a match is the character of the middle category, or else 이코", () =>
    Effect.gen(function* () {
      yield* prepare
      const process = yield* worker()
      expect(yield* process.run(ask(bottle, "음료수병"))).toEqual({
        id: CharacterId.ofCharacter("char-petty"),
        code: "char-petty",
        name: petty.name,
        type: petty.type,
        dialog: petty.dialog,
        match_reason: "무색페트병>음료수병"
      })
      expect(yield* process.run(ask("고무류"))).toMatchObject({ name: "이코", match_reason: "고무류" })
    }).pipe(quietly)
  )

  it.live("a change of the catalogue reaches every worker: each answer given after it follows it", () =>
    Effect.gen(function* () {
      yield* prepare
      const [process] = yield* Effect.all([worker(), worker(), worker()])
      /** Either of them answers. */
      const names = Effect.map(Effect.all(Array.from({ length: 24 }, () => nameOf(process))), (all) => new Set(all))
      expect([...(yield* names)]).toEqual(["페티"])
      yield* operate(CharacterAdmin.upsert({ ...petty, name: "투명이" }))
      expect([...(yield* names)]).toEqual(["투명이"])
      expect(yield* operate(CharacterAdmin.remove("char-petty"))).toBe(true)
      expect([...(yield* names)]).toEqual(["이코"])
      expect(yield* operate(CharacterAdmin.remove("char-petty"))).toBe(false)
    }).pipe(quietly)
  )

  it.live("a question of an emptied catalogue gets no character, not even 이코, until it is filled again", () =>
    Effect.gen(function* () {
      yield* prepare
      const process = yield* worker()
      for (const { code } of characters) yield* operate(CharacterAdmin.remove(code))
      expect((yield* Effect.exit(process.run(ask(bottle))))._tag).toBe("Failure")
      yield* operate(CharacterAdmin.upsert(petty))
      expect(yield* nameOf(process)).toBe("페티")
    }).pipe(quietly)
  )

  it.live(
    "a question that comes during a look waits for the next one: the look may be older than the change it asks after",
    () =>
      Effect.gen(function* () {
        yield* prepare
        const process = yield* Fleet.joined(redis.url)
        const looks: Array<Deferred.Deferred<void>> = []
        const real = yield* process.run(Topic.Topics)
        // the real topics, but each check ends when the test says so
        const topics = Topic.Topics.of({
          ...real,
          follow: (topic, handlers) =>
            Effect.map(real.follow(topic, handlers), (subscription) => ({
              ...subscription,
              caughtUp: Effect.suspend(() => {
                const look = Deferred.makeUnsafe<void>()
                looks.push(look)
                return Effect.andThen(Deferred.await(look), subscription.caughtUp)
              })
            }))
        })
        const context = yield* Layer.build(
          CharacterCatalog.layer({ meanwhile: null }).pipe(
            Layer.provide([Layer.succeed(Topic.Topics, topics), postgresLayer(database())])
          )
        )
        const match = Context.get(context, CharacterCatalog.CharacterCatalog).match(bottle, null)
        const asking = () => Effect.forkChild(match, { startImmediately: true })
        const counted = (most: number) =>
          Fleet.until(
            Effect.sync(() => looks.length),
            (count) => count === most
          )
        const first = yield* asking()
        yield* counted(1)
        const [second, third] = [yield* asking(), yield* asking()]
        yield* Deferred.succeed(looks[0]!, undefined)
        expect((yield* Fiber.join(first)).character.name).toBe("페티")
        // one more check, for both
        yield* counted(2)
        expect([second.pollUnsafe(), third.pollUnsafe()]).toEqual([undefined, undefined])
        yield* Deferred.succeed(looks[1]!, undefined)
        expect((yield* Fiber.join(second)).character.name).toBe("페티")
        expect((yield* Fiber.join(third)).character.name).toBe("페티")
        expect(looks).toHaveLength(2)
      }).pipe(quietly)
  )

  it.live("a worker that starts after a change is current before its first answer", () =>
    Effect.gen(function* () {
      yield* prepare
      yield* operate(CharacterAdmin.warmUp)
      yield* operate(CharacterAdmin.upsert({ ...petty, name: "투명이" }))
      expect(yield* nameOf(yield* worker())).toBe("투명이")
    }).pipe(quietly)
  )

  it.live("a warm-up makes every worker's catalogue equal to Postgres, also after changes made only there", () =>
    Effect.gen(function* () {
      yield* prepare
      const process = yield* worker()
      yield* operate(CharacterStore.remove("char-petty"))
      yield* operate(CharacterStore.upsert({ ...defaultCharacter, name: "새 이코" }))
      expect(yield* nameOf(process)).toBe("페티")
      expect(yield* operate(CharacterAdmin.warmUp)).toBe(12)
      expect(yield* nameOf(process)).toBe("새 이코")
    }).pipe(quietly)
  )

  it.live("workers take the catalogue from Postgres again after Redis lost its data, and get later changes", () =>
    Effect.gen(function* () {
      yield* prepare
      const process = yield* worker()
      yield* operate(CharacterAdmin.upsert({ ...petty, name: "첫째" }))
      expect(yield* nameOf(process)).toBe("첫째")
      yield* redis.flush
      yield* operate(CharacterAdmin.upsert({ ...petty, name: "둘째" }))
      // answers to asks from before the loss have nowhere to go
      const soon = Effect.map(process.run(ask(bottle, null, "1 second")), ({ name }) => name)
      yield* Fleet.until(
        Effect.orElseSucceed(soon, () => "no answer"),
        (name) => name === "둘째"
      )
    }).pipe(quietly)
  )

  it.live("a worker that starts while Postgres is away has the catalogue from Redis", () =>
    Effect.gen(function* () {
      yield* prepare
      yield* operate(CharacterAdmin.warmUp)
      yield* operate(CharacterAdmin.upsert({ ...petty, name: "투명이" }))
      const { layer, proxy } = yield* proxied(database())
      proxy.refuse()
      expect(yield* nameOf(yield* worker(layer))).toBe("투명이")
    }).pipe(quietly)
  )

  it.live("a worker with a catalogue for the meantime answers from it until it can read Postgres", () =>
    Effect.gen(function* () {
      yield* prepare
      const { layer, proxy } = yield* proxied(database())
      proxy.refuse()
      const meanwhile = characterMatch({ meanwhile: [{ ...petty, name: "임시" }] })
      const process = yield* Fleet.working(redis.url, meanwhile.pipe(Layer.provide(layer)))
      expect(yield* nameOf(process)).toBe("임시")
      // nothing was published: a load that failed, after six attempts, is repeated, and the catalogue is not empty meanwhile
      yield* Fleet.until(
        Metric.value(Metric.withAttributes(Metrics.postgresErrors, { reason: "PostgresUnavailable" })),
        ({ count }) => Number(count) >= 10
      )
      expect(yield* nameOf(process)).toBe("임시")
      proxy.heal()
      yield* Fleet.until(nameOf(process), (name) => name === "페티")
    }).pipe(quietly, Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("a character-match on a database without its tables does not start, and names the command to run", () =>
    Effect.gen(function* () {
      const role = characterMatch().pipe(
        Layer.provide(Worker.layer({ role: "test" })),
        Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({}), postgresLayer(database())])
      )
      const error = yield* Effect.flip(Effect.scoped(Layer.build(role)))
      expect(error.message).toContain("run `eco2 migrate`")
    }).pipe(quietly)
  )
})

describe("CharacterEvents", () => {
  it.live("character.cache's events set the catalogue, set one character or remove one, and its state follows", () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const stored = characters.map((character) => ({ ...character, id: CharacterId.ofCharacter(character.code) }))
      const publish = (event: CharacterEvent) => process.run(Topic.publish(CharacterEvents, event))
      yield* publish({ type: "full_refresh", characters: stored })
      yield* publish({ type: "delete", character_id: stored[0]!.id })
      yield* publish({ type: "upsert", character: { ...stored[1]!, name: "새 이름" } })
      const kept = yield* process.run(
        Effect.scoped(Effect.map(Topic.mirror(CharacterEvents), ({ state }) => [...state().values()]))
      )
      expect(kept).toHaveLength(12)
      expect(kept.find(({ code }) => code === stored[1]!.code)?.name).toBe("새 이름")
    }).pipe(quietly)
  )
})
