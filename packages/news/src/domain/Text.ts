/**
 * Text: turns titles and sentences from sources into plain text: no markup, no entities, nothing invisible.
 * Plain text is not safe HTML: `<` and `&` remain where they were meant. Only HTML's own tags are markup: `<Our Planet>` is a
 * title, and `a<b` a comparison. One pass over the text, without a tree: its cost grows with the length alone, whatever it nests.
 */
import { Parser } from "htmlparser2"

/** Elements whose content is not shown. */
const unread = new Set([
  "script",
  "style",
  "template",
  "noscript",
  "iframe",
  "object",
  "svg",
  "math",
  "head",
  "audio",
  "video"
])
/** Elements that separate words. */
const parting = new Set(
  (
    "address article aside blockquote br caption center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 " +
    "header hr img li main nav ol option p pre section table tbody td tfoot th thead tr ul"
  ).split(" ")
)
/** HTML's elements, those of the past too; what else stands in angle brackets is meant to be read. */
const elements = new Set([
  ...unread,
  ...parting,
  ...(
    "a abbr acronym area b base basefont bdi bdo big blink body button canvas cite code col colgroup data datalist del details " +
    "dfn dialog dir em embed font frame frameset html i input ins kbd label legend link map mark marquee menu meta meter nobr " +
    "noframes optgroup output param picture progress q rp rt ruby s samp search select slot small source span strike strong " +
    "sub summary sup textarea time title track tt u var wbr"
  ).split(" ")
])
/** Word processors' and components' elements: `o:p`, `my-card`. */
const isForeign = (name: string) => /^[a-z][a-z0-9]*[:-][a-z][\w:-]*$/.test(name)

const tagStart = /<(\/?)([a-z][a-z0-9:-]*)(?=[\s/>])/giy
/** Up to the end of a tag; a tag does not contain another one. */
const tagRest = /(?:[^<>"']|"[^"]*"|'[^']*')*>/y
/** What is no tag and not shown, and its end. */
const unseen: ReadonlyArray<readonly [start: RegExp, end: string]> = [
  [/<!--/y, "-->"],
  [/<!\[CDATA\[/y, "]]>"],
  [/<![a-z]/iy, ">"],
  [/<\?[a-z]/iy, ">"]
]
/** Attributes that have no value. */
const valueless =
  /^(?:allowfullscreen|async|autoplay|checked|clear|compact|controls|defer|disabled|hidden|itemscope|loop|muted|noshade|novalidate|nowrap|open|readonly|required|reversed|selected)$/i

const entity = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z]{2,8}\d{0,2});/i
const tag = /<\/?[a-z][a-z0-9:-]*[\s/>]/i
/** Control characters, and characters that change the direction of text or have no width. */
const invisible = /[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff]/gu

const mostRead = 20_000

/** Entities only: no `<` is left that could begin a tag. */
const decoded = (text: string): string => {
  if (!text.includes("&")) return text
  let plain_ = ""
  const parser = new Parser({ ontext: (part) => void (plain_ += part) })
  parser.end(text.replaceAll("<", "&lt;"))
  return plain_
}

/** The tag at this place: its name, whether it closes, and where it ends; null: what stands there is text. */
const tagAt = (text: string, at: number) => {
  tagStart.lastIndex = at
  const [whole, slash = "", given = ""] = tagStart.exec(text) ?? []
  const name = given.toLowerCase()
  if (whole === undefined || !(elements.has(name) || isForeign(name))) return null
  tagRest.lastIndex = at + whole.length
  const rest = tagRest.exec(text)?.[0]
  // the last tag of a text that was cut
  if (rest === undefined) {
    const left = text.slice(at + whole.length)
    return left.includes("=") && !left.includes("<") ? { name, closes: slash !== "", end: text.length } : null
  }
  // `a<b and c>d` compares, `<Data Center>` is a title: attributes have values
  const words = rest
    .slice(0, -1)
    .replace(/\/\s*$/, "")
    .trim()
  if (words !== "" && !words.includes("=") && !words.split(/\s+/).every((word) => valueless.test(word))) return null
  return { name, closes: slash !== "", end: at + whole.length + rest.length }
}

/** A comment, declaration or instruction at this place, its end, and what is shown of it; null: none stands there. */
const skippedAt = (text: string, at: number) => {
  for (const [start, end] of unseen) {
    start.lastIndex = at
    const [opened] = start.exec(text) ?? []
    if (opened === undefined) continue
    const content = at + opened.length
    const over = text.indexOf(end, content)
    const until = over < 0 ? text.length : over
    return {
      text: end === "]]>" ? text.slice(content, until).replaceAll("&", "&amp;") : "",
      end: Math.min(text.length, until + end.length)
    }
  }
  return null
}

/** The shown text of a piece of HTML, its entities not yet decoded. */
const shown = (markup: string): string => {
  let text = ""
  for (let at = 0; at < markup.length;) {
    const next = markup.indexOf("<", at)
    if (next < 0) return text + markup.slice(at)
    text += markup.slice(at, next)
    const skipped = skippedAt(markup, next)
    if (skipped !== null) {
      text += skipped.text
      at = skipped.end
      continue
    }
    const found = tagAt(markup, next)
    if (found === null) {
      text += "<"
      at = next + 1
      continue
    }
    if (parting.has(found.name)) text += " "
    at = found.end
    if (!unread.has(found.name) || found.closes || /\/\s*>$/.test(markup.slice(next, at))) continue
    // its content, which may look like markup
    const close = new RegExp(`</${found.name}[\\s/>]`, "gi")
    close.lastIndex = at
    at = close.exec(markup)?.index ?? markup.length
  }
  return text
}

const read = (markup: string): string => decoded(/[<]/.test(markup) ? shown(markup) : markup)

/**
 * The visible text of a piece of HTML, on one line, at most `most` UTF-16 units; cut at a character, with `…`.
 * Idempotent except for markup that was escaped twice.
 */
export const plain = (markup: string, most: number): string => {
  let text = read(markup.slice(0, mostRead))
  // escaped once too often
  if (entity.test(text)) text = decoded(text)
  if (tag.test(text)) text = shown(text)
  text = text.replace(/\s+/g, " ").replace(invisible, "").toWellFormed().trim()
  if (text.length <= most) return text
  // half of a surrogate pair is no character
  return `${text
    .slice(0, most - 1)
    .replace(/[\ud800-\udbff]$/, "")
    .trimEnd()}…`
}

/** The first words of a text, for what has no title; "" if it has none. */
export const firstWords = (markup: string): string => {
  const most = 80
  const text = plain(markup, 400)
  const [sentence = ""] = /^.{12,80}?[.!?。…](?=\s|$)/u.exec(text) ?? []
  if (sentence !== "") return sentence
  if (text.length <= most) return text
  const cut = text.slice(0, most)
  const word = cut.lastIndexOf(" ")
  return `${cut
    .slice(0, word > most / 2 ? word : most)
    .replace(/[\ud800-\udbff]$/, "")
    .trimEnd()}…`
}
