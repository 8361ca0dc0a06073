/**
 * GifMetadata: takes out of a GIF what is not the picture.
 * Kept: the images and their colour tables, how each is shown (graphic control), and of the application extensions those that
 * say how often the images are played (NETSCAPE2.0, ANIMEXTS1.0) and in which colours (ICCRGBG1012).
 * Taken out: comments, plain text, every other extension (XMP, a program's own), and all after the trailer. GIF has no
 * orientation.
 * Source: GIF89a specification, https://www.w3.org/Graphics/GIF/spec-gif89a.txt.
 */
import * as Remainder from "./Remainder.ts"

const [extension, image, trailer] = [0x21, 0x2c, 0x3b]
const [graphicControl, application] = [0xf9, 0xff]
const keptApplications = new Set(["NETSCAPE2.0", "ANIMEXTS1.0", "ICCRGBG1012"])

/** Bytes of the colour table that follows these flags. */
const tableBytes = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1))

/** Where the sub-blocks that begin at `at` end; undefined if the file ends before. */
const endOfBlocks = (file: Uint8Array, at: number): number | undefined => {
  for (let here = at; ;) {
    const size = file[here]
    if (size === undefined) return undefined
    here += 1 + size
    if (size === 0) return here
  }
}

/**
 * The GIF without metadata: the same array if it has none, else what is left, written over it (Remainder).
 * `file` begins with the signature; it may be damaged or end early.
 */
export const stripInPlace = (file: Uint8Array): Uint8Array => {
  const left = Remainder.make(file)
  let at = Math.min(file.length, 13 + tableBytes(file[10] ?? 0))
  left.keep(0, at)
  for (;;) {
    const kind = file[at]
    if (kind === trailer) left.keep(at, at + 1)
    if (kind !== image && kind !== extension) break
    const label = file[at + 1]
    const blocks = kind === extension ? at + 2 : at + 11 + tableBytes(file[at + 9] ?? 0)
    const next = endOfBlocks(file, blocks)
    if (next === undefined) {
      // the file ends early: of an image decoders show what there is
      if (kind === image) left.keep(at, file.length)
      break
    }
    const name = label === application && file[blocks] === 11 ? file.subarray(blocks + 1, blocks + 12) : undefined
    const isKept =
      kind === image ||
      label === graphicControl ||
      (name !== undefined && keptApplications.has(Buffer.from(name).toString("latin1")))
    if (isKept) left.keep(at, next)
    at = next
  }
  return left.bytes()
}
