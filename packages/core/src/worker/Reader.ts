/**
 * Reader: one blocking read for many mailboxes. A read includes only mailboxes with free slots and asks for no more entries than
 * slots (back-pressure); a slot freed in a mailbox outside the running read ends that read early.
 * Invariant A1 (an entry that was read is ours until acknowledged). One reader for each process; on a Cluster one for each
 * partition. Costs one command every 20 s when idle. A mailbox with fewer free slots than partitions reads some partitions at a
 * time: without blocking until a whole round was empty, then in turns of half a second.
 */
import { Clock, Duration, Effect } from "effect"
import type { Scope } from "effect"
import type { Workload } from "./Workload.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as ReadLoop from "../redis/ReadLoop.ts"
import { ReadReply } from "../mailbox/Delivery.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import { group, Mailbox } from "../mailbox/Mailbox.ts"

const blockMillis = 20_000
const turnMillis = 500
/** The same where Redis does not let us end a read, while a mailbox has no free slot. */
const lackingMillis = 100
/** Entries of one stream in one read, at most; keeps begin calls short. */
const mostPerStream = 128
const unblockAgain = Duration.millis(20)

interface ReadPlan {
  /** Mailboxes with fewer free slots than partitions: read in some partitions only. */
  readonly partial: ReadonlySet<string>
  readonly count: number
  readonly streams: ReadonlyMap<string, { readonly partition: Partition; readonly mailbox: string }>
  /** Slots reserved for this read, by mailbox. */
  readonly slots: ReadonlyMap<string, number>
}

/**
 * The next read. COUNT applies to each stream of a read, so it is the smallest share of slots for one partition of any mailbox;
 * a mailbox with fewer slots than partitions reads only some of them, in turn.
 */
export const plan = (
  mailboxes: ReadonlyArray<readonly [mailbox: string, free: number]>,
  partitions: ReadonlyArray<Partition>,
  turn: number
): ReadPlan | null => {
  const open = mailboxes.filter(([, free]) => free > 0)
  if (open.length === 0) return null
  const count = Math.min(mostPerStream, ...open.map(([, free]) => Math.max(1, Math.floor(free / partitions.length))))
  const streams = new Map<string, { partition: Partition; mailbox: string }>()
  const slots = new Map<string, number>()
  const partial = new Set<string>()
  for (const [mailbox, free] of open) {
    const asked = Math.min(partitions.length, Math.floor(free / count))
    if (asked < partitions.length) partial.add(mailbox)
    for (let i = 0; i < asked; i++) {
      const partition = partitions[(turn + i) % partitions.length]!
      streams.set(partition.mailbox(mailbox), { partition, mailbox })
    }
    slots.set(mailbox, asked * count)
  }
  return { partial, count, streams, slots }
}

/** Passes deliveries to their servers, one call for each mailbox and partition. */
export const dispatch = (workload: Workload, deliveries: ReadonlyArray<Delivery>): Effect.Effect<void> => {
  const together = new Map<string, Array<Delivery>>()
  for (const delivery of deliveries) {
    const key = `${delivery.partition.index}/${delivery.mailbox}`
    const others = together.get(key)
    if (others === undefined) together.set(key, [delivery])
    else others.push(delivery)
  }
  const take = (some: ReadonlyArray<Delivery>) => workload.servers.get(some[0]!.mailbox)?.take(some) ?? Effect.void
  // most reads of a quiet system bring one entry, which needs no fiber of its own
  if (together.size === 1) return take(deliveries)
  return Effect.forEach(together.values(), take, { discard: true, concurrency: "unbounded" })
}

/**
 * Reads until the workload stops.
 * - `consumer`: the process's current token
 * - `answered`: called at every answer, and when reading begins again after all slots were taken
 */
export const run = Effect.fnUntraced(function* (options: {
  readonly workload: Workload
  readonly partitions: ReadonlyArray<Partition>
  readonly consumer: () => string
  readonly answered: () => void
  /** Number of readers that share the slots of this process, and this reader's index. */
  readonly readers: number
  readonly index: number
}): Effect.fn.Return<void, never, RedisClient | Mailbox | Scope.Scope> {
  const { partitions, readers, workload } = options
  const clock = yield* Clock.Clock
  const redis = yield* RedisClient
  const mailbox = yield* Mailbox
  const reader = yield* redis.reader(partitions[0]!.root)
  const decode = decodeReply("XREADGROUP", ReadReply)
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let running: ReadPlan | null = null
  let ending: ReadPlan | null = null
  let turn = 0
  /** Consecutive empty reads. */
  let quiet = 0

  // a mailbox with new slots, or with slots for partitions outside the running read, must not wait for the read's own end:
  // jobs of one user may fill the partitions in the read, while another user's jobs wait in the others
  const stopListening = workload.onChange(() => {
    const ask = running
    if (ask === null || ending === ask) return
    if (!workload.stopping && !workload.paused && !isMissing(ask)) return
    ending = ask
    quiet = 0
    // repeated until the read ends: on its other connection, the first unblock may arrive before the read does
    fork(Effect.repeat(Effect.andThen(reader.unblock, Effect.sleep(unblockAgain)), { while: () => running === ask }))
  })
  yield* Effect.addFinalizer(() => Effect.sync(stopListening))

  /** Whether the read asks for what operators hold, or not for what could be read. Called at each end of a stage. */
  const isMissing = ({ partial, slots }: ReadPlan): boolean => {
    for (const name of slots.keys()) if (workload.isHeld(name)) return true
    let lacks = partial.size > 0
    for (const name of workload.servers.keys()) lacks ||= !slots.has(name)
    return lacks && free().some(([name, left]) => left > 0 && (partial.has(name) || !slots.has(name)))
  }
  /** Milliseconds until the next reader's turn, if a mailbox has fewer slots than there are readers; else null. */
  const turnLeft = () =>
    [...workload.servers.keys()].some((mailbox) => workload.readCapacity(mailbox) < readers)
      ? turnMillis - (clock.currentTimeMillisUnsafe() % turnMillis)
      : null
  /** This reader's share of each mailbox's free slots; with fewer slots than readers, the readers take turns by the clock. */
  const free = () => {
    const place = (Math.floor(clock.currentTimeMillisUnsafe() / turnMillis) + options.index) % readers
    return [...workload.servers.keys()].map((mailbox) => {
      const capacity = workload.readCapacity(mailbox)
      const share = capacity < readers ? (place < capacity ? 1 : 0) : Math.floor(capacity / readers)
      // one of several readers asks for at least one slot: no other reader sees the entries of its partitions
      const readable = Math.max(workload.readable(mailbox), readers > 1 ? 1 : 0)
      return [mailbox, Math.min(workload.free(mailbox), readable, share)] as const
    })
  }

  const isHeldBack = (ask: ReadPlan) => (mailbox: string) => !ask.slots.has(mailbox) && workload.free(mailbox) > 0

  const read = (ask: ReadPlan): Effect.Effect<ReadonlyArray<Delivery>, RedisError> =>
    Effect.flatMap(reader.ends, (ends) => {
      // a kept job may have taken a slot since the plan was made
      const taken = [...ask.slots].some(([name, slots]) => slots > workload.free(name))
      if (workload.paused || workload.stopping || taken) return Effect.succeed([])
      const consumer = options.consumer()
      // slots held back for kept jobs become readable without a change event
      const short = ask.partial.size > 0 || [...workload.servers.keys()].some(isHeldBack(ask))
      // a read without some mailbox has to end soon after a slot of that mailbox is free
      const lacks = [...workload.servers.keys()].some((name) => !ask.slots.has(name))
      const block = turnLeft() ?? (lacks && !ends ? lackingMillis : short ? turnMillis : blockMillis)
      // a partition that returned entries may have more, which must not wait while empty partitions block
      const waits = ask.partial.size === 0 || quiet >= partitions.length
      for (const [name, slots] of ask.slots) workload.ask(name, slots)
      running = ask
      const answer = Effect.suspend(() =>
        reader.read(
          block,
          "XREADGROUP",
          "GROUP",
          group,
          consumer,
          "COUNT",
          ask.count,
          ...(waits ? ["BLOCK", block] : []),
          "STREAMS",
          ...ask.streams.keys(),
          ...Array.from(ask.streams, () => ">")
        )
      )
      // the slots are released however the read ends, even by a defect: the restarted reader needs them
      return answer.pipe(
        Effect.flatMap(decode),
        Effect.map((reply) => {
          options.answered()
          for (const name of ask.slots.keys()) workload.crowded.delete(name)
          // the token was condemned during the read: its entries are taken over under the new token, or by others
          if (options.consumer() !== consumer) return []
          return (reply ?? []).flatMap(([key, entries]) => {
            const stream = ask.streams.get(key)
            if (stream === undefined) return []
            if (entries.length >= ask.count) workload.crowded.add(stream.mailbox)
            return entries.flatMap((entry) => workload.add(stream.partition, stream.mailbox, consumer, entry) ?? [])
          })
        }),
        Effect.ensuring(
          Effect.sync(() => {
            running = null
            for (const [name, slots] of ask.slots) workload.ask(name, -slots)
          })
        )
      )
    })

  const reading = ReadLoop.make({
    begins: "mailbox read failed",
    ends: "mailboxes are read again",
    // Redis was flushed, or failed over to a server without the group: create the groups again, from the first entry
    failed: (error) =>
      error._tag === "RedisRefused" && error.code === "NOGROUP"
        ? Effect.ignore(
            Effect.forEach(workload.servers.keys(), (name) => mailbox.ensure(name, partitions), { discard: true })
          )
        : Effect.void
  })
  while (!workload.stopping) {
    const ask = workload.paused ? null : plan(free(), partitions, turn++)
    if (ask === null) {
      const ready = workload.until(
        () => workload.stopping || (!workload.paused && free().some(([, slots]) => slots > 0))
      )
      const left = turnLeft()
      yield* left === null ? ready : Effect.timeoutOption(ready, Duration.millis(left))
      options.answered()
      continue
    }
    yield* reading.round(
      Effect.flatMap(read(ask), (deliveries) => {
        if (ending !== ask) quiet = deliveries.length === 0 ? quiet + 1 : 0
        return deliveries.length === 0 ? Effect.void : dispatch(workload, deliveries)
      })
    )
  }
})
