/** KeyTables: the tables of keys of all packages as one, for comparison with a Redis and with the documentation. */
import { KeyTable } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"
import * as ModelKeys from "../../packages/actors/src/model/ModelKeys.ts"
import * as BlacklistKeys from "../../packages/gateway/src/auth/BlacklistKeys.ts"
import * as ImageKeys from "../../packages/gateway/src/images/ImageKeys.ts"
import * as NewsKeys from "../../packages/news/src/store/NewsKeys.ts"
import { keyNames } from "./KeyNames.ts"

export const table: ReadonlyArray<KeyTable.Row> = [
  ...KeyTable.table,
  ...BlacklistKeys.table,
  ...ImageKeys.table,
  ...ModelKeys.table,
  ...NewsKeys.table
]

/** The row of a key, or undefined if there is none. `names`: of an installation with another prefix. */
export const rowOf = (key: string, names: Keys.Names = keyNames): KeyTable.Row | undefined =>
  KeyTable.rowOf(table, names, key)
