/** Migrations: numbered files, each applied once, however many begin together and however they are broken off. */
import { describe, expect, it } from "@effect/vitest"
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Effect, Fiber, Schema } from "effect"
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { onTestFinished } from "vitest"
import { until } from "../Until.ts"
import { onBoth, onServer, postgresLayer, proxied, quietly } from "./PostgresFixture.ts"
import type { Database } from "./PostgresFixture.ts"

const file = (number: number, name: string, sql: string): Migrations.Migration => ({
  part: "test",
  number,
  name,
  sql,
  checksum: createHash("sha256").update(sql).digest("hex")
})
// the second would fail, or count twice, if it were applied twice
const first = file(1, "table", "CREATE SCHEMA test; CREATE TABLE test.log (n integer);")
const second = file(2, "row", "INSERT INTO test.log VALUES (2);")
const third = file(3, "another", "INSERT INTO test.log VALUES (3);")

const logged = PostgresStatement.make({
  name: "test.log",
  text: "SELECT n FROM test.log ORDER BY n",
  row: Schema.Struct({ n: Schema.Int })
})
const entries = Effect.map(
  Postgres.Postgres.use((service) => service.run(logged)),
  (rows) => rows.map(({ n }) => n)
)
/** A process of its own: its connections are shared with nobody. */
const process =
  (database: Database) =>
  <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres>) =>
    Effect.provide(effect, postgresLayer(database)).pipe(quietly)

onBoth("migrations", (database) => {
  const provided = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres>) =>
    Effect.provide(effect, postgresLayer(database())).pipe(quietly)

  it.live("migrations are applied in order, once: a second run applies none, a later one only the new", () =>
    Effect.gen(function* () {
      expect(yield* Migrations.apply([first, second])).toEqual(["test/0001-table", "test/0002-row"])
      expect(yield* Migrations.apply([first, second])).toEqual([])
      expect(yield* Migrations.apply([first, second, third])).toEqual(["test/0003-another"])
      expect(yield* entries).toEqual([2, 3])
    }).pipe(provided)
  )

  it.live("migrations started by six processes at once are applied once in all", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 5; round++) {
        const many = Array.from({ length: 6 }, () => process(database())(Migrations.apply([first, second, third])))
        const done = yield* Effect.all(many, { concurrency: "unbounded" })
        expect(done.flat().toSorted()).toEqual(["test/0001-table", "test/0002-row", "test/0003-another"])
        expect(yield* entries).toEqual([2, 3])
        yield* Postgres.Postgres.use((service) =>
          service.script("test", "DROP SCHEMA eco2 CASCADE; DROP SCHEMA test CASCADE;")
        )
      }
    }).pipe(provided)
  )

  it.live("a migration that fails leaves nothing behind, keeps those before it, and is applied once mended", () =>
    Effect.gen(function* () {
      const broken = file(2, "row", "INSERT INTO test.log VALUES (2); INSERT INTO test.nowhere VALUES (1);")
      const error = yield* Effect.flip(Migrations.apply([first, broken]))
      expect(error).toMatchObject({ _tag: "MigrationFailed", migration: "test/0002-row" })
      expect(yield* entries).toEqual([])
      expect(yield* Migrations.apply([first, second])).toEqual(["test/0002-row"])
      expect(yield* entries).toEqual([2])
    }).pipe(provided)
  )

  it.live("a migration changed after it was applied is refused, and none is applied", () =>
    Effect.gen(function* () {
      yield* Migrations.apply([first, second])
      const changed = file(2, "row", "INSERT INTO test.log VALUES (20);")
      const error = yield* Effect.flip(Migrations.apply([first, changed, third]))
      expect(error).toMatchObject({ _tag: "MigrationChanged", migration: "test/0002-row" })
      expect(yield* Effect.flip(Migrations.check([first, changed]))).toMatchObject({ _tag: "MigrationChanged" })
      expect(yield* entries).toEqual([2])
    }).pipe(provided)
  )

  it.live("an older version starts although a newer one has applied more migrations", () =>
    Effect.gen(function* () {
      yield* Migrations.apply([first, second, third])
      expect(yield* Migrations.apply([first, second])).toEqual([])
      yield* Migrations.check([first, second])
    }).pipe(provided)
  )

  it.live("a check names the missing migrations and changes nothing", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(Migrations.check([first, second]))
      expect(missing.message).toBe("the database lacks test/0001-table, test/0002-row; run `eco2 migrate`")
      yield* Migrations.apply([first])
      expect((yield* Effect.flip(Migrations.check([first, second]))).message).toContain("lacks test/0002-row;")
      yield* Migrations.apply([first, second])
      yield* Migrations.check([first, second])
    }).pipe(provided)
  )
})

onServer("migrations", (database) => {
  const active = PostgresStatement.make({
    name: "test.active",
    text: "SELECT count(*)::integer AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(0.2)%' AND pid <> pg_backend_pid()",
    row: Schema.Struct({ n: Schema.Int })
  })
  const activity = Effect.map(
    Postgres.Postgres.use((service) => service.run(active)),
    ([row]) => row?.n ?? 0
  )

  it.live("a migration whose answer was lost is looked up, and not applied twice", () =>
    Effect.gen(function* () {
      const { layer, proxy } = yield* proxied(database())
      const slow = file(2, "row", "INSERT INTO test.log VALUES (2); SELECT pg_sleep(0.2);")
      const applying = yield* Effect.forkChild(Effect.provide(Migrations.apply([first, slow, third]), layer))
      yield* until(activity, (n) => n === 1)
      proxy.mute()
      yield* until(activity, (n) => n === 0)
      // committed, and nobody was told
      proxy.cut()
      proxy.heal()
      expect(yield* Fiber.join(applying)).toEqual(["test/0003-another"])
      expect(yield* entries).toEqual([2, 3])
    }).pipe(Effect.scoped, Effect.provide(postgresLayer(database())), quietly)
  )
})

describe("migration files", () => {
  const folder = (files: Readonly<Record<string, string>>) => {
    const directory = mkdtempSync(join(tmpdir(), "eco2-migrations-"))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
    return pathToFileURL(`${directory}/`)
  }

  it("migration files are read in order of number, with a checksum that ignores line ends", () => {
    const read = Migrations.read("test", folder({ "0002-b.sql": "SELECT 2;\r\n", "0001-a.sql": "SELECT 1;\n" }))
    expect(read.map(({ name, number }) => [number, name])).toEqual([
      [1, "a"],
      [2, "b"]
    ])
    expect(read[1]?.checksum).toBe(file(2, "b", "SELECT 2;\n").checksum)
  })

  it.each([
    ["a number is missing", { "0001-a.sql": "", "0003-c.sql": "" }, /expected migration 2, found 0003-c.sql/],
    ["a number is there twice", { "0001-a.sql": "", "0001-b.sql": "" }, /expected migration 2, found 0001-b.sql/],
    ["a file is named otherwise", { "0001-A b.sql": "" }, /expected migration 1/],
    ["a file ends the transaction", { "0001-a.sql": "SELECT 1; COMMIT;" }, /ends a transaction/]
  ])("migrations where %s are refused", (_, files, said) => {
    expect(() => Migrations.read("test", folder(files))).toThrow(said)
  })
})
