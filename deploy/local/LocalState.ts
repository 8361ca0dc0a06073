/**
 * LocalState: the folder `.eco2/` with everything that `npm start` keeps (Redis' data, Postgres' data, logs).
 * One start holds the folder, because two servers on the same data would corrupt it; a second start is refused with one line.
 * A start that was killed leaves its lock behind; the next one sees that the holder is dead and takes the lock over.
 * The folder is private: questions, pictures and secrets of whoever uses this start are in it. Folders are 0700 and files 0600;
 * what an earlier version left open to others is closed. New files are private by the umask (main.ts).
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { CauseText } from "@eco2/core/telemetry"
import { Effect, Schema } from "effect"
import type { Scope } from "effect"
import * as ProcessLock from "../../scripts/ProcessLock.mjs"

/** Another process, `pid`, uses this folder. Nothing was changed. */
export class LocalStateBusy extends Schema.TaggedError<LocalStateBusy>()("LocalStateBusy", {
  directory: Schema.String,
  pid: Schema.Int
}) {
  override get message() {
    return `already running as process ${this.pid} (${this.directory}); stop it first, or start from another checkout`
  }
}

/** The folder cannot be created or written to. */
export class LocalStateUnusable extends Schema.TaggedError<LocalStateUnusable>()("LocalStateUnusable", {
  directory: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `cannot use ${this.directory}: ${CauseText.of(this.cause)}`
  }
}

export interface LocalState {
  /** Absolute, without symbolic links. */
  readonly directory: string
  /** Absolute path of a file or folder in it, which the caller creates. */
  readonly path: (name: string) => string
}

/** Closes a file or folder to other users; one that is another user's (a mounted volume) is left as it is. */
const closeToOthers = (path: string): void => {
  const { mode, uid } = lstatSync(path)
  if ((mode & 0o077) !== 0 && uid === process.getuid?.()) chmodSync(path, mode & 0o700)
}
const makePrivate = (directory: string): void => {
  if ((lstatSync(directory).mode & 0o077) === 0) return
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    // a link's own mode says nothing, and what it leads to may not be ours
    if (!entry.isSymbolicLink()) closeToOthers(join(entry.parentPath, entry.name))
  }
  // last, so that a start that ends halfway is repeated
  closeToOthers(directory)
}

/** Creates the folder if it is missing, and holds it until the scope closes. */
export const make = (options: {
  readonly directory: string
}): Effect.Effect<LocalState, LocalStateBusy | LocalStateUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        mkdirSync(options.directory, { recursive: true, mode: 0o700 })
        const directory = realpathSync(options.directory)
        const lock = ProcessLock.take(join(directory, "lock"))
        if (lock.taken) makePrivate(directory)
        return { directory, lock }
      },
      catch: (cause) => new LocalStateUnusable({ directory: options.directory, cause })
    }).pipe(
      Effect.flatMap(({ directory, lock }) =>
        lock.taken
          ? Effect.succeed({ directory, release: lock.release })
          : Effect.fail(new LocalStateBusy({ directory, pid: lock.pid }))
      )
    ),
    ({ release }) => Effect.sync(release)
  ).pipe(Effect.map(({ directory }) => ({ directory, path: (name) => join(directory, name) })))
