/**
 * PartitionBatch: calls of one kind for one partition in one tick share a round trip, as a script takes keys of one partition.
 * JobStore uses it for commits, JobSubmit for submits.
 */
import { Effect } from "effect"
import type { Exit } from "effect"
import * as TickBatch from "../clock/TickBatch.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"

/** Items in one script call; a long script delays every client of Redis. */
const mostTogether = 32

/**
 * A call of one item that is sent with others. `run` answers item by item, in their order; another number of answers is
 * RedisReplyInvalid, of `command`. Holds one TickBatch for each partition.
 */
export const make = <A, B>(
  run: (partition: Partition, batch: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, RedisError>,
  command: string
) => {
  const send = sender(run, command)
  return (partition: Partition, item: A): Effect.Effect<B, RedisError> =>
    Effect.callback<B, RedisError>((resume) => send(partition, item, resume))
}

/** The same for hot paths, without an effect for each call: `answered` is called once. */
export const sender = <A, B>(
  run: (partition: Partition, batch: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, RedisError>,
  command: string
) => {
  type Answered = (exit: Exit.Exit<B, RedisError>) => void
  const byPartition = new Map<Partition, (item: A, answered: Answered) => void>()
  return (partition: Partition, item: A, answered: Answered): void => {
    const known = byPartition.get(partition)
    if (known !== undefined) return known(item, answered)
    const send = TickBatch.sender(
      (batch: ReadonlyArray<A>) =>
        Effect.filterOrFail(
          run(partition, batch),
          (answers) => answers.length === batch.length,
          (answers) => new RedisReplyInvalid({ command, reason: `${answers.length} answers to ${batch.length} calls` })
        ),
      mostTogether
    )
    byPartition.set(partition, send)
    send(item, answered)
  }
}
