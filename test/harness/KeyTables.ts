/** KeyTables: the tables of keys of all packages as one, which a Redis and the documentation are compared with. */
import { KeyTable } from "@eco2/core/redis"
import * as BlacklistKeys from "../../packages/gateway/src/auth/BlacklistKeys.ts"
import * as NewsKeys from "../../packages/news/src/store/NewsKeys.ts"

export const table: ReadonlyArray<KeyTable.Row> = [...KeyTable.table, ...BlacklistKeys.table, ...NewsKeys.table]

/** The row a key belongs to, or undefined for a stranger. */
export const rowOf = (key: string): KeyTable.Row | undefined => KeyTable.rowOf(table, key)
