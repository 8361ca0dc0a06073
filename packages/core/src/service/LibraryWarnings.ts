/**
 * LibraryWarnings: what libraries print by themselves (`console.warn`, `console.error`, Node's own warnings) becomes lines of the
 * log. On standard error nobody parses them, they carry no time and no level, and a driver repeats them for every connection.
 * Each text is logged once in a process's life, whatever numbers are in it. For Logging.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import { format } from "node:util"

/** Different texts that are remembered; further ones are not logged. */
const mostTexts = 100

/** `log`: receives each warning once. Ends with the scope, after which libraries print as before. */
export const capture = (log: (warning: string) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const said = new Set<string>()
        const hear = (...words: ReadonlyArray<unknown>) => {
          const text = format(...words)
          const kind = text.replaceAll(/\d+/g, "#").slice(0, 200)
          if (said.has(kind) || said.size >= mostTexts) return
          said.add(kind)
          log(text)
        }
        const before = { warn: console.warn, error: console.error, listeners: process.listeners("warning") }
        console.warn = hear
        console.error = hear
        // Node prints its warnings by a listener of its own
        process.removeAllListeners("warning")
        process.on("warning", (warning) => hear(`${warning.name}: ${warning.message}`))
        return before
      }),
      ({ error, listeners, warn }) =>
        Effect.sync(() => {
          console.warn = warn
          console.error = error
          process.removeAllListeners("warning")
          for (const listener of listeners) process.on("warning", listener)
        })
    )
  )
