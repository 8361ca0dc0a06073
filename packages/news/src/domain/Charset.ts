/**
 * Charset: decodes the bytes of a page or a feed as browsers do, in Node and Deno alike: the platform's decoder reads UTF-8 and
 * UTF-16, and `@exodus/bytes` the others (Node's own loses the 8,822 syllables that CP949 adds to EUC-KR). In this order:
 *   1. a byte order mark; UTF-16 without one, by its zero bytes
 *   2. valid UTF-8 is UTF-8, whatever it is said to be
 *   3. the charset of the response's header, then the document's own declaration, unless it is UTF-8
 *   4. UTF-8 with broken bytes, EUC-KR, windows-1252: whichever the bytes look like. One broken byte costs one character
 */
import { normalizeEncoding, TextDecoder as FullTextDecoder } from "@exodus/bytes/encoding.js"
import { isUtf8 } from "node:buffer"
import { TextDecoder } from "node:util"

/** Names that the standard does not know. */
const aliases: ReadonlyMap<string, string> = new Map(
  ["cp949", "ms949", "uhc", "x-windows-949", "euckr", "euc_kr"].map((name) => [name, "euc-kr"])
)
/** Bytes of a document that are searched for its declaration. */
const mostSniffed = 2048
/** Bytes, from the first that is not ASCII, that decide between charsets when none is declared. */
const mostWeighed = 64 * 1024

const declared = /<meta[^>]{1,500}charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]{1,200}encoding\s*=\s*["']([\w.:-]+)/i

/** The standard's name of a charset; null: none that a document may have. */
const nameOf = (label: string | undefined): string | null => {
  const given = label?.trim().toLowerCase() ?? ""
  const name = normalizeEncoding(aliases.get(given) ?? given)
  return name === "replacement" || name === "x-user-defined" ? null : name
}

/** Without the bytes of a last character that is cut off. */
const whole = (bytes: Uint8Array): Uint8Array => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte >= 0xc0) return bytes.subarray(0, bytes.length - back)
    if (byte < 0x80) break
  }
  return bytes
}

/** Characters of several bytes, and bytes that are no character, in UTF-8 and in EUC-KR. */
const weigh = (bytes: Uint8Array) => {
  const found = { utf8: 0, utf8Broken: 0, korean: 0, hangul: 0, koreanBroken: 0 }
  const at = (index: number) => bytes[index] ?? 0
  let from = 0
  while (from < bytes.length && at(from) < 0x80) from++
  const end = Math.min(bytes.length, from + mostWeighed)
  for (let i = from; i < end;) {
    const lead = at(i)
    const length = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1
    let follows = 1
    while (follows < length && (at(i + follows) & 0xc0) === 0x80) follows++
    if (lead >= 0x80 && length > 1 && lead < 0xf5 && follows === length) found.utf8++
    else if (lead >= 0x80) found.utf8Broken++
    i += lead >= 0x80 ? follows : 1
  }
  for (let i = from; i < end; i++) {
    const lead = at(i)
    if (lead < 0x80) continue
    const trail = at(i + 1)
    const isExtended =
      lead <= 0xc6 &&
      lead > 0x80 &&
      ((trail >= 0x41 && trail <= 0x5a) || (trail >= 0x61 && trail <= 0x7a) || trail > 0x80)
    if (lead >= 0xa1 && lead < 0xff && trail >= 0xa1 && trail < 0xff) found.korean++
    else if (isExtended) found.korean++
    else {
      found.koreanBroken++
      continue
    }
    if (lead >= 0xb0 && lead <= 0xc8 && trail >= 0xa1) found.hangul++
    i++
  }
  return found
}

/** The charset of bytes that are not valid UTF-8 and have no declared charset, or UTF-8. */
const guess = (bytes: Uint8Array): string => {
  const { hangul, korean, koreanBroken, utf8, utf8Broken } = weigh(bytes)
  if (utf8 > utf8Broken) return "utf-8"
  // single accented letters before Latin ones are pairs of CP949 too, but hardly any of its common syllables
  return hangul * 2 >= korean && korean > koreanBroken * 2 ? "euc-kr" : "windows-1252"
}

/** UTF-16 without a byte order mark: every other byte of its markup is zero. */
const utf16Of = (bytes: Uint8Array): string | null => {
  const head = bytes.subarray(0, 64)
  const zeros = (odd: number) => head.reduce((sum, byte, i) => sum + (byte === 0 && i % 2 === odd ? 1 : 0), 0)
  const [even, odd] = [zeros(0), zeros(1)]
  if (Math.max(even, odd) < head.length / 4) return null
  return odd > even ? "utf-16le" : "utf-16be"
}

const charsetOf = (bytes: Uint8Array, contentType: string | null): string => {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, mostSniffed)).toString("latin1")
  if (head.startsWith("\xef\xbb\xbf")) return "utf-8"
  if (head.startsWith("\xff\xfe")) return "utf-16le"
  if (head.startsWith("\xfe\xff")) return "utf-16be"
  const wide = utf16Of(bytes)
  if (wide !== null) return wide
  const [, inMeta, inXml] = declared.exec(head) ?? []
  const inHeader = /charset\s*=\s*["']?([\w.:-]+)/i.exec(contentType ?? "")?.[1]
  const named = [nameOf(inHeader), nameOf(inMeta ?? inXml)].find((name) => name !== null && !name.startsWith("utf-"))
  // its escapes are ASCII, and so valid UTF-8
  if (named === "iso-2022-jp") return named
  if (isUtf8(whole(bytes))) return "utf-8"
  return named ?? guess(bytes)
}

/** A decoder that takes a document piece by piece. */
export interface Decoder {
  /** The standard's name. */
  readonly charset: string
  /** The text of the next bytes; `last`: what is left of a character is written as U+FFFD. */
  readonly decode: (bytes: Uint8Array, last: boolean) => string
}

/** The decoder of a whole document. `contentType`: the response's header. */
export const decoderOf = (bytes: Uint8Array, contentType: string | null): Decoder => {
  const charset = charsetOf(bytes, contentType)
  const decoder = charset.startsWith("utf-") ? new TextDecoder(charset) : new FullTextDecoder(charset)
  return { charset, decode: (part, last) => decoder.decode(part, { stream: !last }) }
}

/** The text of a document. `contentType`: the response's header. Invalid bytes become U+FFFD; never fails. */
export const decode = (bytes: Uint8Array, contentType: string | null): string =>
  decoderOf(bytes, contentType).decode(bytes, true)
