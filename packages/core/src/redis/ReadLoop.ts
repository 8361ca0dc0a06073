/**
 * ReadLoop: error handling around each read of an endless stream reader. An outage is logged once when it begins and once when
 * it is over; a failed read is followed by a pause. `isInterrupted` tells the reader to catch up before it goes on.
 * Used by Reader (mailboxes), EventLog (events), TopicTail (topics) and Replies (answers).
 */
import { Duration, Effect } from "effect"
import * as OutageLog from "../telemetry/OutageLog.ts"
import type { RedisError } from "./RedisError.ts"

export interface ReadLoop {
  /** One round: a read and the handling of its answer. Never fails: a failure is logged and followed by a pause. */
  readonly round: <R>(read: Effect.Effect<void, RedisError, R>) => Effect.Effect<void, never, R>
  /** Whether the last round failed, so that entries may have been missed. */
  readonly isInterrupted: () => boolean
}

const pause = Duration.millis(300)

/** `begins`, `ends`: log texts of an outage. `failed`: runs after an error, before the pause. */
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
