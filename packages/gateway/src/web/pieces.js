/**
 * Pieces: the text that a running stage has written so far, put together from the stream's text events. Pure; draft.js shows it.
 * Each event says at which place of which attempt's text it belongs, so a piece may come twice, late or not at all.
 */

/** @typedef {{ readonly attempt: number, readonly text: string }} Running the attempt, 0 before any, and its text so far */

/** @type {Running} */
export const nothing = { attempt: 0, text: "" }

/** Statuses of text events. @param {string} status */
export const isText = (status) => status === "delta" || status === "restarted"

/**
 * What is known after an event with status `delta` or `restarted`; `held` itself where the event adds nothing.
 * - an overlap with what is held is cut
 * - after a gap the piece waits for the whole text, which a reconnect brings, or for the result
 * - an earlier attempt's piece is dropped; a later attempt begins anew
 * @param {Running} held
 * @param {string} status
 * @param {unknown} result of the event: `{attempt, offset, text}`, offset in UTF-16 units
 * @returns {Running}
 */
export const placed = (held, status, result) => {
  const { attempt, offset, text } = /** @type {Record<string, unknown>} */ (Object(result))
  if (typeof attempt !== "number" || !Number.isSafeInteger(attempt) || attempt < held.attempt) return held
  if (status === "restarted") return { attempt, text: "" }
  if (typeof text !== "string" || typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) return held
  const before = attempt === held.attempt ? held.text : ""
  const isNew = offset <= before.length && offset + text.length > before.length
  return isNew ? { attempt, text: before + text.slice(before.length - offset) } : held
}

/**
 * The text up to its last whole word, so that no word moves to the next line while it is written. All of it where a sentence
 * ends, and where no space is near (some languages have none).
 * @param {string} text
 */
export const wholeWords = (text) => (/[.!?…。)\]"'”’]$/.test(text) ? text : text.replace(/(\s)\S{1,24}$/, "$1"))
