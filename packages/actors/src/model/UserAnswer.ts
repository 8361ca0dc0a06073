/**
 * UserAnswer: reads `user_answer` from a model's JSON while it is still being written. Only for showing the text as it grows:
 * the answer itself is decoded from the whole output (ModelOutput).
 * Text before the object, a code fence or thoughts (`<think>…</think>`), is skipped. The text never ends in half a character.
 */

const name = "user_answer"
const escapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }
const isHigh = (unit: string) => unit >= "\uD800" && unit <= "\uDBFF"

/** Reads pieces of JSON, however they are cut. */
export class UserAnswerReader {
  /** before: no object yet · thinking: in a thought · inside: in the object · value: in the text · done: behind it */
  #state: "before" | "thinking" | "inside" | "value" | "done" = "before"
  /** The end of what was read before the object, to find tags in. */
  #tail = ""
  #depth = 0
  /** In a string of the object: its text; null outside. */
  #string: string | null = null
  /** The last string at depth 1, until it is known whether it is a key. */
  #key: string | null = null
  #isEscaped = false
  /** The hexadecimal digits of `\u`; null outside. */
  #unicode: string | null = null
  /** Half a character at the end. */
  #half = ""
  #text = ""

  /** The text so far, if this piece made it longer; else null. */
  read(piece: string): string | null {
    const before = this.#text.length
    for (let at = 0; at < piece.length && this.#state !== "done"; at++) this.#next(piece.charAt(at))
    return this.#text.length > before ? this.#text : null
  }

  #next(char: string): void {
    switch (this.#state) {
      case "before":
      case "thinking": {
        this.#tail = (this.#tail + char).slice(-12).toLowerCase()
        if (this.#state === "thinking") {
          if (/<\/(?:think|thinking|thought|reasoning)>$/.test(this.#tail)) this.#state = "before"
        } else if (/<(?:think|thinking|thought|reasoning)>$/.test(this.#tail)) this.#state = "thinking"
        else if (char === "{") {
          this.#state = "inside"
          this.#depth = 1
        }
        return
      }
      case "inside":
        if (this.#string !== null) {
          const part = this.#character(char)
          if (part === "end") {
            this.#key = this.#depth === 1 ? this.#string : null
            this.#string = null
          } else if (this.#depth === 1) this.#string += part
          return
        }
        if (char === '"') {
          if (this.#depth === 1 && this.#key === `${name}:`) this.#state = "value"
          else this.#string = ""
        } else if (char === ":") this.#key = this.#key === null ? null : `${this.#key}:`
        else if (char === "{" || char === "[") this.#deeper(1)
        else if (char === "}" || char === "]") this.#deeper(-1)
        else if (char.trim() !== "") this.#key = null
        return
      case "value": {
        const part = this.#character(char)
        if (part === "end") this.#state = "done"
        else this.#add(part)
        return
      }
      case "done":
    }
  }

  #deeper(by: number): void {
    this.#key = null
    this.#depth += by
    if (this.#depth === 0) this.#state = "done"
  }

  /** One unit of a JSON string: its meaning, "" while an escape is incomplete, or `end`. */
  #character(char: string): string {
    if (this.#unicode !== null) {
      this.#unicode += char
      if (this.#unicode.length < 4) return ""
      const unit = Number.parseInt(this.#unicode, 16)
      this.#unicode = null
      return Number.isNaN(unit) ? "\uFFFD" : String.fromCharCode(unit)
    }
    if (this.#isEscaped) {
      this.#isEscaped = false
      if (char === "u") {
        this.#unicode = ""
        return ""
      }
      return escapes[char] ?? char
    }
    if (char === "\\") {
      this.#isEscaped = true
      return ""
    }
    return char === '"' ? "end" : char
  }

  #add(part: string): void {
    if (part === "") return
    if (isHigh(part)) {
      this.#half = part
      return
    }
    this.#text += this.#half + part
    this.#half = ""
  }
}

/** Calls `onText` with the text so far each time it has grown, until `end`. */
export const follow = (
  onText: (textSoFar: string) => void
): { readonly hear: (piece: string) => void; readonly end: () => void } => {
  const reader = new UserAnswerReader()
  let hasEnded = false
  return {
    hear: (piece) => {
      if (hasEnded) return
      const text = reader.read(piece)
      if (text !== null) onText(text)
    },
    end: () => {
      hasEnded = true
    }
  }
}
