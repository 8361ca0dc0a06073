/**
 * GifMetadata: takes out of a GIF what is not the picture.
 * Kept: the images and their colour tables, how each is shown (graphic control), and of the application extensions the first of
 * those that say how often the images are played (NETSCAPE2.0, ANIMEXTS1.0) and in which colours (ICCRGBG1012).
 * Taken out: comments, plain text, every other extension (XMP, a program's own), what the kept ones have beyond their fields, and
 * all after the trailer. GIF has no orientation.
 * Source: GIF89a specification, https://www.w3.org/Graphics/GIF/spec-gif89a.txt.
 */
import * as Remainder from "./Remainder.ts"
import * as Steps from "./Steps.ts"

const [extension, image, trailer] = [0x21, 0x2c, 0x3b]
const [graphicControl, application] = [0xf9, 0xff]
/** Bytes of what they have, behind their name; null: as many as it says. */
const applications: ReadonlyMap<string, number | null> = new Map([
  ["NETSCAPE2.0", 3],
  ["ANIMEXTS1.0", 3],
  ["ICCRGBG1012", null]
])
const controlBytes = 4

/** Bytes of the colour table that follows these flags. */
const tableBytes = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1))

/**
 * The GIF without metadata: the same array if it has none, else what is left, written over it (Remainder).
 * `file` begins with the signature; it may be damaged or end early.
 */
export const strip = function* (file: Uint8Array): Steps.Steps<Uint8Array> {
  const left = Remainder.make(file)
  const pace = Steps.pace()
  const seen = new Set<string>()
  /** Keeps an extension up to the end of its fields, and an end. */
  const putFields = (at: number, next: number, endOfFields: number) =>
    left.put(at, next, Uint8Array.of(...file.subarray(at, endOfFields), 0))
  const takeExtension = (label: number | undefined, at: number, blocks: number, next: number) => {
    if (label === graphicControl) {
      if (file[blocks] === controlBytes) putFields(at, next, blocks + 1 + controlBytes)
      return
    }
    if (label !== application || file[blocks] !== 11) return
    const name = Buffer.from(file.subarray(blocks + 1, blocks + 12)).toString("latin1")
    const bytes = applications.get(name)
    if (bytes === undefined || seen.has(name)) return
    if (bytes !== null && file[blocks + 12] !== bytes) return
    seen.add(name)
    if (bytes === null) left.keep(at, next)
    else putFields(at, next, blocks + 13 + bytes)
  }
  let at = Math.min(file.length, 13 + tableBytes(file[10] ?? 0))
  left.keep(0, at)
  for (;;) {
    if (pace.isDue()) yield
    const kind = file[at]
    if (kind === trailer) left.keep(at, at + 1)
    if (kind !== image && kind !== extension) break
    const label = file[at + 1]
    const blocks = kind === extension ? at + 2 : at + 11 + tableBytes(file[at + 9] ?? 0)
    let next = blocks
    for (let size = file[next]; size !== 0 && size !== undefined; size = file[next]) {
      next += 1 + size
      if (pace.isDue()) yield
    }
    // the empty block that ends them
    next++
    if (next > file.length) {
      // the file ends early: of an image decoders show what there is
      if (kind === image) left.keep(at, file.length)
      break
    }
    if (kind === image) left.keep(at, next)
    else takeExtension(label, at, blocks, next)
    at = next
  }
  return yield* left.bytes()
}
