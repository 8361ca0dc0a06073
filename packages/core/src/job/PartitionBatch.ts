/**
 * PartitionBatch: calls of one kind for one partition in one tick share a round trip, as a script takes keys of one partition.
 * JobStore uses it for commits, JobSubmit for submits.
 */
import { Exit } from "effect"
import * as TickBatch from "../clock/TickBatch.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisReplyInvalid } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"

/** Items in one script call; a long script delays every client of Redis. */
const mostTogether = 32

/**
 * The function that sends a call of one item with others; it calls `answered` once. `run` answers item by item, in their order;
 * another number of answers is RedisReplyInvalid, of `command`. Callbacks instead of effects, because this is the hot path.
 * Holds one TickBatch for each partition.
 */
export const make = <A, B>(
  run: (
    partition: Partition,
    batch: ReadonlyArray<A>,
    answered: (exit: Exit.Exit<ReadonlyArray<B>, RedisError>) => void
  ) => void,
  command: string
): ((partition: Partition, item: A, answered: (exit: Exit.Exit<B, RedisError>) => void) => void) => {
  const otherNumber = (answers: number, calls: number) =>
    Exit.fail(new RedisReplyInvalid({ command, reason: `${answers} answers to ${calls} calls` }))
  const senderOf = (partition: Partition) =>
    TickBatch.sender<A, B, RedisError>(
      (batch, answered) =>
        run(partition, batch, (exit) =>
          answered(
            Exit.isSuccess(exit) && exit.value.length !== batch.length
              ? otherNumber(exit.value.length, batch.length)
              : exit
          )
        ),
      mostTogether
    )
  const byPartition = new Map<Partition, ReturnType<typeof senderOf>>()
  return (partition, item, answered) => {
    let send = byPartition.get(partition)
    if (send === undefined) byPartition.set(partition, (send = senderOf(partition)))
    send(item, answered)
  }
}
