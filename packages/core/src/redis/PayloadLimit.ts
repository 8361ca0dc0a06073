/**
 * PayloadLimit: the largest value from outside that is stored in Redis. Redis runs one command at a time, so a large value
 * delays every client, and every begin reads a job's whole hash. The size is checked before sending; the error names the size
 * and the limit: Pipeline.submit (InputTooLarge), Mailbox.append (MessageTooLarge), the stage behavior (OutputRejected).
 * Capacities limit how many values there are.
 */

/** JSON text: a job's input, a stage's output, a message's body, all messages of one commit together. */
export const mostBytes = 256 * 1024
/** An image; it is stored beside its job and no script reads it. */
export const mostImageBytes = 16 * 1024 * 1024
/** An owner (part of key names) or an idempotency key (hashed). */
export const mostNameBytes = 1024
/** Characters of an error's message stored in dead letters and jobs; the log has the message too. */
export const mostReasonLength = 1_000
