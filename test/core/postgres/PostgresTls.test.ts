/** DATABASE_CA_FILE, DATABASE_CERT_FILE, DATABASE_KEY_FILE: PostgreSQL over TLS, verified, with a client certificate. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Postgres, PostgresConfig, PostgresStatement } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { ConfigProvider, Duration, Effect, Layer, Redacted, References, Schema } from "effect"
import { spawnSync } from "node:child_process"
import { chownSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../../harness/Certificates.ts"

type Environment = Readonly<Record<string, string>>
const under = (env: Environment) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
const quietly = Effect.provideService(References.MinimumLogLevel, "None")
const text = (sql: string) =>
  PostgresStatement.make({ name: "test", text: sql, row: Schema.Struct({ value: Schema.String }) })
const ask = (env: Environment, sql: string) =>
  Postgres.Postgres.use((postgres) => postgres.run(text(sql))).pipe(
    Effect.map(([row]) => row?.value),
    Effect.provide(Layer.fresh(Postgres.layer)),
    under(env),
    quietly
  )

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "eco2-postgres-tls-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(!Certificates.isInstalled() || !PostgresServer.isInstalled())("PostgreSQL over TLS", () => {
  let server: PostgresServer.PostgresServer
  let ours: Certificates.Authority
  const tell = (...statements: ReadonlyArray<string>) =>
    Effect.runPromise(
      Effect.forEach(statements, (sql) => Postgres.Postgres.use((postgres) => postgres.script("test", sql)), {
        discard: true
      }).pipe(
        Effect.provide(Layer.fresh(Postgres.layerUrl(server.url(), { pool: 1, timeout: Duration.seconds(10) }))),
        quietly
      )
    )
  beforeAll(async () => {
    server = await PostgresServer.start()
    ours = Certificates.authority(folder, "ours")
    const own = ours.certify("postgres", "IP:127.0.0.1")
    const place = await Effect.runPromise(
      ask({ DATABASE_URL: server.url() }, "SELECT current_setting('data_directory') AS value")
    )
    const put = (from: string, name: string) => {
      const to = join(place!, name)
      copyFileSync(from, to)
      const ids = ["-u", "-g"].map((flag) => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout))
      if (process.getuid?.() === 0) chownSync(to, ids[0]!, ids[1]!)
    }
    put(own.certificate, "server.crt")
    put(own.key, "server.key")
    put(ours.ca, "root.crt")
    await tell("ALTER SYSTEM SET ssl = on", "ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
    // connections without TLS, or without a certificate, are refused from the next start on
    const clients = "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n"
    writeFileSync(join(place!, "pg_hba.conf"), clients)
    await server.restart()
  })
  afterAll(() => server?.stop())

  it.live("connections with DATABASE_CA_FILE and a client certificate are over TLS, and the server is verified", () =>
    Effect.gen(function* () {
      const own = ours.certify("client", "DNS:client")
      const trusting = { DATABASE_URL: server.url(), DATABASE_CA_FILE: ours.ca }
      const whole = { ...trusting, DATABASE_CERT_FILE: own.certificate, DATABASE_KEY_FILE: own.key }
      const inUse = "SELECT ssl::text AS value FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
      expect(yield* ask(whole, inUse)).toBe("true")
      expect(yield* ask({ ...whole, DATABASE_URL: `${server.url()}?sslmode=require` }, inUse)).toBe("true")
      for (const env of [
        trusting,
        { DATABASE_URL: server.url() },
        { ...whole, DATABASE_CA_FILE: Certificates.authority(folder, "strangers").ca },
        // the certificate is of the address, not of this name
        { ...whole, DATABASE_URL: server.url().replace("127.0.0.1", "localhost") }
      ])
        expect((yield* Effect.flip(ask(env, inUse)))._tag).toMatch(/^Postgres/)
    })
  )
})

describe("files of TLS beside DATABASE_URL", () => {
  it.effect("a file that cannot be used, or contradicts sslmode, is refused by the name of its variable", () =>
    Effect.gen(function* () {
      const url = "postgres://eco2@db/eco2"
      for (const [env, said] of [
        [{ DATABASE_URL: url, DATABASE_CA_FILE: join(folder, "gone") }, /DATABASE_CA_FILE cannot be read: .*ENOENT/],
        [{ DATABASE_URL: url, DATABASE_CERT_FILE: "/dev/null" }, /DATABASE_CERT_FILE and DATABASE_KEY_FILE belong/],
        [{ DATABASE_URL: `${url}?sslmode=disable`, DATABASE_CA_FILE: "/dev/null" }, /DATABASE_URL has sslmode=disable/],
        [{ DATABASE_URL: `${url}?sslmode=prefer`, DATABASE_CA_FILE: "/dev/null" }, /DATABASE_URL has sslmode=prefer/]
      ] as const) {
        const refusal = yield* Effect.flip(under(env)(PostgresConfig.tls(Redacted.make(env.DATABASE_URL))))
        expect(String(refusal.cause)).toMatch(said)
      }
      expect(yield* under({})(PostgresConfig.tls(Redacted.make(url)))).toBe(null)
    })
  )
})
