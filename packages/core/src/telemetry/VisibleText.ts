/**
 * VisibleText: text of strangers, for a terminal. An operator reads users' names, messages of models and servers; a control
 * character in them could move the cursor, rename the window, answer for the operator, or reverse what is shown. Here it
 * becomes the six characters of its escape, `\u001b`. For Logging and the command line.
 */

/** Control characters (Cc); the marks that change the direction of writing; the separators that some take for a new line. */
const control = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu
const hex = (letter: string) => letter.charCodeAt(0).toString(16).padStart(4, "0")

/** Part of a line: new lines and tabs are shown too. */
export const of = (text: string): string => text.replaceAll(control, (letter) => `\\u${hex(letter)}`)

/** Whole lines, such as a table, or JSON, in which the escapes are valid. `mark`: how an escape begins. */
export const lines = (text: string, mark = "\\u"): string =>
  text.replaceAll(control, (letter) => (letter === "\n" ? letter : `${mark}${hex(letter)}`))
