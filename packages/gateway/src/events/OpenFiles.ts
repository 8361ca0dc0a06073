/**
 * OpenFiles: how many sockets the system lets this process have. A stream is one, so MAX_VIEWERS beyond that would be met by
 * EMFILE, which refuses everybody, and not by 503, which refuses the one too many.
 */
import { Effect } from "effect"
import { readFileSync } from "node:fs"

/** For connections to the stores, requests that are no streams, and what Node itself holds. */
const kept = 100

/** Of `/proc/self/limits`; null where it says nothing or unlimited. Node has raised the soft limit to the hard one by now. */
export const mostOpenFiles = (limits: string): number | null => {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(limits) ?? []
  return soft === undefined ? null : Number(soft)
}

const limits = Effect.sync(() => {
  try {
    return readFileSync("/proc/self/limits", "utf8")
  } catch {
    // not Linux: nothing is known, and nothing lowered
    return ""
  }
})

/** `maxViewers`, or as many as there are files for, which is said. */
export const viewersWithin = Effect.fnUntraced(function* (maxViewers: number) {
  const files = mostOpenFiles(yield* limits)
  const most = files === null ? maxViewers : Math.min(maxViewers, Math.max(1, files - kept))
  if (most < maxViewers) {
    yield* Effect.logWarning("the limit of open files (ulimit -n) allows fewer streams than MAX_VIEWERS").pipe(
      Effect.annotateLogs({ streams: most, max_viewers: maxViewers, open_files: files })
    )
  }
  return most
})
