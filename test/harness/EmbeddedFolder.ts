/**
 * EmbeddedFolder: a folder in which the embedded database (PGlite) has been started before. A start on it takes a third of a
 * second, a first start seconds of computing. Made once for each checkout and version, then copied.
 * First starts are tested in deploy/LocalPostgres.test.ts, e2e/start.test.ts and e2e/deno.test.ts.
 */
import { Effect, References } from "effect"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { cp } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as LocalPostgres from "../../deploy/local/LocalPostgres.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const artifacts = join(root, "test", ".artifacts")
const version = (): string =>
  JSON.parse(readFileSync(join(root, "node_modules/@electric-sql/pglite/package.json"), "utf8")).version

const make = async (): Promise<string> => {
  const folder = join(artifacts, `embedded-postgres-${version()}`)
  if (existsSync(folder)) return folder
  mkdirSync(artifacts, { recursive: true })
  const own = mkdtempSync(`${folder}-`)
  const started = Effect.flatMap(LocalPostgres.make({ directory: own }), ({ url }) => url)
  await Effect.runPromise(Effect.scoped(started).pipe(Effect.provideService(References.MinimumLogLevel, "None")))
  try {
    renameSync(own, folder)
  } catch (failure) {
    // another worker was faster
    rmSync(own, { recursive: true, force: true })
    if (!existsSync(folder)) throw failure
  }
  return folder
}

let made: Promise<string> | undefined

/** Makes `directory` such a folder (LocalPostgres's argument, `.eco2/postgres` of a start). */
export const place = async (directory: string): Promise<void> => {
  await cp(join(await (made ??= make()), "data"), join(directory, "data"), { recursive: true })
}
