/**
 * What can go wrong between us and Postgres, said as what the caller may do.
 * Made by Postgres alone; everything above maps these to its own errors or lets them pass.
 */
import postgres from "postgres"
import { Schema } from "effect"
import * as CauseText from "../telemetry/CauseText.ts"

/** No usable answer (connection lost, silent or refused): the statement took effect or it did not. All of ours may run again. */
export class PostgresUnavailable extends Schema.TaggedError<PostgresUnavailable>()("PostgresUnavailable", {
  statement: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `no answer from Postgres to ${this.statement}: ${CauseText.of(this.cause)}`
  }
}

/** Postgres could not do it now (`code`: deadlock, time-out, too many connections, read-only, …). Nothing happened. */
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
 * Postgres refuses the statement, and will again: a constraint, a missing table, a wrong password. Nothing happened.
 * - `code`: SQLSTATE, or the driver's own word for what it would not send
 * - `constraint`: the one violated, null where it is something else
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

/** A row of a shape we do not know: our statement and its schema disagree, or another version wrote it. It took effect. */
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

/** The connection's end, which may come between a commit and its answer: 08 connection, 57P0x shutdown and start. */
const isUnknown = (code: string) => code.startsWith("08") || code.startsWith("57P")
/** Rolled back: 40 serialization and deadlock, 53 resources, 55P03 lock, 57014 time-out, 25006 a replica, 58 the system's trouble. */
const isBusy = (code: string) => /^(40|53|58)/.test(code) || ["55P03", "57014", "25006"].includes(code)
/** The driver's words for a connection, and the system's (`ECONNREFUSED`). */
const isConnection = (code: string) => /^(CONNECT|CONNECTION_|E[A-Z_]+$)/.test(code)

/** The text stays a line: a server repeats what it was given. */
const brief = (text: string) => text.slice(0, 500)

/** `cause`: what the driver rejected with. */
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

/** Whether the driver waited in vain for a connection: nothing can be said of the others it holds. */
export const isSilence = (error: PostgresError): boolean =>
  error._tag === "PostgresUnavailable" &&
  error.cause instanceof Error &&
  "code" in error.cause &&
  error.cause.code === "CONNECT_TIMEOUT"

/**
 * Whether it is about what was given (bad text, a constraint, too large), so that another row would pass: classes 21, 22, 23,
 * 54. Any other refusal is the database's or the statement's own, whatever row comes.
 */
export const isOfData = (error: PostgresError): boolean =>
  error._tag === "PostgresRefused" && /^(21|22|23|54)/.test(error.code)
