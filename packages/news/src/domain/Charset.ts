/**
 * Charset: decodes the bytes of a page or a feed. The charset is, in the order of the standards: a byte order mark, the
 * response's header, the document's own declaration, UTF-8. Bytes that are not valid UTF-8, although they are declared as such
 * or not at all, are read as EUC-KR, the charset of older Korean pages.
 */
import { TextDecoder } from "node:util"

/** Names that TextDecoder does not know. */
const aliases: ReadonlyMap<string, string> = new Map(
  ["cp949", "ms949", "uhc", "x-windows-949", "euckr", "euc_kr"].map((name) => [name, "euc-kr"])
)
/** Bytes of a document that are searched for its declaration. */
const mostSniffed = 2048

const declared = /<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)/i

/** Null: not the name of a charset. */
const decoderOf = (label: string | undefined, fatal: boolean): TextDecoder | null => {
  const name = label?.trim().toLowerCase() ?? ""
  try {
    return name === "" ? null : new TextDecoder(aliases.get(name) ?? name, { fatal })
  } catch {
    // the declared name may be anything
    return null
  }
}

/** Whether these bytes, perhaps cut within a character, are valid in this charset. */
const isText = (bytes: Uint8Array, label: string): boolean => {
  try {
    decoderOf(label, true)?.decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

/** `contentType`: the response's header. Invalid bytes become U+FFFD; never fails. */
export const decode = (bytes: Uint8Array, contentType: string | null): string => {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, mostSniffed)).toString("latin1")
  const [, inMeta, inXml] = declared.exec(head) ?? []
  const mark = head.startsWith("\xef\xbb\xbf")
    ? "utf-8"
    : head.startsWith("\xff\xfe")
      ? "utf-16le"
      : head.startsWith("\xfe\xff")
        ? "utf-16be"
        : undefined
  const inHeader = /charset\s*=\s*"?([\w.:-]+)/i.exec(contentType ?? "")?.[1]
  const decoder =
    decoderOf(mark, false) ??
    decoderOf(inHeader, false) ??
    decoderOf(inMeta ?? inXml, false) ??
    new TextDecoder("utf-8")
  if (decoder.encoding === "utf-8" && !isText(bytes, "utf-8") && isText(bytes, "euc-kr")) {
    return new TextDecoder("euc-kr").decode(bytes)
  }
  return decoder.decode(bytes)
}
