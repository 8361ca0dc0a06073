/** BlacklistKeys: the keys of revoked tokens, and what their table says of them. */
import { Keys, KeyTable } from "@eco2/core/redis"

/** A revoked token, by its id. Each in a slot of its own: there may be many, and no script touches two. */
export const revoked = (jti: string) => `${Keys.prefix}blacklist:${jti}`

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
