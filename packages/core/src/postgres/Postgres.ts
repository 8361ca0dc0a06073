/**
 * Postgres: a bounded pool of connections, and statements run on it. Transient failures are tried again for two seconds
 * and then typed as such (isTransient); callers who can wait longer wait durably. Nothing here waits without end: for a
 * connection, for an answer, or in a queue without bound.
 * The only import of the driver, beside PostgresError, which reads its errors. Neighbours: Statement, Migrations.
 */
import { Context, Duration, Effect, Layer, Metric, Redacted, Schedule, Semaphore } from "effect"
import type { Config, Scope } from "effect"
import postgres from "postgres"
import * as OutageLog from "../telemetry/OutageLog.ts"
import { postgresErrors, postgresSeconds } from "../telemetry/Metrics.ts"
import * as PostgresConfig from "./PostgresConfig.ts"
import type { Limits } from "./PostgresConfig.ts"
import { isSilence, isTransient, ofDriver, PostgresBusy, PostgresUnavailable } from "./PostgresError.ts"
import type { PostgresError } from "./PostgresError.ts"
import type { Parameter, Statement } from "./Statement.ts"

export class Postgres extends Context.Service<
  Postgres,
  {
    /** Runs one statement, by itself a transaction; its rows, decoded. May run it twice (Statement). */
    readonly run: <Row>(
      statement: Statement<Row>,
      parameters?: ReadonlyArray<Parameter>
    ) => Effect.Effect<ReadonlyArray<Row>, PostgresError>
    /**
     * Runs several statements as one transaction, on a connection of its own, within five minutes. Sent once: after
     * PostgresUnavailable the caller has to look what became of it. `text` must not begin or end transactions.
     */
    readonly script: (name: string, text: string) => Effect.Effect<void, PostgresError>
    /** Null while Postgres answers; else what is wrong. Does no I/O. */
    readonly trouble: () => string | null
  }
>()("@eco2/core/postgres/Postgres") {}

const connectMillis = 5_000
/** What an answer may take on its way beyond what the server allows the statement. */
const slackMillis = 2_000
const scriptMillis = 300_000
const lookEvery = "2 seconds"
/** Statements that may wait, for each connection. */
const mostWaiting = 100

/** 50, 100, … 800 ms, jittered: what a restart of a connection takes, not of a server. */
const patience = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

const open = (url: Redacted.Redacted, options: { readonly max: number; readonly timeoutMillis: number }) =>
  postgres(Redacted.value(url), {
    max: options.max,
    connect_timeout: connectMillis / 1000,
    idle_timeout: 60,
    max_lifetime: 3_600,
    keep_alive: 10,
    // how long to wait is decided here, once (patience)
    backoff: () => 0,
    // arrays travel as JSON: nothing has to be asked of the catalogue
    fetch_types: false,
    onnotice: () => undefined,
    connection: {
      application_name: "eco2",
      statement_timeout: options.timeoutMillis,
      idle_in_transaction_session_timeout: options.timeoutMillis
    }
  })
type Sql = ReturnType<typeof open>

/** What is still under way is broken off after `seconds`. A socket whose peer is gone may take longer; nobody waits for it. */
const close = (sql: Sql, seconds: number) => Effect.promise(() => sql.end({ timeout: seconds }))

/**
 * - `url`: where it is; may take its time to come about (an embedded server that starts), up to five seconds a call
 * - `limits.pool`: connections; one for a server that has one session
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly url: Effect.Effect<Redacted.Redacted, PostgresUnavailable>
  readonly limits: Limits
}): Effect.fn.Return<Postgres["Service"], never, Scope.Scope> {
  const { pool } = options.limits
  const timeoutMillis = Duration.toMillis(options.limits.timeout)
  const answerMillis = connectMillis + timeoutMillis + slackMillis
  const permits = yield* Semaphore.make(pool)
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const outage = OutageLog.make("postgres does not answer", "postgres answers again")
  let current: Sql | undefined
  let waiting = 0
  let trouble: string | null = null
  yield* Effect.addFinalizer(() => (current === undefined ? Effect.void : close(current, 1)))

  const silent = (statement: string, millis: number) =>
    new PostgresUnavailable({ statement, cause: new Error(`no answer within ${millis / 1000} s`) })
  const urlOf = (statement: string) =>
    Effect.timeoutOrElse(options.url, {
      duration: connectMillis,
      orElse: () => Effect.fail(new PostgresUnavailable({ statement, cause: new Error("the database is starting") }))
    })

  /** A connection that falls silent says nothing for the others: all are made anew, what they hold is tried again. */
  const renew = (sql: Sql) =>
    Effect.sync(() => {
      if (current !== sql) return
      current = undefined
      fork(close(sql, 0))
    })

  const ask = (sql: Sql, statement: string, text: string, parameters: ReadonlyArray<Parameter>) =>
    Effect.callback<unknown, PostgresError>((resume) => {
      sql.unsafe(text, [...parameters], { prepare: true }).then(
        (rows) => resume(Effect.succeed([...rows])),
        (cause: unknown) => resume(Effect.fail(ofDriver(statement, cause)))
      )
    })

  const attempt = (url: Redacted.Redacted, statement: string, text: string, parameters: ReadonlyArray<Parameter>) =>
    Effect.gen(function* () {
      const sql = (current ??= open(url, { max: pool, timeoutMillis }))
      const since = performance.now()
      const rows = yield* ask(sql, statement, text, parameters).pipe(
        Effect.timeoutOrElse({
          duration: answerMillis,
          orElse: () => Effect.andThen(renew(sql), Effect.fail(silent(statement, answerMillis)))
        }),
        Effect.tapError((error) => (isSilence(error) ? renew(sql) : Effect.void))
      )
      yield* Metric.update(Metric.withAttributes(postgresSeconds, { statement }), (performance.now() - since) / 1000)
      return rows
    })

  /** In its turn: as many at once as there are connections, and a bounded number waiting for a bounded time. */
  const inTurn = <A>(statement: string, work: Effect.Effect<A, PostgresError>): Effect.Effect<A, PostgresError> =>
    Effect.suspend(() => {
      const busy = (reason: string) => new PostgresBusy({ statement, code: "NO_CONNECTION", reason })
      if (waiting >= mostWaiting * pool) return Effect.fail(busy(`${waiting} statements wait for a connection`))
      waiting++
      return Semaphore.withPermit(permits, work).pipe(
        Effect.timeoutOrElse({
          duration: 2 * answerMillis,
          orElse: () => Effect.fail(busy("no connection became free"))
        }),
        Effect.ensuring(Effect.sync(() => waiting--))
      )
    })

  const noted = <A>(work: Effect.Effect<A, PostgresError>) =>
    work.pipe(
      Effect.tap(() => {
        trouble = null
        return outage.over
      }),
      Effect.tapError((error) => {
        const reason = "code" in error ? error.code : error._tag
        const counted = Metric.update(Metric.withAttributes(postgresErrors, { reason }), 1)
        if (error._tag !== "PostgresUnavailable") return counted
        trouble = error.message
        return Effect.andThen(Effect.andThen(counted, outage.failed(error)), lookAgain)
      })
    )
  let looking = false
  /** Trouble is over when Postgres answers, asked or not: nobody may have anything to ask it for hours. */
  const lookAgain: Effect.Effect<void> = Effect.suspend(() => {
    if (looking) return Effect.void
    looking = true
    const look = Effect.flatMap(options.url, (url) =>
      noted(inTurn("postgres.look", attempt(url, "postgres.look", "SELECT 1", [])))
    )
    return look.pipe(
      Effect.delay(lookEvery),
      Effect.retry(Schedule.forever),
      Effect.ensuring(
        Effect.sync(() => {
          looking = false
        })
      ),
      Effect.forkIn(scope),
      Effect.asVoid
    )
  })

  return Postgres.of({
    run: (statement, parameters = []) =>
      Effect.flatMap(urlOf(statement.name), (url) =>
        noted(inTurn(statement.name, attempt(url, statement.name, statement.text, parameters)))
      ).pipe(Effect.retry({ schedule: patience, while: isTransient }), Effect.flatMap(statement.decode)),
    script: (name, text) =>
      Effect.flatMap(urlOf(name), (url) =>
        noted(
          Effect.acquireUseRelease(
            Effect.sync(() => open(url, { max: 1, timeoutMillis: scriptMillis })),
            (sql) =>
              Effect.callback<void, PostgresError>((resume) => {
                sql.unsafe(text).then(
                  () => resume(Effect.void),
                  (cause: unknown) => resume(Effect.fail(ofDriver(name, cause)))
                )
              }).pipe(
                Effect.timeoutOrElse({
                  duration: scriptMillis + connectMillis + slackMillis,
                  orElse: () => Effect.fail(silent(name, scriptMillis))
                })
              ),
            (sql) => close(sql, 1)
          )
        )
      ),
    trouble: () => trouble
  })
})

/** From DATABASE_URL; a process without it does not start. */
export const layer: Layer.Layer<Postgres, Config.ConfigError> = Layer.effect(
  Postgres,
  Effect.gen(function* () {
    const url = yield* PostgresConfig.requiredUrl
    return yield* make({ url: Effect.succeed(url), limits: yield* PostgresConfig.limits })
  })
)

/** From a URL already known: tests, and programs that bring their own server. */
export const layerUrl = (url: string, limits: Limits): Layer.Layer<Postgres> =>
  Layer.effect(Postgres, make({ url: Effect.succeed(Redacted.make(url)), limits }))

/** Where there is none: every call fails at once, as unavailable. */
export const absent: Postgres["Service"] = Postgres.of({
  run: ({ name }) =>
    Effect.fail(new PostgresUnavailable({ statement: name, cause: new Error("DATABASE_URL is not set") })),
  script: (name) =>
    Effect.fail(new PostgresUnavailable({ statement: name, cause: new Error("DATABASE_URL is not set") })),
  trouble: () => "DATABASE_URL is not set"
})

/** From DATABASE_URL where it is set, else `absent`: for processes that have other work to do. */
export const layerOptional: Layer.Layer<Postgres, Config.ConfigError> = Layer.unwrap(
  Effect.map(PostgresConfig.databaseUrl, (url) => (url._tag === "Some" ? layer : Layer.succeed(Postgres, absent)))
)
