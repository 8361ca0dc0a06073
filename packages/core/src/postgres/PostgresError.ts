/**
 * PostgresError: the failures of a statement, typed by what the caller may do.
 * Only Postgres creates them; callers map them to their own errors or pass them on.
 */
import postgres from "postgres"
import { Schema } from "effect"
import * as CauseText from "../telemetry/CauseText.ts"

/** No usable answer (connection lost, silent or refused). Unknown whether the statement took effect. All may run again. */
export class PostgresUnavailable extends Schema.TaggedError<PostgresUnavailable>()("PostgresUnavailable", {
  statement: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `no answer from Postgres to ${this.statement}: ${CauseText.of(this.cause)}`
  }
}

/** Postgres cannot run it now (`code`: deadlock, time-out, too many connections, read-only, …). Nothing happened. */
export class PostgresBusy extends Schema.TaggedError<PostgresBusy>()("PostgresBusy", {
  statement: Schema.String,
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `Postgres could not run ${this.statement} now: ${this.reason} (${this.code})`
  }
}

/**
 * Postgres refuses the statement for good: a constraint, a missing table, a wrong password. Nothing happened.
 * - `code`: SQLSTATE, or the driver's code when it did not send the statement
 * - `constraint`: the violated constraint; null for any other reason
 */
export class PostgresRefused extends Schema.TaggedError<PostgresRefused>()("PostgresRefused", {
  statement: Schema.String,
  code: Schema.String,
  constraint: Schema.NullOr(Schema.String),
  reason: Schema.String
}) {
  override get message() {
    return `Postgres refused ${this.statement}: ${this.reason} (${this.code})`
  }
}

/** A row of an unknown shape: statement and schema disagree, or another version wrote it. The statement took effect. */
export class PostgresRowInvalid extends Schema.TaggedError<PostgresRowInvalid>()("PostgresRowInvalid", {
  statement: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `unreadable row of ${this.statement}: ${this.reason}`
  }
}

export type PostgresError = PostgresUnavailable | PostgresBusy | PostgresRefused | PostgresRowInvalid

/** Errors after which the same call may succeed unchanged. */
export const isTransient = (error: PostgresError): boolean =>
  error._tag === "PostgresUnavailable" || error._tag === "PostgresBusy"

/** The connection ended, perhaps between a commit and its answer: 08 connection, 57P0x shutdown and start. */
const isUnknown = (code: string) => code.startsWith("08") || code.startsWith("57P")
/** Rolled back: 40 serialization and deadlock, 53 resources, 55P03 lock, 57014 time-out, 25006 a replica, 58 system errors. */
const isBusy = (code: string) => /^(40|53|58)/.test(code) || ["55P03", "57014", "25006"].includes(code)
/** The driver's codes for a failed connection, and the system's (`ECONNREFUSED`). */
const isConnection = (code: string) => /^(CONNECT|CONNECTION_|E[A-Z_]+$)/.test(code)

/** Shortens the text, because a server repeats its input. */
const brief = (text: string) => text.slice(0, 500)

/** `cause`: the driver's error. */
export const ofDriver = (statement: string, cause: unknown): PostgresError => {
  if (cause instanceof postgres.PostgresError) {
    const { code, constraint_name, message } = cause
    if (isUnknown(code)) return new PostgresUnavailable({ statement, cause })
    const reason = brief(message)
    return isBusy(code)
      ? new PostgresBusy({ statement, code, reason })
      : new PostgresRefused({ statement, code, constraint: constraint_name ?? null, reason })
  }
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  // a driver's error without a code is a broken connection or a broken handshake
  return code === "" || isConnection(code)
    ? new PostgresUnavailable({ statement, cause })
    : new PostgresRefused({ statement, code, constraint: null, reason: brief(CauseText.of(cause)) })
}

/** Whether the driver got no connection in time; its other connections may be silent too. */
export const isSilence = (error: PostgresError): boolean =>
  error._tag === "PostgresUnavailable" &&
  error.cause instanceof Error &&
  "code" in error.cause &&
  error.cause.code === "CONNECT_TIMEOUT"

/**
 * Whether the refusal is due to the data (bad text, a constraint, too large), so that another row may pass: classes 21, 22, 23,
 * 54. Any other refusal is due to the database or the statement, for every row.
 */
export const isOfData = (error: PostgresError): boolean =>
  error._tag === "PostgresRefused" && /^(21|22|23|54)/.test(error.code)
