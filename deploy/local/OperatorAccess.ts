/**
 * OperatorAccess: how the command line finds the `npm start` beside it: a file in the state folder, readable by its owner
 * alone, names where that start serves and the secret it made for its operators. A start with an INTERNAL_SECRET of its own
 * writes none down. The file goes with the start; one that was killed leaves it, and nobody answers there then.
 */
import { Effect, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Where a start keeps what it has unless ECO2_STATE says otherwise. */
export const defaultFolder: string = fileURLToPath(new URL("../../.eco2", import.meta.url))

export const OperatorAccess = Schema.Struct({
  /** As in `http://127.0.0.1:8080`. */
  address: Schema.String,
  /** Null: the operator knows it. */
  secret: Schema.NullOr(Schema.String),
  pid: Schema.Int
})
export type OperatorAccess = typeof OperatorAccess.Type
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(OperatorAccess))

const fileOf = (folder: string) => join(folder, "operator.json")

/** The secret of this start where none is set. */
export const makeSecret = (): string => randomBytes(32).toString("base64url")

/** Null: there is no such start. Throws where there is a file that cannot be read, or is none of ours. */
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

/** Writes it for this process, and removes it when the process ends. */
export const write = (folder: string, access: Omit<OperatorAccess, "pid">): Effect.Effect<void, Error> =>
  Effect.try({
    try: () => {
      const file = fileOf(folder)
      mkdirSync(folder, { recursive: true })
      const draft = `${file}.${process.pid}`
      writeFileSync(draft, JSON.stringify({ ...access, pid: process.pid }), { mode: 0o600 })
      renameSync(draft, file)
      process.once("exit", () => {
        try {
          if (read(folder)?.pid === process.pid) rmSync(file, { force: true })
        } catch {
          // somebody put something else there meanwhile: not ours to remove
        }
      })
    },
    catch: (error) => (error instanceof Error ? error : new Error(String(error)))
  })
