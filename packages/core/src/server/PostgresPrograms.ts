/**
 * PostgresPrograms: finds the programs of a Postgres server; Debian keeps them out of PATH, in one folder for each version.
 * It imports only Node's modules, because it also runs before any package is installed.
 */
import { accessSync, constants, readdirSync } from "node:fs"
import { delimiter, isAbsolute, join } from "node:path"

const versionFolders = ["/usr/lib/postgresql", "/usr/local/pgsql", "/usr/pgsql", "/opt/homebrew/opt"]

/**
 * Whether the system reports that a file is missing, or not accessible to this user. Any other error is a permission that Deno
 * was not given, and tells nothing about the file.
 */
export const isAbsence = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(String(error.code))

/** Folders that may hold `initdb` and `postgres`, the newest version first, PATH last. */
export function folders(): ReadonlyArray<string> {
  const versions = versionFolders.flatMap((parent) => {
    try {
      return readdirSync(parent)
        .filter((name) => /^(postgresql@)?\d+$|^postgresql$/.test(name))
        .toSorted((a, b) => Number(b.replace(/\D/g, "")) - Number(a.replace(/\D/g, "")))
        .map((name) => join(parent, name, "bin"))
    } catch (error) {
      if (isAbsence(error)) return []
      throw error
    }
  })
  return [...versions, ...(process.env.PATH ?? "").split(delimiter).filter(isAbsolute)]
}

/** The first folder that holds both programs; undefined when no server is installed. */
export function find(): string | undefined {
  return folders().find((folder) => {
    try {
      accessSync(join(folder, "initdb"), constants.X_OK)
      accessSync(join(folder, "postgres"), constants.X_OK)
      return true
    } catch (error) {
      if (isAbsence(error)) return false
      throw error
    }
  })
}
