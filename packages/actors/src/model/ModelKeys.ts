/** ModelKeys: the keys of the models' part, and their entry in the table of keys. */
import { KeyTable } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"

/** A reply that may be used again, by the hash of its request in hex. */
export const reply = ({ prefix }: Keys.Names, request: string) => `${prefix}model:reply:${request}`

export const table: ReadonlyArray<KeyTable.Row> = [
  KeyTable.row(
    "model:reply:<request>",
    String.raw`model:reply:[0-9a-f]{64}`,
    "string",
    "a model's reply to a request, JSON",
    "MODEL_REUSE",
    "ReusedReplies",
    "ReusedReplies",
    true
  )
]
