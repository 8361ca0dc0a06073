/**
 * JobEvent: what viewers of a job are told, in order; `seq` is the event's place in the job's history (J4).
 * Stored without seq and job id: the place in the list and the key say both. Written by the scripts, read by EventLog.
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

/** Names of events that are not a stage's: the first of a run, and the three that end one. */
export const terminalStages: ReadonlySet<string> = new Set(["done", "failed", "cancelled"])
export const isTerminal = (event: { readonly stage: string }): boolean => terminalStages.has(event.stage)

/** JSON members without braces, as the scripts take them (they put `ts` first). */
export const fragment = (event: Omit<StoredEvent, "ts">): string => JSON.stringify(event).slice(1, -1)

/** The `retrying` event, open at its end: the script adds `next_at` and closes it. */
export const openRetrying = (stage: string, progress: number, code: string, attempt: number): string =>
  fragment({ stage, status: "retrying", progress, result: { code, attempt } }).replace(/\}$/, "")
