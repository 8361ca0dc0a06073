/**
 * Text: turns titles and sentences from sources into plain text: no markup, no entities, nothing invisible.
 * Plain text is not safe HTML: `<` and `&` remain where they were meant.
 */
import { Parser } from "htmlparser2"

/** Elements whose content is not shown. */
const unread = new Set(["script", "style", "template", "noscript", "iframe", "object", "svg"])
/** Elements that separate words. */
const parting = new Set([
  "br",
  "p",
  "div",
  "li",
  "ul",
  "ol",
  "tr",
  "td",
  "th",
  "h1",
  "h2",
  "h3",
  "h4",
  "hr",
  "img",
  "table"
])
/** Markup escaped once too often. Other words in angle brackets are titles of works. */
const escapedTags = /<\/?(?:b|strong|em|i|u|br|p|span|a|div|img|font|mark)(?:\s[^<>]*)?\/?>/gi
/** Entities escaped once too often. */
const entity = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z]{2,8}\d{0,2});/i
/** Control characters, and characters that change the direction of text or have no width. */
const invisible = /[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff]/gu

const mostRead = 20_000

const stripped = (markup: string): string => {
  let text = ""
  let inside = 0
  const parser = new Parser({
    onopentagname: (name) => {
      if (unread.has(name)) inside++
      if (parting.has(name)) text += " "
    },
    onclosetag: (name) => {
      if (unread.has(name)) inside--
      if (parting.has(name)) text += " "
    },
    ontext: (part) => {
      if (inside === 0) text += part
    }
  })
  parser.end(markup)
  return text
}

/**
 * The visible text of a piece of HTML, on one line, at most `most` UTF-16 units; cut at a character, with `…`.
 * Idempotent except for markup that was escaped twice.
 */
export const plain = (markup: string, most: number): string => {
  const head = markup.slice(0, mostRead)
  let text = /[<&]/.test(head) ? stripped(head) : head
  if (entity.test(text)) text = stripped(text.replace(/</g, "&lt;"))
  text = text.replace(escapedTags, " ").replace(/\s+/g, " ").replace(invisible, "").toWellFormed().trim()
  if (text.length <= most) return text
  // half of a surrogate pair is no character
  return `${text
    .slice(0, most - 1)
    .replace(/[\ud800-\udbff]$/, "")
    .trimEnd()}…`
}
