/**
 * Saving users' rewards: each is stored exactly once, in spite of repeats, bad messages and restarts of Postgres. `REWARDS` sets
 * the number of messages in the test with the restart.
 */
import { expect, it } from "@effect/vitest"
import { characterWorker, prepareDatabase } from "@eco2/actors/characters"
import { Mailbox } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Duration, Effect, Layer, Metric, Schema } from "effect"
import { OwnershipActor, UserCharacterActor } from "../../../packages/actors/src/character/RewardActors.ts"
import type { UserCharacter } from "../../../packages/actors/src/character/RewardStore.ts"
import { characters } from "../../../packages/actors/src/domain/Character.ts"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import * as Fleet from "../../core/CoreFixture.ts"
import { onServer, postgresLayer, quietly } from "../../core/postgres/PostgresFixture.ts"
import type { Database } from "../../core/postgres/PostgresFixture.ts"
import { size } from "../../harness/Long.ts"

const redis = Fleet.privateRedis()
const messages = size("REWARDS", { short: 300, long: 10_000 })

const Stored = Schema.Struct({ user_id: Schema.String, code: Schema.String, id: Schema.String })
const rowsOf = (database: Database, table: string, code: string) =>
  Postgres.Postgres.use((service) =>
    service.run(
      PostgresStatement.make({ name: "test", text: `SELECT user_id, ${code} AS code, id FROM ${table}`, row: Stored })
    )
  ).pipe(Effect.provide(postgresLayer(database)), Effect.orDie)
const ownershipsOf = (database: Database) => rowsOf(database, "character.character_ownerships", "character_code")
const userCharactersOf = (database: Database) => rowsOf(database, "users.user_characters", "code")

const earned = (userId: string, code: string): UserCharacter => {
  const { dialog, name, type } = characters.find((one) => one.code === code)!
  return { userId, characterId: CharacterId.ofCharacter(code), code, source: "scan", acquired: 0, name, type, dialog }
}
const tellBoth = (reward: UserCharacter) =>
  Effect.andThen(
    OwnershipActor.tell(reward.userId, "SaveOwnership", reward),
    UserCharacterActor.tell(reward.userId, "SaveUserCharacter", reward)
  )
const mailboxes = ["ownership", "user-character"] as const
/** Messages that wait, are in work, or are delayed. */
const openOf = (process: Fleet.Process<Fleet.Services>) =>
  Effect.gen(function* () {
    let open = 0
    for (const mailbox of mailboxes) open += yield* process.run(Fleet.depthOf(mailbox))
    const { partitions } = yield* process.run(Keyspace)
    for (const { timers } of partitions) open += Number(yield* process.send("ZCARD", timers))
    return open
  })

onServer("savers", (database) => {
  const saver = () => Fleet.working(redis.url, characterWorker.pipe(Layer.provide(postgresLayer(database()))))
  const prepare = Effect.suspend(() => Effect.provide(prepareDatabase, postgresLayer(database())))

  it.live("a reward is stored in both tables, with an id made of user and character", () =>
    Effect.gen(function* () {
      yield* prepare
      const patient = { shutdownGrace: Duration.seconds(30) }
      const process = yield* Fleet.working(
        redis.url,
        characterWorker.pipe(Layer.provide(postgresLayer(database()))),
        patient
      )
      yield* process.run(tellBoth(earned("ann", "char-petty")))
      const depths = process.run(Mailbox.Mailbox.use((service) => Effect.orDie(service.depths(mailboxes))))
      yield* Fleet.until(depths, (all) => all.every(({ entries, leased }) => entries === leased))
      // stopping handles at once what a batch is still waiting for
      yield* process.stop
      expect(yield* ownershipsOf(database())).toEqual([
        { user_id: "ann", code: "char-petty", id: CharacterId.ofOwnership("ann", "char-petty") }
      ])
      expect(yield* userCharactersOf(database())).toEqual([
        { user_id: "ann", code: "char-petty", id: CharacterId.ofUserCharacter("ann", "char-petty") }
      ])
    }).pipe(quietly)
  )

  it.live(
    `${messages} rewards, 30 % repeated, 1 % bad, and a restart of Postgres: each is stored once, the bad are dead letters`,
    () =>
      Effect.gen(function* () {
        yield* prepare
        const sender = yield* Fleet.joined(redis.url)
        const codes = characters.map(({ code }) => code)
        const distinct = Math.round(messages * 0.69)
        const poison = Math.round(messages * 0.01)
        const rewards = Array.from({ length: messages }, (_, i) => {
          if (i < poison) return earned(`poison ${i}\u0000`, codes[i % 13]!)
          const n = (i - poison) % distinct
          return earned(`user ${Math.floor(n / 13)}`, codes[n % 13]!)
        }).toSorted((a, b) =>
          CharacterId.ofOwnership(a.userId, a.code).localeCompare(CharacterId.ofOwnership(b.userId, b.code))
        )
        const half = rewards.length / 2
        const tellAll = (some: ReadonlyArray<UserCharacter>) =>
          Effect.forEach(some, (reward) => sender.run(tellBoth(reward)), { concurrency: 100, discard: true })
        yield* tellAll(rewards.slice(0, half))
        const savers = yield* Effect.all([saver(), saver()])
        yield* Fleet.until(ownershipsOf(database()), (rows) => rows.length > 0)
        yield* Effect.promise(() => database().server!.kill())
        // an unreadable message, sent while Postgres is down
        yield* sender.run(
          Mailbox.Mailbox.use((service) =>
            service.append("ann", { mailbox: "ownership", type: "SaveOwnership", body: "{}" })
          )
        )
        yield* tellAll(rewards.slice(half))
        yield* Effect.promise(() => database().server!.restart())
        yield* Effect.repeat(openOf(sender), { until: (open) => open === 0 }).pipe(Effect.timeout("5 minutes"))
        const wanted = new Set(
          rewards.filter(({ userId }) => !userId.startsWith("poison")).map(({ code, userId }) => `${userId} ${code}`)
        )
        expect(wanted.size).toBe(distinct)
        for (const rows of [yield* ownershipsOf(database()), yield* userCharactersOf(database())]) {
          expect(rows).toHaveLength(distinct)
          expect(new Set(rows.map(({ code, user_id }) => `${user_id} ${code}`))).toEqual(wanted)
        }
        for (const mailbox of mailboxes) {
          const letters = yield* Fleet.lettersOf(sender, mailbox)
          const causes = letters.map(({ cause }) => cause)
          expect(causes.filter((cause) => cause === "PostgresRefused")).toHaveLength(poison)
          expect(causes.filter((cause) => cause !== "PostgresRefused")).toEqual(
            mailbox === "ownership" ? ["MessageUnreadable"] : []
          )
        }
        yield* Effect.forEach(savers, ({ stop }) => stop)
      }).pipe(quietly),
    600_000
  )

  it.live("fifty rewards are stored by one INSERT at once, and a rest waits five seconds before the next", () =>
    Effect.gen(function* () {
      yield* prepare
      const inserts = Effect.map(
        Metric.value(Metric.withAttributes(Metrics.postgresSeconds, { statement: "ownership.save" })),
        ({ count }) => count
      )
      const before = yield* inserts
      const process = yield* saver()
      const since = performance.now()
      for (let i = 0; i < 51; i++)
        yield* process.run(OwnershipActor.tell(`user ${i}`, "SaveOwnership", earned(`user ${i}`, "char-petty")))
      const rows = Effect.map(ownershipsOf(database()), ({ length }) => length)
      expect(yield* Fleet.until(rows, (count) => count > 0)).toBe(50)
      expect((yield* inserts) - before).toBe(1)
      expect(yield* Fleet.until(rows, (count) => count > 50)).toBe(51)
      const took = performance.now() - since
      expect((yield* inserts) - before).toBe(2)
      // not a speed: the time that the code is meant to wait
      expect([took > 4_900, took < 9_000]).toEqual([true, true])
    }).pipe(quietly)
  )

  it.live("a database without its tables loses no message: they are stored once it has them", () =>
    Effect.gen(function* () {
      yield* prepare
      const process = yield* saver()
      const sql = (text: string) =>
        Postgres.Postgres.use((service) => service.script("test", text)).pipe(Effect.provide(postgresLayer(database())))
      yield* sql("ALTER TABLE character.character_ownerships RENAME TO away")
      for (let i = 0; i < 50; i++)
        yield* process.run(OwnershipActor.tell("ann", "SaveOwnership", earned(`user ${i}`, "char-petty")))
      yield* Fleet.until(process.run(Fleet.depthOf("ownership")), (depth) => depth === 0)
      expect(yield* Fleet.lettersOf(process, "ownership")).toEqual([])
      yield* sql("ALTER TABLE character.away RENAME TO character_ownerships")
      yield* Effect.repeat(ownershipsOf(database()), { until: (rows) => rows.length === 50 }).pipe(
        Effect.timeout("20 seconds")
      )
    }).pipe(quietly)
  )
})
