/** CommandFailed: why a command failed, with the exit code for scripts. */
import * as Schema from "effect/Schema"

/** Documented in docs/operations/cli.md; scripts rely on them. */
export const exitCodes = {
  /** Success. */
  ok: 0,
  /** The command is valid and failed. */
  failed: 1,
  /** The command line is invalid. */
  usage: 2,
  /** There is no such job, letter, schedule. */
  notFound: 3,
  /** The secret is missing or wrong. */
  refused: 4,
  /** The gateway, or its store, does not answer. Whether anything happened is unknown. */
  unreachable: 5,
  /** Ctrl-C or SIGTERM, as a shell names it: the usual end of a tail or a watched list. */
  interrupted: 130
} as const

export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  exit: Schema.Literals(["failed", "usage", "notFound", "refused", "unreachable"]),
  message: Schema.String
}) {}

export const fail = (exit: CommandFailed["exit"], message: string) => new CommandFailed({ exit, message })
