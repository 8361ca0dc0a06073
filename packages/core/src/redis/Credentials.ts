/**
 * Credentials: the user and password that connections present to Redis. A password in a file (REDIS_PASSWORD_FILE) may change
 * while the process runs: tokens of IAM or Entra expire, secrets rotate. It is read again at every connect, and RedisClient
 * presents a changed one on connections that are open, before the server ends them.
 */
import { Effect } from "effect"
import type { Config } from "effect"
import { readFileSync } from "node:fs"
import * as Setting from "../config/Setting.ts"

export interface Credentials {
  readonly username: string | undefined
  /** As last read. */
  readonly password: () => string | undefined
  /** Reads the file, if there is one. Returns null, or why it cannot be used; then the last password counts. */
  readonly refresh: () => string | null
  /** Whether the password can change. */
  readonly mayChange: boolean
}

export const fixed = (username: string | undefined, password: string | undefined): Credentials => ({
  username,
  password: () => password,
  refresh: () => null,
  mayChange: false
})

/** A file's last line break is not part of the password. */
const read = (path: string) => readFileSync(path, "utf8").replace(/\r?\n$/, "")

export const ofFile = Effect.fnUntraced(function* (
  username: string | undefined,
  path: string
): Effect.fn.Return<Credentials, Config.ConfigError> {
  let password = ""
  const refresh = () => {
    try {
      const text = read(path)
      // an empty file is one that is being written
      if (text === "") return `${path} is empty`
      password = text
      return null
    } catch (error) {
      return String(error)
    }
  }
  const problem = refresh()
  if (problem !== null) return yield* Setting.refused(`REDIS_PASSWORD_FILE cannot be used: ${problem}`)
  return { username, password: () => password, refresh, mayChange: true }
})
