/**
 * OpenFiles: how many sockets the system lets this process have. A stream is one, so MAX_VIEWERS beyond that would be met by
 * EMFILE, which refuses everybody, and not by 503, which refuses the one too many.
 */
import { Effect, Predicate } from "effect"
import { readFileSync } from "node:fs"

/** For connections to the stores, requests that are no streams, and what Node itself holds. */
const kept = 100

/** Of `/proc/self/limits`; null where it says nothing or unlimited. Node has raised the soft limit to the hard one by now. */
export const mostOpenFiles = (limits: string): number | null => {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(limits) ?? []
  return soft === undefined ? null : Number(soft)
}

/** Empty where there is no such file: not Linux. Under Deno it can be read with all permissions alone (`-A`). */
const limitsOf = (file: string) =>
  Effect.try({ try: () => readFileSync(file, "utf8"), catch: (error) => error }).pipe(
    Effect.catch((error) =>
      Predicate.hasProperty(error, "code") && error.code === "ENOENT"
        ? Effect.succeed("")
        : Effect.as(
            Effect.logWarning("the limit of open files cannot be read: MAX_VIEWERS is not lowered to it").pipe(
              Effect.annotateLogs({ file, error: error instanceof Error ? error.message : String(error) })
            ),
            ""
          )
    )
  )

/** `maxViewers`, or as many as there are files for; a warning says so, and also that the limit cannot be read. */
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
