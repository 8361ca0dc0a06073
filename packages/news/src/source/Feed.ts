/**
 * Feed: what a feed says, whatever its form: RSS, Atom (XmlFeed) or JSON Feed (JsonFeed). Their parsers read any document within
 * bounds of depth, count and length, in pieces (Slices), and expand or fetch nothing.
 */

/** A picture that an entry names, best first in a list of them. */
export interface Picture {
  /** Absolute. */
  readonly url: string
  /** In pixels, as declared, or as its kind usually has. */
  readonly width: number
}

export interface Entry {
  /** `guid` or `id`; "" if it has none. */
  readonly id: string
  /** The addresses of its page, absolute, the one to take first. */
  readonly links: ReadonlyArray<string>
  readonly title: string
  readonly summary: string
  /** Dates as written, the one to take first. */
  readonly dates: ReadonlyArray<string>
  readonly pictures: ReadonlyArray<Picture>
  readonly keywords: ReadonlyArray<string>
}

export interface Feed {
  readonly title: string
  /** Absolute, or "". */
  readonly icon: string
  readonly entries: ReadonlyArray<Entry>
  /** Entries that could not be read whole, and those beyond the most that one document may have. */
  readonly cut: number
}

/** Why a document was not read as a feed. */
export interface NoFeed {
  readonly reason: "not a feed" | "nested too deep" | "too many tags" | "too many values"
}

export const mostEntries = 5_000
export const mostFieldLength = 20_000
export const mostKeywords = 20
export const mostPictures = 20

/** The largest first; equal ones in their order. */
export const bestFirst = (pictures: ReadonlyArray<Picture>): ReadonlyArray<Picture> =>
  pictures.toSorted((a, b) => b.width - a.width)
