/** BlacklistKeys: the keys of revoked tokens, and their entries in the table of keys. */
import { KeyTable } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"

/** The key of a revoked token, by its id. Each has its own slot, because there may be many and no script touches two. */
export const revoked = ({ prefix }: Keys.Names, jti: string) => `${prefix}blacklist:${jti}`

export const table: ReadonlyArray<KeyTable.Row> = [
  KeyTable.row(
    "blacklist:<jti>",
    "blacklist:.+",
    "string",
    "a revoked token: when it may be forgotten, whose it was, why",
    "10 s longer than the token",
    "revoke",
    "Blacklist",
    false
  )
]
