/**
 * PayloadLimit: how much of what comes from outside goes into Redis in one piece. Redis does one thing at a time: a large
 * value holds up everybody, and a job's hash is read whole with every begin. Whoever takes bytes in compares before it
 * sends, and refuses with an error that names what was given and what is allowed: Pipeline.submit (InputTooLarge),
 * Mailbox.append (MessageTooLarge), the stage behavior (OutputRejected). How many there may be is the capacities' matter.
 */

/** JSON text: a job's input, a stage's output, a message's body, all messages of one stage's commit. */
export const mostBytes = 256 * 1024
/** An image, which is stored beside its job and passes no script. */
export const mostImageBytes = 16 * 1024 * 1024
/** An owner, which is part of key names, or an idempotency key, which is hashed. */
export const mostNameBytes = 1024
/** Characters of what an error says, in letters and jobs; the log has it as well. */
export const mostReasonLength = 1_000
