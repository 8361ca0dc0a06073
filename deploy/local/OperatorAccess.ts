/**
 * OperatorAccess: how the command line finds a running `npm start`: a file in the state folder, readable by its owner alone, with
 * the address, the secret that the start made for its operators, and the URL of its private Redis. A start with its own INTERNAL_SECRET writes no secret. The
 * file is removed when the start ends; if the start was killed the file remains, and nobody answers at its address.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The state folder unless ECO2_STATE names another. */
export const defaultFolder: string = fileURLToPath(new URL("../../.eco2", import.meta.url))

export const OperatorAccess = Schema.Struct({
  /** As in `http://127.0.0.1:8080`. */
  address: Schema.String,
  /** Null: INTERNAL_SECRET was set. */
  secret: Schema.NullOr(Schema.String),
  /** With its password; left out: REDIS_URL was set. */
  redis: Schema.optionalKey(Schema.String),
  pid: Schema.Int
})
export type OperatorAccess = typeof OperatorAccess.Type
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(OperatorAccess))

const fileOf = (folder: string) => join(folder, "operator.json")

/** A secret for this start. */
export const makeSecret = (): string => randomBytes(32).toString("base64url")

/** Null: there is no such start. Throws if the file cannot be read, or is not ours. */
export const read = (folder: string): OperatorAccess | null => {
  const file = fileOf(folder)
  try {
    return decode(readFileSync(file, "utf8"))
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error
    })
  }
}

/** Writes the file for this process, and removes it when the process ends. */
export const write = (folder: string, access: Omit<OperatorAccess, "pid">): Effect.Effect<void, Error> =>
  Effect.try({
    try: () => {
      const file = fileOf(folder)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const draft = `${file}.${process.pid}`
      writeFileSync(draft, JSON.stringify({ ...access, pid: process.pid }), { mode: 0o600 })
      renameSync(draft, file)
      process.once("exit", () => {
        try {
          if (read(folder)?.pid === process.pid) rmSync(file, { force: true })
        } catch {
          // another process has replaced the file: do not remove it
        }
      })
    },
    catch: (error) => (error instanceof Error ? error : new Error(String(error)))
  })
