/**
 * start: runs the given words under a Node that runs TypeScript. Version and help are printed without the command line being
 * loaded. What a start compiles is kept in the state folder, which nobody else can write, so that the next start computes less; hence the
 * late imports. JavaScript: with the first TypeScript file outside of that cache Node loads its own compiler.
 */
import { enableCompileCache } from "node:module"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const beside = (name) => new URL(`./${name}`, import.meta.url)
const words = process.argv.slice(2)
const only = words.length === 1 ? words[0] : undefined

/** A reader that has seen enough (`| head`) ends the command; Node would print a stack, and what has no end would go on. */
const endWhenClosed = (stream) =>
  stream.on("error", (error) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
endWhenClosed(process.stdout)
endWhenClosed(process.stderr)

if (only === "--version" || only === "-v") {
  process.stdout.write(`eco2 v${JSON.parse(readFileSync(beside("package.json"), "utf8")).version}\n`)
} else if (only === "--help" || only === "-h") {
  // what Cli prints; a test compares them, and `vitest --update` writes it
  process.stdout.write(readFileSync(beside("help.txt"), "utf8"))
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
