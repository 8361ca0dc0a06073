/**
 * ReadLoop: what every endless reader of streams does around one read. A failure is logged once, until a read is answered
 * again, and followed by a pause; the reader knows that it was interrupted, and catches up before it goes on.
 * Used by Reader (mailboxes), EventLog (events), TopicTail (topics) and Replies (answers).
 */
import { Duration, Effect } from "effect"
import * as OutageLog from "../telemetry/OutageLog.ts"
import type { RedisError } from "./RedisError.ts"

export interface ReadLoop {
  /** One round: a read, and what is done with its answer. Fails never: a failure is logged, and waited after. */
  readonly round: <R>(read: Effect.Effect<void, RedisError, R>) => Effect.Effect<void, never, R>
  /** Whether the last round failed: what came meanwhile may be missed. */
  readonly isInterrupted: () => boolean
}

const pause = Duration.millis(300)

/** `begins`, `ends`: what is logged of an outage. `failed`: what is done about an error, before the pause. */
export const make = (options: {
  readonly begins: string
  readonly ends: string
  readonly failed?: (error: RedisError) => Effect.Effect<void>
}): ReadLoop => {
  const outage = OutageLog.make(options.begins, options.ends)
  let interrupted = false
  const failed = Effect.fnUntraced(function* (error: RedisError) {
    interrupted = true
    yield* outage.failed(error)
    if (options.failed !== undefined) yield* options.failed(error)
    yield* Effect.sleep(pause)
  })
  const answered = Effect.suspend(() => {
    interrupted = false
    return outage.over
  })
  return {
    round: (read) => Effect.matchEffect(read, { onFailure: failed, onSuccess: () => answered }),
    isInterrupted: () => interrupted
  }
}
