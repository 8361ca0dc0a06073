/**
 * PageText: fills the words of a language into a page's markup, so that its first paint is in the reader's language. `data-text`
 * names the key of an empty element's text, `data-text-<attribute>` that of an attribute; the page itself does the same when the
 * reader switches (i18n.js). A key without words stops the process at start.
 */
export type Words = Readonly<Record<string, string>>

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }
export const escape = (text: string): string => text.replace(/[&<>"]/g, (found) => entities[found] ?? found)

const openTag = /<[a-z][^<>]*>/g
const textKey = /\bdata-text="([^"]+)"/
const attributeKeys = /\bdata-text-([a-z-]+)="([^"]+)"/g

export const fill = (markup: string, words: Words): string => {
  const wordsOf = (key: string): string => {
    const found = words[key]
    if (found === undefined) throw new Error(`the page has no words for ${key}`)
    return escape(found)
  }
  return markup.replace(openTag, (tag) => {
    const named = tag.replace(attributeKeys, (whole, name: string, key: string) => `${whole} ${name}="${wordsOf(key)}"`)
    const key = textKey.exec(tag)?.[1]
    return key === undefined ? named : `${named}${wordsOf(key)}`
  })
}
