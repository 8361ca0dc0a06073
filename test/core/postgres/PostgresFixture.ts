/**
 * PostgresFixture: runs the same tests on both databases: PGlite, which `npm start` embeds, and a PostgreSQL server. One of each
 * for a test file, emptied before each test. The server's tests are skipped if none is installed.
 */
import { afterAll, beforeAll, beforeEach, describe } from "@effect/vitest"
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { FaultProxy, PostgresServer } from "@eco2/core/testing"
import { Context, Duration, Effect, Exit, Layer, Redacted, References, Schema, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as LocalPostgres from "../../../deploy/local/LocalPostgres.ts"
import * as EmbeddedFolder from "../../harness/EmbeddedFolder.ts"

export interface Database {
  readonly url: string
  readonly port: number
  /** The number of connections that a process may have. */
  readonly pool: number
  /** Null for PGlite. */
  readonly server: PostgresServer.PostgresServer | null
}

const quiet = Layer.succeedContext(Context.make(References.MinimumLogLevel, "None"))
export const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A process's own connections; `url`: of a proxy instead of the database. */
export const postgresLayer = (
  database: Database,
  options: { readonly url?: string; readonly timeout?: Duration.Input } = {}
) =>
  Postgres.layerUrl(options.url ?? database.url, {
    pool: database.pool,
    timeout: Duration.fromInputUnsafe(options.timeout ?? "10 seconds")
  }).pipe(Layer.provide(quiet), Layer.fresh)

/** The database behind a proxy that the test disturbs. */
export const proxied = (database: Database) =>
  Effect.acquireRelease(
    Effect.promise(() => FaultProxy.start(database.port)),
    (proxy) => Effect.promise(() => proxy.close())
  ).pipe(
    Effect.map((proxy) => {
      const url = database.url.replace(`:${database.port}/`, `:${new URL(proxy.url).port}/`)
      return { proxy, layer: postgresLayer(database, { url }) }
    })
  )

const embedded = Effect.gen(function* () {
  const directory = mkdtempSync(join(tmpdir(), "eco2-pglite-"))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  )
  yield* Effect.promise(() => EmbeddedFolder.place(directory))
  const { url } = yield* LocalPostgres.make({ directory })
  const text = Redacted.value(yield* url)
  return { url: text, port: Number(new URL(text).port), pool: 1, server: null }
})
const real = Effect.acquireRelease(
  Effect.promise(() => PostgresServer.start()),
  (server) => Effect.promise(() => server.stop())
).pipe(Effect.map((server) => ({ url: server.url(), port: server.port, pool: 8, server })))

export const hasServer = PostgresServer.isInstalled()
const kinds = [
  ["PGlite", embedded, true],
  ["PostgreSQL", real, hasServer]
] as const

const schemas = PostgresStatement.make({
  name: "test.schemas",
  text: "SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')",
  row: Schema.Struct({ name: Schema.String })
})
/** Empties the database: every schema but the system's. */
const empty = Effect.gen(function* () {
  const service = yield* Postgres.Postgres
  const found = yield* service.run(schemas)
  if (found.length === 0) return
  yield* service.script("test.empty", found.map(({ name }) => `DROP SCHEMA "${name}" CASCADE;`).join("\n"))
})

/** The file's database of one kind: started before its tests, emptied before each, stopped afterwards. */
export const privateDatabase = (make: Effect.Effect<Database, unknown, Scope.Scope>) => {
  let database: Database | undefined
  const scope = Scope.makeUnsafe()
  const present = () => {
    if (database === undefined) throw new Error("the database is there only while tests run")
    return database
  }
  beforeAll(async () => {
    database = await Effect.runPromise(Effect.provide(Scope.provide(make, scope), quiet))
  }, 90_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  beforeEach(() => Effect.runPromise(Effect.provide(empty, postgresLayer(present()))))
  return present
}

/** Declares the tests once for each database. */
export const onBoth = (title: string, tests: (database: () => Database) => void) => {
  for (const [name, make, there] of kinds) {
    describe.skipIf(!there)(`${title}, on ${name}`, () => tests(privateDatabase(make)))
  }
}
/** Tests that need several sessions. */
export const onServer = (title: string, tests: (database: () => Database) => void) =>
  describe.skipIf(!hasServer)(`${title}, on PostgreSQL`, () => tests(privateDatabase(real)))
