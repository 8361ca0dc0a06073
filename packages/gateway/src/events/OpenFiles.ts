/**
 * OpenFiles: the system's limit of open sockets for this process. Each stream needs one. With a higher MAX_VIEWERS the process
 * would run into EMFILE, which refuses everybody, instead of 503, which refuses one viewer too many.
 */
import { Effect, Predicate } from "effect"
import { readFileSync } from "node:fs"

/** Reserved for connections to the stores, other requests, and Node itself. */
const kept = 100

/** The limit in `/proc/self/limits`; null if it is missing or unlimited. Node has already raised the soft to the hard limit. */
export const mostOpenFiles = (limits: string): number | null => {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(limits) ?? []
  return soft === undefined ? null : Number(soft)
}

/** Empty if there is no such file (not Linux). Deno needs all permissions to read it (`-A`). */
const limitsOf = (file: string) =>
  Effect.try({ try: () => readFileSync(file, "utf8"), catch: (error) => error }).pipe(
    Effect.catch((error) =>
      Predicate.hasProperty(error, "code") && error.code === "ENOENT"
        ? Effect.succeed("")
        : Effect.as(
            Effect.logWarning("the limit of open files cannot be read; MAX_VIEWERS is unchanged").pipe(
              Effect.annotateLogs({ file, error: error instanceof Error ? error.message : String(error) })
            ),
            ""
          )
    )
  )

/** `maxViewers`, lowered to the number of available files; a warning says so, or that the limit cannot be read. */
export const viewersWithin = Effect.fnUntraced(function* (maxViewers: number, file = "/proc/self/limits") {
  const files = mostOpenFiles(yield* limitsOf(file))
  const most = files === null ? maxViewers : Math.min(maxViewers, Math.max(1, files - kept))
  if (most < maxViewers) {
    yield* Effect.logWarning("the limit of open files (ulimit -n) allows fewer streams than MAX_VIEWERS").pipe(
      Effect.annotateLogs({ streams: most, max_viewers: maxViewers, open_files: files })
    )
  }
  return most
})
