/**
 * JobEvent: an event that viewers of a job receive, in order; `seq` is its place in the job's history (J4). Stored without seq
 * and job id, which follow from the place in the list and from the key. Scripts write events; EventLog reads them.
 */
import { Schema } from "effect"

export const EventStatus = Schema.Literals(["started", "completed", "retrying", "failed", "cancelled"])
export type EventStatus = typeof EventStatus.Type

/** `ts`: epoch seconds by Redis's clock; `progress`: percent; `result`: facts of a retry, else null. */
export const StoredEvent = Schema.Struct({
  ts: Schema.Finite,
  stage: Schema.String,
  status: EventStatus,
  progress: Schema.Int,
  result: Schema.Unknown
})
export type StoredEvent = typeof StoredEvent.Type

export interface JobEvent extends StoredEvent {
  readonly seq: number
}

/** Event names that are no stages: the first event of a run, and the three terminal events. */
export const terminalStages: ReadonlySet<string> = new Set(["done", "failed", "cancelled"])
export const isTerminal = (event: { readonly stage: string }): boolean => terminalStages.has(event.stage)

/** JSON members without braces, as scripts expect them (a script puts `ts` first). */
export const fragment = (event: Omit<StoredEvent, "ts">): string => JSON.stringify(event).slice(1, -1)

/** The `retrying` event without its end: the script adds `next_at` and closes it. */
export const openRetrying = (stage: string, progress: number, code: string, attempt: number): string =>
  fragment({ stage, status: "retrying", progress, result: { code, attempt } }).replace(/\}$/, "")
