/**
 * PageHead: what a page says of itself: the source of its `base`, `meta`, `link` and JSON-LD elements, found in a stream of tags
 * as the bytes arrive. So a page is read only as far as needed, and what is made into a document (PagePictures) is small,
 * whatever else the page nests. At most 128 KiB and 5,000 tags of a page are looked at.
 */
import { Tokenizer } from "htmlparser2"

export const mostLength = 128 * 1024
const mostTags = 5_000
const mostElements = 200
const mostElementLength = 16 * 1024

export interface PageHead {
  /** The next part of the page. */
  readonly write: (text: string) => void
  /** The elements of the head, as their source. */
  readonly head: () => string
  /** Those after it: some pages have them in the body. */
  readonly body: () => string
  /** Whether the rest of the page cannot have a better picture: the head is over and names one, or the limits are reached. */
  readonly isEnough: () => boolean
}

const wanted = new Set(["base", "meta", "link"])
const isData = (tag: string) => /\btype\s*=\s*["']?application\/ld\+json/i.test(tag)
const namesPicture = /(?:og:image|twitter:image|image_src|["'\s=]image["'\s>]|"image"|thumbnailurl)/i

export const make = (): PageHead => {
  const head: Array<string> = []
  const body: Array<string> = []
  let text = ""
  let tags = 0
  let kept = 0
  let isHeadOver = false
  let isOver = false
  /** The tag that is being read. */
  let name = ""
  let from = 0
  const attributes: Array<readonly [start: number, end: number]> = []
  /** Where a JSON-LD script began; -1 outside. */
  let script = -1

  const stop = () => {
    isOver = true
    tokenizer.pause()
  }
  const keep = (source: string) => {
    if (source.length > mostElementLength) return
    if (++kept > mostElements) return stop()
    ;(isHeadOver ? body : head).push(source)
  }
  /** A tag's source; the names of its attributes in small letters, by which selectors ask. */
  const source = (end: number) => {
    let tag = ""
    let at = from
    for (const [start, over] of attributes) {
      tag += text.slice(at, start) + text.slice(start, over).toLowerCase()
      at = over
    }
    return tag + text.slice(at, end + 1)
  }
  const opened = (end: number) => {
    if (wanted.has(name)) keep(source(end))
    else if (name === "script" && isData(text.slice(from, end + 1))) script = from
  }
  const ignore = () => undefined
  const tokenizer: Tokenizer = new Tokenizer(
    { decodeEntities: false },
    {
      onopentagname: (start, end) => {
        name = text.slice(start, Math.min(end, start + 20)).toLowerCase()
        from = start - 1
        attributes.length = 0
        if (name === "body") isHeadOver = true
        if (++tags > mostTags) stop()
      },
      onopentagend: opened,
      onselfclosingtag: opened,
      onclosetag: (start, end) => {
        const closed = text.slice(start, Math.min(end, start + 20)).toLowerCase()
        if (closed === "head") isHeadOver = true
        if (closed === "script" && script >= 0) {
          keep(`${text.slice(script, end)}>`)
          script = -1
        }
      },
      onattribdata: ignore,
      onattribentity: ignore,
      onattribend: ignore,
      onattribname: (start, end) => {
        if (wanted.has(name)) attributes.push([start, end])
      },
      oncdata: ignore,
      oncomment: ignore,
      ondeclaration: ignore,
      onend: ignore,
      onprocessinginstruction: ignore,
      ontext: ignore,
      ontextentity: ignore
    }
  )
  return {
    write: (part) => {
      if (isOver) return
      const piece = part.slice(0, mostLength - text.length)
      text += piece
      tokenizer.write(piece)
      if (text.length >= mostLength) stop()
    },
    head: () => head.join("\n"),
    body: () => body.join("\n"),
    isEnough: () => isOver || (isHeadOver && head.some((source) => namesPicture.test(source)))
  }
}
