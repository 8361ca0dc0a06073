/**
 * ModelText: finds the one JSON object in what a model wrote. Models put code fences, their thoughts (`<think>…</think>`) or a
 * sentence around the object that was asked for; the answer was paid, and its content is there. Some write NUL, or half of a
 * surrogate pair, as an escape: no store takes such text, so it is taken out here, before anything is stored.
 */

/** Texts that may be the object, the likeliest first. */
const candidates = (text: string): ReadonlyArray<string> => {
  const said = withoutThoughts(text.replace(/^\uFEFF/, "")).trim()
  const fenced = [...said.matchAll(/```[a-z]*\s*\n?([\s\S]*?)```/gi)].map(([, inside = ""]) => inside.trim())
  const found = objects(said)
  return [said, ...(fenced.length === 1 ? fenced : []), ...(found.length === 1 ? found : [])]
}

/** Thoughts end with the last closing tag; some templates leave the opening tag out. */
const withoutThoughts = (text: string): string => {
  const [tag] = [...text.matchAll(/<\/(?:think|thinking|thought|reasoning)>/gi)].slice(-1)
  if (tag === undefined) return text
  // a tag inside a string of the object is the answer's own
  const before = text.slice(0, tag.index)
  return /^\s*\{/.test(text) && isObject(text.trim()) ? text : text.slice(before.length + tag[0].length)
}

const isObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** The JSON objects in a text that are not inside another one. */
const objects = (text: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let at = text.indexOf("{"); at !== -1; at = text.indexOf("{", at)) {
    const end = endOfObject(text, at)
    const part = end === null ? null : text.slice(at, end)
    if (part !== null && isObject(part)) {
      found.push(part)
      at = at + part.length
    } else {
      at++
    }
    if (found.length > 1) break
  }
  return found
}

/** The index behind the brace that closes the one at `from`; null if none does. */
const endOfObject = (text: string, from: number): number | null => {
  let depth = 0
  let isString = false
  for (let at = from; at < text.length; at++) {
    const char = text[at]
    if (isString) {
      if (char === "\\") at++
      else if (char === '"') isString = false
    } else if (char === '"') isString = true
    else if (char === "{") depth++
    else if (char === "}" && --depth === 0) return at + 1
  }
  return null
}

const noText = /\\u(?:0000|d[89a-f])/i
/** The same JSON, whose strings have no NUL, and U+FFFD in the place of half a surrogate pair. */
const storable = (json: string): string =>
  noText.test(json)
    ? JSON.stringify(
        JSON.parse(json, (_, value: unknown) =>
          typeof value === "string" ? value.replaceAll("\0", "").toWellFormed() : value
        )
      )
    : json

/** The text of the one JSON object, with strings that can be stored; the text as it is if there is none, or more than one. */
export const objectIn = (text: string): string => {
  const found = candidates(text).find(isObject)
  return found === undefined ? text : storable(found)
}
