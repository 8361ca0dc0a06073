/** Postgres: statements on a bounded pool; what goes wrong is typed by what the caller may do. */
import { describe, expect, it } from "@effect/vitest"
import { Postgres, PostgresConfig, PostgresError, PostgresStatement } from "@eco2/core/postgres"
import { ConfigProvider, Effect, Fiber, Layer, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { setTimeout as delay } from "node:timers/promises"
import { until } from "../Until.ts"
import { onBoth, onServer, proxied, quietly, postgresLayer } from "./PostgresFixture.ts"

const Numbered = Schema.Struct({ n: Schema.Int })
const statement = (text: string) => PostgresStatement.make({ name: "test", text, row: Numbered })
const run = (text: string, ...parameters: ReadonlyArray<PostgresStatement.Parameter>) =>
  Postgres.Postgres.use((service) => service.run(statement(text), parameters))
const script = (text: string) => Postgres.Postgres.use((service) => service.script("test", text))

const schema =
  "CREATE SCHEMA test; CREATE TABLE test.t (n integer CONSTRAINT once PRIMARY KEY CONSTRAINT small CHECK (n < 100));"

onBoth("Postgres", (database) => {
  const provided = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres>) =>
    Effect.provide(effect, postgresLayer(database())).pipe(quietly)

  it.live("a statement runs with its parameters, and its rows are decoded", () =>
    Effect.gen(function* () {
      expect(yield* run("SELECT $1::integer + 1 AS n", 41)).toEqual([{ n: 42 }])
      expect(yield* run("SELECT 7 AS n")).toEqual([{ n: 7 }])
      // once more: prepared by now
      expect(yield* run("SELECT $1::integer + 1 AS n", 1)).toEqual([{ n: 2 }])
    }).pipe(provided)
  )

  it.live("many rows are passed as one JSON text, so that a batch is one statement", () =>
    Effect.gen(function* () {
      yield* script(schema)
      const insert =
        "INSERT INTO test.t SELECT n FROM jsonb_to_recordset($1::text::jsonb) AS row(n integer) ON CONFLICT DO NOTHING RETURNING n"
      const rows = JSON.stringify([{ n: 1 }, { n: 2 }, { n: 1 }])
      expect(yield* run(insert, rows)).toEqual([{ n: 1 }, { n: 2 }])
      expect(yield* run(insert, rows)).toEqual([])
    }).pipe(provided)
  )

  it.live("a violated constraint is a PostgresRefused with its name, not transient, and the next statement runs", () =>
    Effect.gen(function* () {
      yield* script(schema)
      yield* run("INSERT INTO test.t VALUES (1) RETURNING n")
      const twice = yield* Effect.flip(run("INSERT INTO test.t VALUES (1) RETURNING n"))
      expect(twice).toMatchObject({ _tag: "PostgresRefused", code: "23505", constraint: "once" })
      expect(PostgresError.isTransient(twice)).toBe(false)
      const large = yield* Effect.flip(run("INSERT INTO test.t VALUES (100) RETURNING n"))
      expect(large).toMatchObject({ _tag: "PostgresRefused", code: "23514", constraint: "small" })
      const missing = yield* Effect.flip(run("SELECT n FROM test.nowhere"))
      expect(missing).toMatchObject({ _tag: "PostgresRefused", code: "42P01" })
      expect(yield* run("SELECT n FROM test.t")).toEqual([{ n: 1 }])
    }).pipe(provided)
  )

  it.live("a row of another shape fails as unreadable and is not returned", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("SELECT 'seven' AS n"))
      expect(error).toMatchObject({ _tag: "PostgresRowInvalid", statement: "test" })
    }).pipe(provided)
  )

  it.live("a script is one transaction: a failure leaves nothing, and no connection in a failed state", () =>
    Effect.gen(function* () {
      yield* script(schema)
      const error = yield* Effect.flip(script("INSERT INTO test.t VALUES (1); INSERT INTO test.t VALUES (1);"))
      expect(error).toMatchObject({ _tag: "PostgresRefused", constraint: "once" })
      expect(yield* run("SELECT n FROM test.t")).toEqual([])
    }).pipe(provided)
  )

  it.live("a statement whose connection breaks is tried again over a new one", () =>
    Effect.gen(function* () {
      const { proxy, layer } = yield* proxied(database())
      yield* Effect.gen(function* () {
        expect(yield* run("SELECT 1 AS n")).toEqual([{ n: 1 }])
        proxy.cut()
        expect(yield* run("SELECT 2 AS n")).toEqual([{ n: 2 }])
        proxy.mute()
        const lost = yield* Effect.forkChild(run("SELECT 3 AS n"))
        yield* Effect.sleep("20 millis")
        proxy.cut()
        proxy.heal()
        expect(yield* Fiber.join(lost)).toEqual([{ n: 3 }])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, quietly)
  )

  it.live("Postgres away: statements fail as unavailable, trouble says so, and its return is noticed unasked", () =>
    Effect.gen(function* () {
      const { proxy, layer } = yield* proxied(database())
      yield* Effect.gen(function* () {
        const trouble = Postgres.Postgres.useSync((service) => service.trouble())
        proxy.refuse()
        const error = yield* Effect.flip(run("SELECT 1 AS n"))
        expect(error).toMatchObject({ _tag: "PostgresUnavailable", statement: "test" })
        expect(PostgresError.isTransient(error)).toBe(true)
        expect(yield* trouble).toMatch(/no answer from Postgres/)
        proxy.heal()
        expect(yield* run("SELECT 1 AS n")).toEqual([{ n: 1 }])
        expect(yield* trouble).toBeNull()
        proxy.refuse()
        yield* Effect.flip(run("SELECT 1 AS n"))
        proxy.heal()
        // though nobody asks for anything
        yield* until(trouble, (seen) => seen === null)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, quietly)
  )

  it.live("many statements at once use no more connections than the pool has", () =>
    Effect.gen(function* () {
      const { proxy, layer } = yield* proxied(database())
      yield* Effect.gen(function* () {
        const sums = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, i) => i),
          (i) =>
            Effect.tap(run("SELECT $1::integer AS n", i), () =>
              Effect.sync(() => expect(proxy.connections()).toBeLessThanOrEqual(database().pool))
            ),
          { concurrency: "unbounded" }
        )
        expect(sums.flat().map(({ n }) => n)).toEqual(Array.from({ length: 60 }, (_, i) => i))
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, quietly)
  )
})

onServer("Postgres", (database) => {
  it.live("a statement beyond those that may wait is refused at once as busy", () =>
    Effect.gen(function* () {
      const { layer, proxy } = yield* proxied({ ...database(), pool: 1 })
      yield* Effect.gen(function* () {
        yield* run("SELECT 1 AS n")
        proxy.hold()
        const waiting = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.forkChild(run("SELECT 1 AS n")))
        yield* Effect.yieldNow
        const error = yield* Effect.flip(run("SELECT 2 AS n"))
        expect(error).toMatchObject({ _tag: "PostgresBusy", code: "NO_CONNECTION" })
        proxy.heal()
        for (const fiber of waiting) expect(yield* Fiber.join(fiber)).toEqual([{ n: 1 }])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, quietly)
  )

  it.effect("a connection that is silent for 17 s is closed with its pool, and its statement runs on a new one", () =>
    Effect.gen(function* () {
      const { proxy, layer } = yield* proxied(database())
      yield* Effect.gen(function* () {
        expect(yield* run("SELECT 1 AS n")).toEqual([{ n: 1 }])
        proxy.hold()
        const waiting = yield* Effect.forkChild(run("SELECT 2 AS n"))
        yield* TestClock.adjust("16 seconds")
        expect(waiting.pollUnsafe()).toBeUndefined()
        yield* TestClock.adjust("1 second")
        // real time for the socket's end; the next try waits by the test's clock
        for (let i = 0; i < 1_000 && proxy.connections() > 0; i++) yield* Effect.promise(() => delay(5))
        expect(proxy.connections()).toBe(0)
        proxy.heal()
        for (let i = 0; i < 1_000 && waiting.pollUnsafe() === undefined; i++) {
          yield* TestClock.adjust("100 millis")
          yield* Effect.promise(() => delay(5))
        }
        expect(yield* Fiber.join(waiting)).toEqual([{ n: 2 }])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, quietly)
  )

  it.live("a statement that runs too long is ended by the server, and fails as busy with nothing done", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("SELECT 1 AS n FROM pg_sleep(5)"))
      expect(error).toMatchObject({ _tag: "PostgresBusy", code: "57014" })
      expect(PostgresError.isTransient(error)).toBe(true)
    }).pipe(Effect.provide(postgresLayer(database(), { timeout: "100 millis" })), quietly)
  )

  it.live("one of two statements in a deadlock is tried again, and both succeed", () =>
    Effect.gen(function* () {
      yield* script(`${schema} INSERT INTO test.t VALUES (1), (2);
        CREATE FUNCTION test.both(first integer, second integer) RETURNS integer LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM 1 FROM test.t WHERE n = first FOR UPDATE;
          PERFORM pg_sleep(0.1);
          PERFORM 1 FROM test.t WHERE n = second FOR UPDATE;
          RETURN first;
        END $$;`)
      yield* run("SELECT n FROM test.t")
      const both = yield* Effect.all([run("SELECT test.both(1, 2) AS n"), run("SELECT test.both(2, 1) AS n")], {
        concurrency: "unbounded"
      })
      expect(both).toEqual([[{ n: 1 }], [{ n: 2 }]])
    }).pipe(Effect.provide(postgresLayer(database())), quietly)
  )

  it.live("statements succeed again after the server was shut down and restarted", () =>
    Effect.gen(function* () {
      yield* script(schema)
      yield* run("INSERT INTO test.t VALUES (1) RETURNING n")
      yield* Effect.promise(() => database().server!.restart())
      expect(yield* run("SELECT n FROM test.t")).toEqual([{ n: 1 }])
      yield* Effect.promise(() => database().server!.kill())
      expect(yield* Effect.flip(run("SELECT n FROM test.t"))).toMatchObject({ _tag: "PostgresUnavailable" })
      yield* Effect.promise(() => database().server!.restart())
      expect(yield* run("SELECT n FROM test.t")).toEqual([{ n: 1 }])
    }).pipe(Effect.provide(postgresLayer(database())), quietly)
  )
})

describe("DATABASE_URL", () => {
  const under = (env: Record<string, string>) =>
    Layer.build(Postgres.layer).pipe(
      Effect.scoped,
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
    )

  it.effect("a required DATABASE_URL that is missing or not Postgres's stops the process, without repeating it", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(under({}))
      expect(missing.cause.message).toMatch(/^DATABASE_URL is not set; allowed is postgres:/)
      const wrong = yield* Effect.flip(under({ DATABASE_URL: "mysql://user:hunter2@host/db" }))
      expect(wrong.cause.message).toMatch(/^DATABASE_URL is not a Postgres URL/)
      expect(wrong.cause.message).not.toContain("hunter2")
    })
  )

  it.effect("DATABASE_PASSWORD is the password, unescaped, of a DATABASE_URL that has none", () =>
    Effect.gen(function* () {
      const password = "p@ss/w:rd %20?#+"
      const url = (env: Record<string, string>) =>
        Effect.provideService(
          PostgresConfig.requiredUrl,
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { DATABASE_PASSWORD: password, ...env } })
        ).pipe(Effect.map((found) => new URL(Redacted.value(found))))
      const found = yield* url({ DATABASE_URL: "postgres://eco%402@db:5433/eco2?sslmode=require" })
      // as the driver reads it
      expect(decodeURIComponent(found.password)).toBe(password)
      expect(`${found.username} ${found.host}${found.pathname}${found.search}`).toBe(
        "eco%402 db:5433/eco2?sslmode=require"
      )
      expect((yield* url({ DATABASE_URL: "postgres://eco2:own@db/eco2" })).password).toBe("own")
    })
  )

  it.effect("without an optional DATABASE_URL every statement fails at once as unavailable", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("SELECT 1 AS n"))
      expect(error.message).toContain("DATABASE_URL is not set")
    }).pipe(
      Effect.provide(Postgres.layerOptional),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} }))
    )
  )
})
