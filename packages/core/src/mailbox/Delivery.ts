/**
 * Delivery: one mailbox entry in the hands of this process, from the read until its slot is free again.
 * Known to the ActorSystem, which reconciles deliveries with the process's own pending list (A4), and to the behavior
 * that works on it.
 */
import type { Fiber } from "effect"
import { Schema } from "effect"
import type { Partition } from "../redis/Keys.ts"

/** What an interrupted delivery is to do: nothing (others have it), hand its work back at once (A5), or fail its attempt (A3). */
export type Fate = "lost" | "release" | "timeout"

/** Deliveries nobody reported back from after which an entry is given up; the last two are made alone in their process (A2). */
export const maxDeliveries = 5
export const aloneFrom = maxDeliveries - 2

export interface Delivery {
  /** `<partition>/<mailbox>/<entry id>` */
  readonly key: string
  readonly partition: Partition
  /** Where the entry stands. */
  readonly mailbox: string
  /** The mailbox whose slot it takes: another one while the job is kept for a later stage. */
  slot: string
  readonly entry: string
  readonly fields: ReadonlyMap<string, string>
  /** The consumer (process token) it was delivered to. */
  readonly consumer: string
  /** A result is on its way to Redis: not to be interrupted. */
  settling: boolean
  fate: Fate | null
  /** When the present attempt is over time, by performance.now(). */
  dueAt: number | null
  fiber: Fiber.Fiber<void> | null
  /** Rises with every reconciliation: a delivery younger than the list it is compared with is left alone. */
  readonly bornAt: number
}

export const keyOf = (partition: Partition, mailbox: string, entry: string): string =>
  `${partition.index}/${mailbox}/${entry}`

export const Entry = Schema.Tuple([Schema.String, Schema.NullOr(Schema.Array(Schema.String))])
/** `[id, [field, value, …]]`, as XREADGROUP, XCLAIM and XRANGE give them. */
export type Entry = typeof Entry.Type
export const Entries = Schema.Array(Entry)
/** `[[key, entries], …]` or null when the read timed out. */
export const ReadReply = Schema.NullOr(Schema.Array(Schema.Tuple([Schema.String, Entries])))

export const fieldsOf = (entry: Entry): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>()
  const flat = entry[1] ?? []
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i]!, flat[i + 1]!)
  return fields
}
