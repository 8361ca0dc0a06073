/**
 * ErrorReply: what the driver's errors say about a refusal: the command that was refused, the reply behind an error of the
 * driver's own. For RedisClient.
 */
import { Schema } from "effect"

const Command = Schema.Struct({ command: Schema.Struct({ name: Schema.String, args: Schema.Array(Schema.Unknown) }) })
const isOfCommand = Schema.is(Command)

/** The place of the key in a command's arguments: 0, or as listed. Scripts: after the hash and the number of keys. */
const keyAt: Readonly<Record<string, number>> = { evalsha: 2, eval: 2, xgroup: 1, xinfo: 1 }

/** Commands whose first word is no key. */
const keyless = new Set(["auth", "client", "cluster", "hello", "info", "scan", "script", "select", "wait"])

/** The refused command in lower case, and a key of it, if it has one; "" where the driver does not tell. */
export const commandOf = (error: Error): { readonly name: string; readonly key: string | undefined } => {
  if (!isOfCommand(error)) return { name: "", key: undefined }
  const { args } = error.command
  const name = error.command.name.toLowerCase()
  const words = args.map((arg) => (typeof arg === "string" || Buffer.isBuffer(arg) ? String(arg) : ""))
  if (keyless.has(name)) return { name, key: undefined }
  const streams = name.startsWith("xread") ? words.findIndex((word) => word.toUpperCase() === "STREAMS") : -1
  const key = words[streams >= 0 ? streams + 1 : (keyAt[name] ?? 0)]
  return { name, key: key === "" ? undefined : key }
}

/** Whether `Permissions` tried WAIT, for no replica at all; ReplicatedWrites waits for some. */
export const isTrialOfWait = (error: Error): boolean =>
  isOfCommand(error) && error.command.name.toLowerCase() === "wait" && String(error.command.args[0]) === "0"

/** Whether the words are a reply of a server's, which begins with a code. */
export const isReply = (words: string): boolean => /^[A-Z]{3,} /.test(words)

/** Whether a blocking read ended because its server became a replica. */
export const isDemotion = ({ message }: Error): boolean => /^UNBLOCKED .*instance state changed/.test(message)

/** Why the last server of a Cluster did not answer, where the driver says only that none did. */
export const lastOfCluster = (error: Error): string | undefined => {
  const last: unknown = Reflect.get(error, "lastNodeError")
  return last instanceof Error ? last.message : undefined
}

/** Whether the driver says only that it gave up, or that a socket failed, and not why. */
export const isDriversOwn = (cause: unknown): boolean =>
  cause instanceof Error &&
  (cause.name === "MaxRetriesPerRequestError" ||
    /^(Connection is closed|Command aborted|write E|read E|no server of the Cluster|no answer within)/.test(
      cause.message
    ))
