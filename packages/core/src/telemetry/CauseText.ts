/**
 * CauseText: the text of an unknown cause for a message or a log line: an error's own message, else what it prints as. It never
 * throws, also for an object without a prototype, which is what an error becomes when it is copied between processes.
 */
import { Inspectable, Predicate } from "effect"

export const of = (cause: unknown): string =>
  Predicate.hasProperty(cause, "message") && typeof cause.message === "string"
    ? cause.message
    : Inspectable.toStringUnknown(cause, 0)
