/**
 * Command: one command sent to Redis and its answer. Driver errors become RedisErrors, and every wait has a deadline.
 */
import { Effect, Exit } from "effect"
import * as CommandDeadline from "../clock/CommandDeadline.ts"
import { silenceMillis } from "./Connection.ts"
import { codeOf, RedisFull, RedisRefused, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"

export type Argument = string | number | Buffer

/** What a Cluster's driver says when it gave up; the rest is the last server's reply, if that was no redirection. */
const gaveUp = /^Too many Cluster redirections\. Last error: (?:ReplyError: )?(?=[A-Z]{3,} )(?!MOVED |ASK )/

/** The same, where the last reply was a redirection: the slot has been on its way to another master all the time. */
const sentAround = /^Too many Cluster redirections\. Last error: (?:ReplyError: )?(?:MOVED|ASK) /
const onItsWay = "TRYAGAIN its slot is on its way to another server"
/** Whether a command was only ever sent on, from server to server. So it also ends when the last one of them does not answer. */
export const isSentAround = (error: RedisError): boolean => error._tag === "RedisRefused" && error.reply === onItsWay

/** The driver's error as the RedisError that tells the caller what to do. */
export const toRedisError = (command: string, cause: unknown): RedisError => {
  if (!(cause instanceof Error)) return new RedisUnavailable({ command, cause })
  if (sentAround.test(cause.message)) return new RedisRefused({ command, code: "TRYAGAIN", reply: onItsWay })
  const text = cause.message.replace(/^ReplyError: /, "").replace(gaveUp, "")
  if (/(^|\s|-)OOM /.test(text)) return new RedisFull({ command })
  const isReply = cause.name === "ReplyError" ? "command" in cause : gaveUp.test(cause.message)
  return isReply && /^[A-Z]{3,}/.test(text)
    ? new RedisRefused({ command, code: codeOf(text), reply: text })
    : new RedisUnavailable({ command, cause })
}

/** Commands in flight when a connection falls silent wait for the next connection, this long at most. */
const deadlineMillis = 2 * silenceMillis
const quickMillis = 500
export const usual = { millis: deadlineMillis, ...CommandDeadline.make(deadlineMillis) }
export const quick = { millis: quickMillis, ...CommandDeadline.make(quickMillis) }
const late = (command: string, millis: number) =>
  new RedisUnavailable({ command, cause: new Error(`no answer within ${millis / 1000} s`) })

/** What `decode` makes of an answer. A bug in it is the caller's to know, and does not end the process. */
export const decoded = <A>(decode: () => Exit.Exit<A, RedisError>): Exit.Exit<A, RedisError> => {
  try {
    return decode()
  } catch (defect) {
    return Exit.die(defect)
  }
}

/**
 * Sends a command. `answered` is called once, with the answer or why there is none, and must not throw. `deadline` null: for a
 * blocking read, which has its own deadline.
 */
export const call = <A>(
  command: string,
  send: () => Promise<A>,
  answered: (exit: Exit.Exit<A, RedisError>) => void,
  deadline: typeof usual | null = usual
): void => {
  let isOver = false
  const end = (exit: Exit.Exit<A, RedisError>) => {
    if (isOver) return
    isOver = true
    withdraw?.()
    answered(exit)
  }
  const withdraw = deadline?.begin(() => end(Exit.fail(late(command, deadline.millis))))
  try {
    send().then(
      (reply) => end(Exit.succeed(reply)),
      (cause: unknown) => end(Exit.fail(toRedisError(command, cause)))
    )
  } catch (defect) {
    end(Exit.die(defect))
  }
}

/** The same as an effect. */
export const fromPromise = <A>(
  command: string,
  send: () => Promise<A>,
  deadline: typeof usual | null = usual
): Effect.Effect<A, RedisError> => Effect.callback<A, RedisError>((resume) => call(command, send, resume, deadline))
