/**
 * PngMetadata: takes out of a PNG what is not the picture.
 * Kept: the chunks of the image, its palette, transparency, colours, density and animation, and the orientation if the picture
 * is not upright, in an `eXIf` chunk that has nothing else.
 * Taken out: every other chunk (`eXIf`, `tEXt`, `zTXt`, `iTXt`, `tIME`, whatever is private or unknown), and all after `IEND`.
 * Source: PNG specification, third edition, https://www.w3.org/TR/png-3/.
 */
import { crc32 } from "node:zlib"
import * as Orientation from "./Orientation.ts"
import * as Remainder from "./Remainder.ts"

const signatureBytes = 8
/** A chunk's type as it is in the file, one number. */
const typeOf = (name: string): number => Buffer.from(name, "latin1").readUInt32BE()
const [exif, end] = [typeOf("eXIf"), typeOf("IEND")]
const pictureData = new Set(["IDAT", "fdAT"].map(typeOf))
const kept = new Set([
  ...pictureData,
  ...["IHDR", "PLTE", "IEND", "acTL", "fcTL"].map(typeOf),
  ...["tRNS", "bKGD", "hIST", "pHYs", "sBIT", "cHRM", "gAMA", "iCCP", "sRGB", "cICP", "mDCV", "cLLI"].map(typeOf)
])

/** `eXIf` with the orientation alone. */
const exifChunk = (orientation: number): Uint8Array => {
  const tiff = Orientation.tiff(orientation)
  const chunk = Buffer.alloc(12 + tiff.length)
  chunk.writeUInt32BE(tiff.length)
  chunk.writeUInt32BE(exif, 4)
  chunk.set(tiff, 8)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), 8 + tiff.length)
  return chunk
}

/**
 * The PNG without metadata: the same array if it has none, else what is left, written over it (Remainder).
 * `file` begins with the signature; it may be damaged or end early.
 */
export const stripInPlace = (file: Uint8Array): Uint8Array => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const left = Remainder.make(file)
  let isExifSeen = false
  left.keep(0, signatureBytes)
  let at = signatureBytes
  while (at + 8 <= file.length) {
    const type = view.getUint32(at + 4)
    const next = at + 12 + view.getUint32(at)
    if (next > file.length) {
      // the file ends early: of the image itself decoders show what there is
      if (pictureData.has(type)) left.keep(at, file.length)
      break
    }
    if (kept.has(type)) left.keep(at, next)
    if (type === end) break
    if (type === exif && !isExifSeen) {
      isExifSeen = true
      const orientation = Orientation.read(file.subarray(at + 8, next - 4))
      if (orientation !== 1) left.put(at, next, exifChunk(orientation))
    }
    at = next
  }
  return left.bytes()
}
