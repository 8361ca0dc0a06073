/**
 * SyncTrace: measures with strace how much of a file is on the disk and not only in the page cache: the bytes written before the
 * last completed fdatasync began. Killing a process keeps the page cache; truncating the file to this length leaves the least
 * that a power loss would leave.
 */
import { Effect, Schedule, Schema } from "effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { find, redisServer } from "../../deploy/local/SystemProgram.ts"
import * as Program from "../harness/Program.ts"

/** The trace does not show what happened to the file, so no figure can be derived. */
export class TraceUnusable extends Schema.TaggedError<TraceUnusable>()("TraceUnusable", { reason: Schema.String }) {
  override get message() {
    return `the trace of the append-only file cannot be used: ${this.reason}`
  }
}

export interface Read {
  /** Bytes written by calls that have returned. */
  readonly written: number
  /** Bytes of these that are certainly on the disk. */
  readonly durable: number
  /** A write has begun and did not return: the file may have up to this many bytes more. */
  readonly underWay: number
  /** The process is dead, so no call follows. */
  readonly over: boolean
}

/** `-f -y -s 0` lines of write, fdatasync and fsync on one file that was empty at first. `pid`: the process's main thread. */
export const read = (lines: Iterable<string>, pid: number): Read => {
  let [written, durable, over] = [0, 0, false]
  const writing = new Map<string, number>()
  const syncing = new Map<string, number>()
  for (const line of lines) {
    const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (/^\+\+\+ (killed|exited)/.test(rest)) {
      if (thread === String(pid)) over = true
      continue
    }
    const begun = /^(write|fdatasync|fsync)\(/.exec(rest)?.[1]
    const call = begun ?? /^<\.\.\. (write|fdatasync|fsync) resumed>/.exec(rest)?.[1]
    if (call === undefined) continue
    if (begun === "write") writing.set(thread, Number(/, (\d+)(?:\)| <unfinished)/.exec(rest)?.[1] ?? 0))
    else if (begun !== undefined) syncing.set(thread, written)
    // neither "<unfinished ...>" nor "= ?": the call returned
    const answer = /\) += (-?\d+)/.exec(rest)?.[1]
    if (answer === undefined) continue
    if (call === "write") {
      written += Math.max(0, Number(answer))
      writing.delete(thread)
    } else {
      if (answer === "0") durable = Math.max(durable, syncing.get(thread) ?? 0)
      syncing.delete(thread)
    }
  }
  return { written, durable, underWay: [...writing.values()].reduce((sum, bytes) => sum + bytes, 0), over }
}

export interface SyncTrace {
  /** Runs the server under strace with the given arguments; the process keeps its id (-D: the tracer is a separate process). */
  readonly program: string
  /** After the process `pid` was killed: truncates the file to what was on the disk; returns the number of bytes removed. */
  readonly cut: (pid: number) => Effect.Effect<number, TraceUnusable>
}

const writeProgram = (folder: string, file: string, server: string, syncMillis = 0) => {
  const [program, trace] = [join(folder, "traced"), join(folder, "trace")]
  const slow = syncMillis === 0 ? "" : ` -e inject=fdatasync:delay_enter=${syncMillis * 1000}`
  const strace = `strace -D -f -y -s 0 --seccomp-bpf -e trace=write,fdatasync,fsync${slow} -P '${file}' -o '${trace}'`
  Program.write(program, [`exec ${strace} ${server} "$@"`])
  return { program, trace }
}

/** `folder`: for program and trace. `file`: absolute, does not exist yet. `syncMillis`: how much longer each sync takes. */
export const make = (folder: string, file: string, syncMillis = 0): SyncTrace => {
  const server = `'${find(redisServer)}'`
  const { program, trace } = writeProgram(folder, file, server, syncMillis)
  const look = (pid: number) => Effect.sync(() => read(readFileSync(trace, "utf8").split("\n"), pid))
  return {
    program,
    cut: Effect.fnUntraced(function* (pid) {
      const { durable, underWay, written } = yield* look(pid).pipe(
        Effect.repeat({ until: ({ over }) => over, schedule: Schedule.spaced("10 millis") }),
        Effect.timeoutOrElse({
          duration: "5 seconds",
          orElse: () => Effect.fail(new TraceUnusable({ reason: "it does not tell of the server's death" }))
        })
      )
      const { size } = statSync(file)
      if (size < written || size > written + underWay) {
        const reason = `it tells of ${written} bytes (${underWay} more under way), the file has ${size}`
        return yield* new TraceUnusable({ reason })
      }
      truncateSync(file, durable)
      return size - durable
    })
  }
}

/** The reason why this machine cannot trace, or null. */
export const obstacle = (path: string = process.env.PATH ?? ""): string | null => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-trace-"))
  try {
    const { program } = writeProgram(folder, join(folder, "nothing"), "true")
    const { status, stderr } = spawnSync("/bin/sh", [program], {
      env: { PATH: path },
      encoding: "utf8",
      timeout: 5_000
    })
    if (status === 0) return null
    if (status === 127) return "strace is not installed"
    return `strace may not trace here: ${stderr.trim().split("\n", 1)[0] || `it ended with ${status}`}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
