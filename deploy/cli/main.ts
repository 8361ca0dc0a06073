/**
 * `eco2`: the operator's command line. Composition root: runs the given words, decides nothing else. Its version and its help are
 * printed without the command line being loaded. What a start compiles is kept in the state folder, which nobody else can write, so
 * that the next start computes less; hence the late import.
 */
import { enableCompileCache } from "node:module"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { versionLine } from "./Version.ts"

/** What Cli prints for `--help`; a test compares them, and `vitest -u` writes it. */
const help = new URL("./help.txt", import.meta.url)
const words = process.argv.slice(2)
const only = words.length === 1 ? words[0] : undefined

/** A reader that has seen enough (`| head`) ends the command; Node would print a stack. */
const endWhenClosed = (stream: NodeJS.WriteStream) =>
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
endWhenClosed(process.stdout)
endWhenClosed(process.stderr)

if (only === "--version" || only === "-v") {
  process.stdout.write(`${versionLine}\n`)
} else if (only === "--help" || only === "-h") {
  process.stdout.write(readFileSync(help, "utf8"))
} else {
  const folder = process.env.ECO2_STATE || fileURLToPath(new URL("../../.eco2", import.meta.url))
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    enableCompileCache(join(folder, "compile-cache"))
  } catch {
    // a read-only place: the start takes longer
  }
  const { shorten } = await import("./ModulePaths.ts")
  shorten()
  const { main } = await import("./Run.ts")
  main(words)
}
