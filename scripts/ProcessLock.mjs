/**
 * ProcessLock: a lock at a path, held by at most one process. It is a folder that names its holder; a dead holder is recognised,
 * so that nobody has to delete anything by hand after a crash.
 * Plain JavaScript, because bootstrap.mjs needs it before anything is installed. Its types: ProcessLock.d.mts.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** A takeover takes milliseconds; one that has lasted this long was killed. */
const takeoverStaleMillis = 5000
let drafts = 0

/**
 * When the process started, in the system's own notation. Pid and start time identify a process for good; a pid alone may be
 * reused. `undefined`: no such process (a zombie counts as none). `""`: alive, start time unknown, as under Deno, which reads
 * /proc only with all permissions. Throws if we may not ask whether it is alive.
 */
export function startOf(pid) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === "ESRCH") return undefined
    if (error.code !== "EPERM") throw error
  }
  if (process.platform !== "linux") {
    const listed = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" })
    return listed.status === 0 ? listed.stdout.trim() : ""
  }
  try {
    // the name in brackets may contain spaces and brackets: count the fields after the last one
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19]
  } catch {
    return ""
  }
}

function holderOf(path) {
  try {
    const { pid, start } = JSON.parse(readFileSync(join(path, "holder.json"), "utf8"))
    return Number.isSafeInteger(pid) && pid > 0 && typeof start === "string" ? { pid, start } : { pid: 0, start: "" }
  } catch (error) {
    if (error.code === "ENOENT") return undefined
    // half written, or not ours; an unreadable lock may well be held
    if (error instanceof SyntaxError) return { pid: 0, start: "" }
    throw error
  }
}

function isHeld(holder) {
  if (holder === undefined || holder.pid === 0) return false
  const start = startOf(holder.pid)
  return start !== undefined && (start === "" || holder.start === "" || start === holder.start)
}

/** Renames a folder first, so that nobody sees a part of it, then deletes it. */
function drop(path) {
  const away = `${path}.gone-${process.pid}-${drafts++}`
  try {
    renameSync(path, away)
  } catch (error) {
    if (error.code === "ENOENT") return
    throw error
  }
  rmSync(away, { recursive: true, force: true })
}

/** Removes a dead holder's lock. One process at a time: two would remove each other's new lock. */
function takeOver(path) {
  const turn = `${path}.takeover`
  try {
    mkdirSync(turn)
  } catch (error) {
    if (error.code !== "EEXIST") throw error
    const since = statSync(turn, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    if (Date.now() - since > takeoverStaleMillis) drop(turn)
    else pause(20)
    return
  }
  try {
    if (!isHeld(holderOf(path))) drop(path)
  } finally {
    rmSync(turn, { recursive: true, force: true })
  }
}

/** Blocks this thread, for start-up code that has nothing else to do. */
export function pause(millis) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

/**
 * Takes the lock at `path` (its parent folder must exist), or names its holder.
 * Returns `{ taken: true, release }` or `{ taken: false, pid }`. Throws errors of the file system.
 */
export function take(path) {
  const me = { pid: process.pid, start: startOf(process.pid) ?? "" }
  const draft = `${path}.draft-${process.pid}-${drafts++}`
  mkdirSync(draft)
  try {
    writeFileSync(join(draft, "holder.json"), JSON.stringify(me))
    for (;;) {
      try {
        renameSync(draft, path) // fails if a non-empty folder is there, so check and act are one step
        return { taken: true, release: () => drop(path) }
      } catch (error) {
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error
      }
      const holder = holderOf(path)
      if (isHeld(holder)) return { taken: false, pid: holder.pid }
      takeOver(path)
    }
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
