/**
 * Command: one command sent to Redis and its answer. Driver errors become RedisErrors, and every wait has a deadline.
 */
import { Effect } from "effect"
import * as CommandDeadline from "../clock/CommandDeadline.ts"
import { silenceMillis } from "./Connection.ts"
import { RedisFull, RedisRefused, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"

export type Argument = string | number | Buffer

const isConnectionError = (error: Error): boolean =>
  !("command" in error) ||
  !/^[A-Z]{3,}/.test(error.message) ||
  error.message.startsWith("CLUSTERDOWN") ||
  error.message.startsWith("TRYAGAIN")

/** The driver's error as the RedisError that tells the caller what to do. */
export const toRedisError = (command: string, cause: unknown): RedisError => {
  if (!(cause instanceof Error)) return new RedisUnavailable({ command, cause })
  const text = cause.message.replace(/^ReplyError: /, "")
  if (/(^|\s|-)OOM /.test(text)) return new RedisFull({ command })
  if (cause.name !== "ReplyError" || isConnectionError(cause)) return new RedisUnavailable({ command, cause })
  return new RedisRefused({ command, code: text.split(" ", 1)[0] ?? "ERR", reply: text })
}

/** Commands in flight when a connection falls silent wait for the next connection, this long at most. */
const deadlineMillis = 2 * silenceMillis
const quickMillis = 500
export const usual = { millis: deadlineMillis, ...CommandDeadline.make(deadlineMillis) }
export const quick = { millis: quickMillis, ...CommandDeadline.make(quickMillis) }
const late = (command: string, millis: number) =>
  new RedisUnavailable({ command, cause: new Error(`no answer within ${millis / 1000} s`) })

/** `deadline` null: for a blocking read, which has its own deadline. */
export const fromPromise = <A>(
  command: string,
  send: () => Promise<A>,
  deadline: typeof usual | null = usual
): Effect.Effect<A, RedisError> =>
  Effect.callback<A, RedisError>((resume) => {
    const answered = deadline?.begin(() => resume(Effect.fail(late(command, deadline.millis))))
    send().then(
      (reply) => {
        answered?.()
        resume(Effect.succeed(reply))
      },
      (cause: unknown) => {
        answered?.()
        resume(Effect.fail(toRedisError(command, cause)))
      }
    )
  })
