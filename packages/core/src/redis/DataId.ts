/**
 * DataId: the id of the data in a Redis, kept in `{fleet}:meta`. It is a UUIDv7, so it tells when the data began: a Redis that was
 * emptied has data younger than what stands in Postgres, and `eco2 doctor` can say so. Data of earlier versions has an id without
 * a time. Neighbours: Keyspace, which writes and compares it.
 */
import { randomUUID } from "node:crypto"

/** An id of data that begins at `epochMillis`. */
export const make = (epochMillis: number): string => {
  const time = Math.max(0, Math.trunc(epochMillis)).toString(16).padStart(12, "0").slice(-12)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** Epoch milliseconds at which the data began; null if the id does not tell. */
export const began = (id: string): number | null => {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(id)
  return found === null ? null : Number.parseInt(`${found[1]}${found[2]}`, 16)
}
