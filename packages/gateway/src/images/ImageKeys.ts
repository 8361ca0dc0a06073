/** ImageKeys: the key of what signs upload addresses, and its entry in the table of keys. Pictures themselves are core's. */
import { KeyTable } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"

/** What signs the addresses of uploads: one for the installation. */
export const secret = ({ prefix }: Keys.Names) => `${prefix}image-secret`

export const table: ReadonlyArray<KeyTable.Row> = [
  KeyTable.row(
    "image-secret",
    "image-secret",
    "string",
    "32 random bytes that sign the addresses of uploads, in base64url",
    "for ever; another one after a loss of data",
    "ImageSecret",
    "ImageSecret",
    true
  )
]
