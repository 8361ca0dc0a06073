/** What clients read about characters, and how rewards are stored: the same on PGlite and on PostgreSQL. */
import { describe, expect, it } from "@effect/vitest"
import { Characters } from "@eco2/actors/protocol"
import { characters, prepareDatabase } from "@eco2/actors/characters"
import { Postgres } from "@eco2/core/postgres"
import { Effect, Layer } from "effect"
import { characters as catalogue } from "../../../packages/actors/src/domain/Character.ts"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import * as CharacterStore from "../../../packages/actors/src/character/CharacterStore.ts"
import * as RewardStore from "../../../packages/actors/src/character/RewardStore.ts"
import { onBoth, onServer, postgresLayer, quietly } from "../../core/postgres/PostgresFixture.ts"
import type { Database } from "../../core/postgres/PostgresFixture.ts"

const noon = Date.UTC(2026, 0, 1, 12)
const earned = (
  userId: string,
  code: string,
  changes: Partial<RewardStore.UserCharacter> = {}
): RewardStore.UserCharacter => ({
  userId,
  characterId: CharacterId.ofCharacter(code),
  code,
  source: "scan",
  acquired: noon,
  name: `name of ${code}`,
  type: "type",
  dialog: "dialog",
  ...changes
})
const ofUser = (userId: string, mayGrant = true) =>
  Characters.Characters.use((service) => service.ofUser(userId, Effect.succeed(mayGrant)))
const owns = (userId: string, name: string) => Characters.Characters.use((service) => service.owns(userId, name))

/** A process's own connections, on a prepared database. */
const prepared =
  (database: () => Database) =>
  <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres | Characters.Characters>) =>
    Effect.andThen(prepareDatabase, effect).pipe(
      Effect.provide(Layer.provideMerge(characters, postgresLayer(database()))),
      quietly
    )

onBoth("characters", (database) => {
  const provided = prepared(database)

  it.live("a fresh database has the thirteen characters, with the same ids everywhere", () =>
    Effect.gen(function* () {
      const stored = yield* CharacterStore.list
      const wanted = catalogue.map((character) => ({ ...character, id: CharacterId.ofCharacter(character.code) }))
      const byCode = <A extends { readonly code: string }>(all: ReadonlyArray<A>) =>
        all.toSorted((a, b) => a.code.localeCompare(b.code))
      expect(byCode(stored)).toEqual(byCode(wanted))
      expect(stored).toHaveLength(13)
    }).pipe(provided)
  )

  it.live("a character that an operator changed or deleted is not restored by the next preparation", () =>
    Effect.gen(function* () {
      yield* CharacterStore.upsert({ ...catalogue[0]!, name: "새 이름" })
      expect(yield* CharacterStore.remove("char-eco")).toBe(CharacterId.ofCharacter("char-eco"))
      expect(yield* CharacterStore.remove("char-eco")).toBeNull()
      yield* prepareDatabase
      const stored = yield* CharacterStore.list
      expect(stored).toHaveLength(12)
      expect(stored.find(({ code }) => code === catalogue[0]!.code)?.name).toBe("새 이름")
    }).pipe(provided)
  )

  it.live("the catalogue shows name, type, dialog and category of each character", () =>
    Effect.gen(function* () {
      const all = yield* Characters.Characters.use((service) => service.catalogue("ko"))
      expect(all).toHaveLength(13)
      expect(all).toContainEqual(expect.objectContaining({ name: "페티", type: "페트병", match: "무색페트병" }))
      expect(all).toContainEqual(expect.objectContaining({ name: "이코", match: null }))
      expect(Object.keys(all[0]!).toSorted()).toEqual(["dialog", "match", "name", "type"])
      const inEnglish = yield* Characters.Characters.use((service) => service.catalogue("en"))
      expect(inEnglish).toContainEqual(
        expect.objectContaining({
          name: "페티",
          type: "PET bottle",
          match: "무색페트병",
          match_display: expect.stringMatching(/PET/i),
          dialog: expect.stringMatching(/^Without/)
        })
      )
    }).pipe(provided)
  )

  it.live("a user without a character is given 이코 once, in both tables", () =>
    Effect.gen(function* () {
      const [first] = yield* Effect.all([ofUser("ann"), ofUser("ann"), ofUser("ann")], { concurrency: "unbounded" })
      expect(first).toHaveLength(1)
      expect(first![0]).toMatchObject({
        // the character's, by which clients find it in the catalogue; not the row's
        id: CharacterId.ofCharacter("char-eco"),
        code: "char-eco",
        name: "이코",
        acquired_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      })
      expect(yield* ofUser("ann")).toEqual(first)
      // the ownership is there too: saving it again stores nothing
      expect(yield* RewardStore.saveOwnerships([earned("ann", "char-eco")])).toEqual([])
      expect(yield* owns("ann", "이코")).toBe(true)
      expect(yield* owns("ann", "페티")).toBe(false)
    }).pipe(provided)
  )

  it.live("a user whose character is on its way has none meanwhile, and no 이코 afterwards", () =>
    Effect.gen(function* () {
      expect(yield* ofUser("dora", false)).toEqual([])
      expect(yield* owns("dora", "이코")).toBe(false)
      yield* RewardStore.saveUserCharacters([earned("dora", "char-petty", { name: "페티" })])
      expect((yield* ofUser("dora")).map(({ name }) => name)).toEqual(["페티"])
    }).pipe(provided)
  )

  it.live("a user's earned characters are shown in order of earning, without 이코", () =>
    Effect.gen(function* () {
      yield* RewardStore.saveUserCharacters([
        earned("bob", "char-petty", { acquired: noon + 1_000, name: "페티" }),
        earned("bob", "char-bini", { acquired: noon, name: "비니" })
      ])
      const held = yield* ofUser("bob")
      expect(held.map(({ name }) => name)).toEqual(["비니", "페티"])
      expect(held[0]?.acquired_at).toBe("2026-01-01T12:00:00.000Z")
      expect(yield* owns("bob", "페티")).toBe(true)
      expect(yield* owns("bob", "  페티".normalize("NFD"))).toBe(true)
      expect(yield* owns("bob", "이코")).toBe(false)
      expect(yield* owns("carol", "페티")).toBe(false)
    }).pipe(provided)
  )

  it.live("a renamed character is owned by its old name and its new one", () =>
    Effect.gen(function* () {
      yield* RewardStore.saveUserCharacters([earned("bob", "char-petty", { name: "페티" })])
      yield* CharacterStore.upsert({ ...catalogue.find(({ code }) => code === "char-petty")!, name: "투명이" })
      expect(yield* owns("bob", "페티")).toBe(true)
      expect(yield* owns("bob", "투명이")).toBe(true)
    }).pipe(provided)
  )

  it.live("a character whose name is stored in parts (NFD) is owned by its name in either form", () =>
    Effect.gen(function* () {
      yield* RewardStore.saveUserCharacters([earned("bob", "char-petty", { name: "페티".normalize("NFD") })])
      yield* CharacterStore.upsert({
        ...catalogue.find(({ code }) => code === "char-petty")!,
        name: "투명이".normalize("NFD")
      })
      for (const name of ["페티", "투명이"]) {
        for (const form of ["NFC", "NFD"] as const) expect(yield* owns("bob", name.normalize(form))).toBe(true)
      }
    }).pipe(provided)
  )

  it.live("a batch stores each key once, also one that it holds twice, and stores nothing when sent again", () =>
    Effect.gen(function* () {
      const batch = [earned("ann", "char-petty"), earned("ann", "char-petty"), earned("bob", "char-petty")]
      expect(yield* RewardStore.saveOwnerships(batch)).toHaveLength(2)
      expect(yield* RewardStore.saveOwnerships(batch)).toEqual([])
      expect(yield* RewardStore.saveUserCharacters(batch)).toHaveLength(2)
      expect(yield* RewardStore.saveUserCharacters(batch)).toEqual([])
    }).pipe(provided)
  )

  it.live("the latest name, type and dialog of a user's character stay, in whatever order they come", () =>
    Effect.gen(function* () {
      const at = (minutes: number, name: string) =>
        earned("ann", "char-petty", { acquired: noon + minutes * 60_000, name })
      yield* RewardStore.saveUserCharacters([at(2, "second"), at(1, "first")])
      yield* RewardStore.saveUserCharacters([at(0, "oldest")])
      expect((yield* ofUser("ann")).map(({ name }) => name)).toEqual(["second"])
      yield* RewardStore.saveUserCharacters([at(3, "third")])
      expect((yield* ofUser("ann")).map(({ name }) => name)).toEqual(["third"])
    }).pipe(provided)
  )

  it.live("the scan that first earned a character stays its first, in whatever order and batches rewards come", () =>
    Effect.gen(function* () {
      const at = (minutes: number) =>
        earned("ann", "char-petty", { acquired: noon + minutes * 60_000, name: "페티", scanId: `scan ${minutes}` })
      const first = Characters.Characters.use((service) => service.first("ann", "페티"))
      expect(yield* first).toBeNull()
      yield* RewardStore.saveUserCharacters([at(3), at(2)])
      expect(yield* first).toEqual({ scanId: "scan 2", acquired: noon + 120_000 })
      yield* RewardStore.saveUserCharacters([at(4)])
      yield* RewardStore.saveUserCharacters([at(1)])
      expect(yield* first).toEqual({ scanId: "scan 1", acquired: noon + 60_000 })
      expect((yield* ofUser("ann"))[0]?.acquired_at).toBe("2026-01-01T12:01:00.000Z")
      yield* RewardStore.saveUserCharacters([earned("ann", "char-bini", { name: "비니" })])
      expect(yield* Characters.Characters.use((service) => service.first("ann", "비니"))).toEqual({
        scanId: null,
        acquired: noon
      })
    }).pipe(provided)
  )

  it.live("a row that cannot be stored has its whole batch refused, and nothing of it is stored", () =>
    Effect.gen(function* () {
      const poison = earned("ann\u0000", "char-petty")
      const error = yield* Effect.flip(RewardStore.saveOwnerships([earned("ann", "char-petty"), poison]))
      expect(error._tag).toBe("PostgresRefused")
      expect(yield* RewardStore.saveOwnerships([earned("ann", "char-petty")])).toHaveLength(1)
    }).pipe(provided)
  )
})

onServer("rewards", (database) => {
  it.live("batches that overlap, at once and in any order, store each key once", () =>
    Effect.gen(function* () {
      const keys = Array.from({ length: 40 }, (_, i) => earned(`user ${i}`, "char-petty"))
      const turned = (by: number) => [...keys.slice(by), ...keys.slice(0, by)]
      const done = yield* Effect.all(
        Array.from({ length: 8 }, (_, i) => RewardStore.saveUserCharacters(turned(i * 5))),
        { concurrency: "unbounded" }
      )
      expect(done.flat()).toHaveLength(40)
    }).pipe(prepared(database))
  )
})

describe("CharacterId", () => {
  it("a character's id is the UUIDv5 in the DNS namespace that other systems compute", () => {
    // python: uuid.uuid5(uuid.NAMESPACE_DNS, "ownership:ann:char-eco")
    expect(CharacterId.ofOwnership("ann", "char-eco")).toBe("715433e7-8dfd-5d4c-9589-0c3aee4f82f7")
  })
})
