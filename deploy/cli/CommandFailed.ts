/** CommandFailed: why a command did not do what it was told, and the exit code that says so to scripts. */
import { Schema } from "effect"

/** Told in docs/operations/cli.md; scripts rely on them. */
export const exitCodes = {
  /** Done. */
  ok: 0,
  /** It was understood and could not be done. */
  failed: 1,
  /** The words on the command line are not a command. */
  usage: 2,
  /** There is no such job, letter, schedule. */
  notFound: 3,
  /** The secret is missing or wrong. */
  refused: 4,
  /** The gateway, or its store, does not answer. Whether anything happened is unknown. */
  unreachable: 5
} as const

export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  exit: Schema.Literals(["failed", "usage", "notFound", "refused", "unreachable"]),
  message: Schema.String
}) {}

export const fail = (exit: CommandFailed["exit"], message: string) => new CommandFailed({ exit, message })
