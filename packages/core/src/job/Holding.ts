/**
 * Holding: a job's entry in the hands of a process, and what its attempt begins with and records. Types only, and the form of the
 * token. Neighbours: JobStore (sends them), Fence (what a token means in the job's hash), Suspicion (turns).
 */
import type { Partition } from "../redis/Keys.ts"
import type * as Job from "./Job.ts"
import type { JobId } from "./Job.ts"

/** A job's entry in a mailbox, and its holder. */
export interface Holding {
  readonly partition: Partition
  readonly id: JobId
  readonly stage: string
  /** The stage's own mailbox. */
  readonly home: string
  /** The mailbox of the entry: `home`, or an earlier stage's mailbox when the job was kept. */
  readonly mailbox: string
  readonly entry: string
  /** Unique to one `begin`. */
  readonly token: string
}

/** What a begin does with the entry of a suspect (A2): "look" leaves it and reports it; "run" begins it; a number puts it off. */
export type Turn = "look" | "run" | { readonly putOffMillis: number }

/** The token of a begin: `consumer` read the entry; begin.lua knows by the end whether the job runs alone there. */
export const tokenOf = (consumer: string, stage: string, begin: number, alone = false): string =>
  `${consumer}:${stage}.${begin}${alone ? "/alone" : ""}`

export type BeginReply =
  | { readonly _tag: "Run"; readonly job: Job.Job; readonly waitedMillis: number }
  /** It was in work when a process died, and has not begun. `record`: Suspicion.read; `fresh`: the crash was counted just now. */
  | { readonly _tag: "Suspect"; readonly record: number; readonly fresh: boolean }
  | { readonly _tag: "Unreadable"; readonly error: Job.JobUnreadable }
  | { readonly _tag: "Dropped"; readonly reason: string }

export interface Commit extends Holding {
  /** JSON text of the checkpoint. */
  readonly output: string
  /** `keep`: token under which the next stage begins here at once, if this is still the current holder; null: hand off. */
  readonly next: { readonly stage: string; readonly mailbox: string; readonly keep: string | null } | null
  readonly progress: number
  readonly dropImage: boolean
  readonly tells: ReadonlyArray<{ readonly mailbox: string; readonly type: string; readonly body: string }>
}

/**
 * committed: recorded, now or before, and handed off · kept: recorded, and the next stage has begun here · ended: the last
 * stage was recorded · lost: the job has moved on · gone: the job does not exist.
 */
export interface Committed {
  readonly outcome: "committed" | "kept" | "ended" | "lost" | "gone"
  readonly workMillis: number
}
