/**
 * A process that owns a LocalPostgres on the given folder, writes a row and then waits: LocalPostgres.test.ts starts and kills
 * it. It prints one line of JSON, `{pid}`, when the row is written.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Postgres } from "@eco2/core/postgres"
import { Console, Duration, Effect, Redacted } from "effect"
import * as LocalPostgres from "../../deploy/local/LocalPostgres.ts"

const [, , directory = ""] = process.argv
const program = Effect.gen(function* () {
  const database = yield* LocalPostgres.make({ directory })
  const url = Redacted.value(yield* database.url)
  yield* Postgres.Postgres.use((service) =>
    service.script("test", "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('of the first owner')")
  ).pipe(Effect.provide(Postgres.layerUrl(url, { pool: 1, timeout: Duration.seconds(10) })))
  yield* Console.log(JSON.stringify({ pid: database.pid() }))
  return yield* Effect.never
})
NodeRuntime.runMain(Effect.scoped(program), { disableErrorReporting: true })
