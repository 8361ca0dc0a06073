/**
 * Postgres: runs statements on a bounded pool of connections. Transient failures are retried for two seconds and then returned
 * as such (isTransient); callers that can wait longer use durable timers. Every wait has a deadline (connection, answer), and
 * the queue is bounded.
 * Only this module and PostgresError, which reads the driver's errors, import the driver. Neighbours: Statement, Migrations.
 */
import { Context, Duration, Effect, Exit, Fiber, Layer, Metric, Option, Redacted, Schedule, Semaphore } from "effect"
import type { Config, Scope } from "effect"
import postgres from "postgres"
import type * as TlsFiles from "../config/TlsFiles.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import { postgresErrors, postgresSeconds, postgresUp } from "../telemetry/Metrics.ts"
import * as PostgresConfig from "./PostgresConfig.ts"
import type { Limits } from "./PostgresConfig.ts"
import { isSilence, isTransient, ofDriver, PostgresBusy, PostgresUnavailable } from "./PostgresError.ts"
import type { PostgresError } from "./PostgresError.ts"
import type { Parameter, Statement } from "./Statement.ts"

export class Postgres extends Context.Service<
  Postgres,
  {
    /** Runs one statement in its own transaction; returns its decoded rows. May run it twice (Statement). */
    readonly run: <Row>(
      statement: Statement<Row>,
      parameters?: ReadonlyArray<Parameter>
    ) => Effect.Effect<ReadonlyArray<Row>, PostgresError>
    /**
     * Runs several statements as one transaction, on a separate connection, within five minutes. Never retried: after
     * PostgresUnavailable the caller must check whether it took effect. `text` must not begin or end transactions.
     */
    readonly script: (name: string, text: string) => Effect.Effect<void, PostgresError>
    /** Null while Postgres answers; else what is wrong. Does no I/O. */
    readonly trouble: () => string | null
  }
>()("@eco2/core/postgres/Postgres") {}

const connectMillis = 5_000
/** Time for the answer's way, added to the server's statement time-out. */
const slackMillis = 2_000
const scriptMillis = 300_000
const lookEvery = "2 seconds"
/** How long a scrape waits for an answer; shorter than it waits for all gauges. */
const scrapeWithin = "1 second"
/** Statements that may wait for each connection. */
const mostWaiting = 100

/** Jittered backoff of 50, 100, … 800 ms: long enough to replace a connection, not to restart a server. */
const patience = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

interface Opening {
  readonly max: number
  readonly timeoutMillis: number
  readonly tls: TlsFiles.Options | null
}
const open = (url: Redacted.Redacted, options: Opening) =>
  postgres(Redacted.value(url), {
    // the driver copies the options at every connect, which reads the files again
    ...(options.tls === null ? {} : { ssl: options.tls }),
    max: options.max,
    connect_timeout: connectMillis / 1000,
    idle_timeout: 60,
    max_lifetime: 3_600,
    keep_alive: 10,
    // the backoff is decided here only (patience)
    backoff: () => 0,
    // arrays are sent as JSON, so the driver needs no types from the catalogue
    fetch_types: false,
    onnotice: () => undefined,
    connection: {
      application_name: "eco2",
      statement_timeout: options.timeoutMillis,
      idle_in_transaction_session_timeout: options.timeoutMillis
    }
  })
type Sql = ReturnType<typeof open>

/** Ends the connections; running statements are aborted after `seconds`. A socket whose peer is gone may take longer. */
const close = (sql: Sql, seconds: number) => Effect.promise(() => sql.end({ timeout: seconds }))

/**
 * - `url`: the server's URL; an embedded server may still be starting, each call waits up to five seconds for it
 * - `limits.pool`: connections; 1 for a server with a single session
 * - `tls`: files of TLS; by default the URL's `sslmode` decides
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly url: Effect.Effect<Redacted.Redacted, PostgresUnavailable>
  readonly limits: Limits
  readonly tls?: TlsFiles.Options | null
}): Effect.fn.Return<Postgres["Service"], never, Scope.Scope> {
  const { pool } = options.limits
  const tls = options.tls ?? null
  const timeoutMillis = Duration.toMillis(options.limits.timeout)
  const answerMillis = connectMillis + timeoutMillis + slackMillis
  const permits = yield* Semaphore.make(pool)
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const outage = OutageLog.make("postgres does not answer", "postgres answers again")
  let current: Sql | undefined
  let waiting = 0
  /** Statements that have a connection. */
  let running = 0
  let trouble: string | null = null
  yield* Effect.addFinalizer(() => (current === undefined ? Effect.void : close(current, 1)))

  const silent = (statement: string, millis: number) =>
    new PostgresUnavailable({ statement, cause: new Error(`no answer within ${millis / 1000} s`) })
  const urlOf = (statement: string) =>
    Effect.timeoutOrElse(options.url, {
      duration: connectMillis,
      orElse: () => Effect.fail(new PostgresUnavailable({ statement, cause: new Error("the database is starting") }))
    })

  /** When one connection falls silent, all are suspect: all are replaced, and their statements are retried. */
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
      const sql = (current ??= open(url, { max: pool, timeoutMillis, tls }))
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

  /** Runs at most as many statements at once as there are connections; a bounded number wait, for a bounded time. */
  const inTurn = <A>(statement: string, work: Effect.Effect<A, PostgresError>): Effect.Effect<A, PostgresError> =>
    Effect.suspend(() => {
      const busy = (reason: string) => new PostgresBusy({ statement, code: "NO_CONNECTION", reason })
      if (waiting >= mostWaiting * pool) return Effect.fail(busy(`${waiting} statements wait for a connection`))
      waiting++
      const counted = Effect.suspend(() => {
        running++
        return Effect.ensuring(
          work,
          Effect.sync(() => running--)
        )
      })
      return Semaphore.withPermit(permits, counted).pipe(
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
  /** Probes until Postgres answers, because the process may have no statement to send for hours. */
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

  const gauges = yield* Effect.serviceOption(Gauges)
  if (Option.isSome(gauges)) {
    /** One at a time, and to its end: a server that hangs must not collect probes. */
    let probing: Fiber.Fiber<unknown, PostgresError> | undefined
    const probe = Effect.flatMap(options.url, (url) =>
      noted(inTurn("postgres.look", attempt(url, "postgres.look", "SELECT 1", [])))
    ).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          probing = undefined
        })
      )
    )
    /** A process without statements to send would learn of an outage when it is over; with some under way, those tell. */
    const answers = Effect.gen(function* () {
      if (running > 0 && probing === undefined) return trouble === null
      probing ??= yield* Effect.forkIn(probe, scope)
      const exit = yield* Effect.timeoutOption(Fiber.await(probing), scrapeWithin)
      return Option.isSome(exit) && Exit.isSuccess(exit.value)
    })
    yield* gauges.value.register(Effect.flatMap(answers, (isUp) => Metric.update(postgresUp, isUp ? 1 : 0)))
  }

  return Postgres.of({
    run: (statement, parameters = []) =>
      Effect.flatMap(urlOf(statement.name), (url) =>
        noted(inTurn(statement.name, attempt(url, statement.name, statement.text, parameters)))
      ).pipe(Effect.retry({ schedule: patience, while: isTransient }), Effect.flatMap(statement.decode)),
    script: (name, text) =>
      Effect.flatMap(urlOf(name), (url) =>
        noted(
          Effect.acquireUseRelease(
            Effect.sync(() => open(url, { max: 1, timeoutMillis: scriptMillis, tls })),
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
    return yield* make({
      url: Effect.succeed(url),
      limits: yield* PostgresConfig.limits,
      tls: yield* PostgresConfig.tls(url)
    })
  })
)

/** From a given URL: for tests, and for programs that start their own server. */
export const layerUrl = (url: string, limits: Limits): Layer.Layer<Postgres> =>
  Layer.effect(Postgres, make({ url: Effect.succeed(Redacted.make(url)), limits }))

/** Without a database: every call fails at once as unavailable. */
export const absent: Postgres["Service"] = Postgres.of({
  run: ({ name }) =>
    Effect.fail(new PostgresUnavailable({ statement: name, cause: new Error("DATABASE_URL is not set") })),
  script: (name) =>
    Effect.fail(new PostgresUnavailable({ statement: name, cause: new Error("DATABASE_URL is not set") })),
  trouble: () => "DATABASE_URL is not set"
})

/** From DATABASE_URL if it is set, else `absent`: for processes that can work without it. */
export const layerOptional: Layer.Layer<Postgres, Config.ConfigError> = Layer.unwrap(
  Effect.map(PostgresConfig.databaseUrl, (url) => (url._tag === "Some" ? layer : Layer.succeed(Postgres, absent)))
)
