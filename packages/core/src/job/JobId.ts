/**
 * JobId: mints job ids. A job is in its user's partition, so that job, lane and limits share one slot.
 * With an idempotency key the id is the first UUIDv5 of (pipeline, user, key, n) in that partition, so the same (user, key) gives
 * the same id in every process, without I/O (J6). Without one it is a random UUID there; those that fall into other partitions are
 * kept for jobs there, so that about one UUID is made for each job.
 */
import { randomUUID } from "node:crypto"
import * as Keys from "../redis/Keys.ts"
import type { JobId } from "./Job.ts"
import * as UuidV5 from "./UuidV5.ts"

const uuidV5 = UuidV5.make("6f2b9b0c-6c0f-5a64-b7b1-c0de5c0ba1ce")

/**
 * The id of a schedule's run: the first UUIDv5 of (schedule, slot, n) in the schedule's own partition; the same in every
 * process. No caller's idempotency key gives this id. `slot`: epoch milliseconds, or a unique text for a manual run.
 */
export const scheduled = (options: {
  readonly schedule: string
  readonly slot: string
  readonly partitions: number
}): JobId => {
  const { partitions, schedule, slot } = options
  const wanted = Keys.partitionOf(schedule, partitions)
  for (let n = 0; ; n++) {
    const id = uuidV5(JSON.stringify({ schedule, slot, n }))
    if (Keys.partitionOf(id, partitions) === wanted) return id as JobId
  }
}

/** Random ids for later jobs, by number of partitions and partition. */
const spares = new Map<number, ReadonlyArray<Array<string>>>()
/** Spare ids of one partition, at most. */
const mostSpares = 32

const randomIn = (wanted: number, partitions: number): string => {
  const known = spares.get(partitions) ?? Array.from({ length: partitions }, () => [])
  spares.set(partitions, known)
  for (;;) {
    const spare = known[wanted]?.pop()
    if (spare !== undefined) return spare
    const id = randomUUID()
    const there = known[Keys.partitionOf(id, partitions)]
    if (there !== undefined && there.length < mostSpares) there.push(id)
  }
}

/** With a key it takes about `partitions` tries on average. `owner` null: in any partition. */
export const mint = (options: {
  readonly pipeline: string
  readonly owner: string | null
  readonly key: string | null
  readonly partitions: number
}): JobId => {
  const { key, owner, partitions, pipeline } = options
  const wanted = owner === null ? null : Keys.partitionOf(owner, partitions)
  if (key === null) return (wanted === null ? randomUUID() : randomIn(wanted, partitions)) as JobId
  for (let n = 0; ; n++) {
    const id = uuidV5(JSON.stringify([pipeline, owner, key, n]))
    if (wanted === null || Keys.partitionOf(id, partitions) === wanted) return id as JobId
  }
}
