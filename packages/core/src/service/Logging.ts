/**
 * Logging: JSON lines by pino (readable text on a terminal), one line for each decision: constant text, facts as fields.
 * What libraries print becomes lines too (LibraryWarnings). Control characters in them are escaped (VisibleText): JSON does that
 * for some, and a terminal obeys the others too. Secrets and payloads are redacted by field name. LOG_LEVEL: trace,
 * debug, info (default), warn, error, silent.
 */
import { Cause, Config, Context, Effect, Layer, Logger, Option, References, Tracer } from "effect"
import { pino } from "pino"
import type { LevelWithSilent } from "pino"
import * as Setting from "../config/Setting.ts"
import * as VisibleText from "../telemetry/VisibleText.ts"
import * as LibraryWarnings from "./LibraryWarnings.ts"

const levels = ["trace", "debug", "info", "warn", "error", "silent"] as const
const ofEffect: Record<string, Exclude<LevelWithSilent, "silent">> = {
  Fatal: "fatal",
  Error: "error",
  Warn: "warn",
  Info: "info",
  Debug: "debug",
  Trace: "trace",
  All: "trace"
}
const minimum = { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error", silent: "None" } as const

/** Field names whose values are redacted in log lines: in facts down to a depth of three, in what is said at any depth. */
const secretNames = [
  "authorization",
  "cookie",
  "password",
  "secret",
  "token",
  "apiKey",
  "api_key",
  "image",
  "image_url",
  "user_input",
  "input",
  "body"
]
const censor = "[redacted]"
const topRedaction = { paths: secretNames, censor }
/** Looking into values takes ten times as long as all the rest of a line, and most lines have none to look into. */
const deepRedaction = { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor }
const isNested = (value: unknown): boolean => typeof value === "object" && value !== null

const destination = (pretty: boolean, level: LevelWithSilent) =>
  pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: topRedaction,
    // pino-pretty decodes the line once more
    hooks: { streamWrite: (line) => VisibleText.lines(line, pretty ? "\\\\u" : "\\u") },
    ...(pretty
      ? {
          transport: {
            target: "pino-pretty",
            options: { colorize: true, translateTime: "HH:MM:ss.l", singleLine: true }
          }
        }
      : {})
  })

const secrets = new Set(secretNames.map((name) => name.toLowerCase()))
const redacted = (name: string, value: unknown): unknown => (secrets.has(name.toLowerCase()) ? censor : value)
const textOf = (value: unknown): string =>
  typeof value === "string"
    ? value
    : value instanceof Error
      ? value.message
      : (JSON.stringify(value, redacted) ?? String(value))

/** Characters of a library's warning in a line. */
const mostWarning = 1_000

/** `role` is in every line. */
export const layer = (role: string): Layer.Layer<never, Config.ConfigError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const level = yield* Setting.oneOf("LOG_LEVEL", { default: "info", values: levels })
      const out = destination(process.stdout.isTTY === true, level)
      const outOfNested = out.child({}, { redact: deepRedaction })
      const logger = Logger.make(({ cause, fiber, logLevel, message }) => {
        const [text, ...rest] = Array.isArray(message) ? message : [message]
        // the trace id is the same in all lines of a request and its job, in all processes
        const trace = Option.map(Context.getOption(fiber.context, Tracer.ParentSpan), ({ traceId }) => ({
          trace_id: traceId
        }))
        const facts = { role, ...Option.getOrUndefined(trace), ...fiber.getRef(References.CurrentLogAnnotations) }
        const more = {
          ...(rest.length > 0 ? { detail: rest.map(textOf).join(" ") } : {}),
          ...(cause.reasons.length > 0 ? { cause: Cause.pretty(cause) } : {})
        }
        const into = Object.values(facts).some(isNested) ? outOfNested : out
        into[ofEffect[logLevel] ?? "info"]({ ...facts, ...more }, textOf(text))
      })
      const warnings = LibraryWarnings.capture((warning) =>
        out.warn({ role, warning: warning.slice(0, mostWarning) }, "library warning")
      )
      return Layer.mergeAll(
        Logger.layer([logger]),
        Layer.succeed(References.MinimumLogLevel, minimum[level]),
        Layer.effectDiscard(warnings)
      )
    })
  )
