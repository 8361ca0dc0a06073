/**
 * `eco2`: the operator's command line. Composition root: runs the given words, decides nothing else. What it compiles it keeps in
 * the state folder, which nobody else can write, so that the next start takes half the computing; hence the late import.
 */
import { enableCompileCache } from "node:module"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const folder = process.env.ECO2_STATE || fileURLToPath(new URL("../../.eco2", import.meta.url))
try {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  enableCompileCache(join(folder, "compile-cache"))
} catch {
  // a read-only place: the start takes longer
}

const { main } = await import("./Run.ts")
main(process.argv.slice(2))
