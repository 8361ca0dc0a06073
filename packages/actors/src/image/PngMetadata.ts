/**
 * PngMetadata: takes out of a PNG what is not the picture.
 * Kept: the chunks of the image, its palette, transparency, colours, density and animation, where they stand and as long as they
 * can be, and the orientation if the picture is not upright, in an `eXIf` chunk that has nothing else.
 * Taken out: every other chunk (`eXIf`, `tEXt`, `zTXt`, `iTXt`, `tIME`, whatever is private or unknown), every chunk that comes
 * again or too late, which no decoder looks at, the pictures of an animation that is not announced, and all after `IEND`.
 * Source: PNG specification, third edition, https://www.w3.org/TR/png-3/.
 */
import { crc32 } from "node:zlib"
import * as Orientation from "./Orientation.ts"
import * as Remainder from "./Remainder.ts"
import * as Steps from "./Steps.ts"

const signatureBytes = 8
/** A chunk's type as it is in the file, one number. */
const typeOf = (name: string): number => Buffer.from(name, "latin1").readUInt32BE()
const [exif, end, image] = [typeOf("eXIf"), typeOf("IEND"), typeOf("IDAT")]
const [animation, frameControl, frame] = [typeOf("acTL"), typeOf("fcTL"), typeOf("fdAT")]
const frameControlBytes = 26
/** Chunks that come once and before the image, and the most bytes each can have. */
const beforeImage: ReadonlyMap<number, number> = new Map(
  Object.entries({
    IHDR: 13,
    PLTE: 768,
    acTL: 8,
    tRNS: 256,
    bKGD: 6,
    hIST: 512,
    pHYs: 9,
    sBIT: 4,
    cHRM: 32,
    gAMA: 4,
    iCCP: Infinity,
    sRGB: 1,
    cICP: 4,
    mDCV: 24,
    cLLI: 8
  }).map(([name, bytes]) => [typeOf(name), bytes])
)

const endChunk = Uint8Array.of(0, 0, 0, 0, ...Buffer.from("IEND"), 0xae, 0x42, 0x60, 0x82)

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
export const strip = function* (file: Uint8Array): Steps.Steps<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const left = Remainder.make(file)
  const pace = Steps.pace()
  const seen = new Set<number>()
  let imageIs: "to come" | "here" | "over" = "to come"
  const isKept = (type: number, bytes: number): boolean => {
    if (type === image) return imageIs === "here"
    if (type === frameControl) return seen.has(animation) && bytes === frameControlBytes
    if (type === frame) return seen.has(animation) && imageIs === "over"
    const most = beforeImage.get(type)
    if (most === undefined || bytes > most || imageIs !== "to come" || seen.has(type)) return false
    seen.add(type)
    return true
  }
  let isExifSeen = false
  left.keep(0, signatureBytes)
  let at = signatureBytes
  while (at + 8 <= file.length) {
    if (pace.isDue()) yield
    const type = view.getUint32(at + 4)
    const bytes = view.getUint32(at)
    const next = at + 12 + bytes
    if (type === image && imageIs === "to come") imageIs = "here"
    else if (type !== image && imageIs === "here") imageIs = "over"
    if (next > file.length) {
      // the file ends early: of the image itself decoders show what there is
      if ((type === image || type === frame) && isKept(type, bytes)) left.keep(at, file.length)
      break
    }
    if (isKept(type, bytes)) left.keep(at, next)
    if (type === end) {
      if (bytes === 0) left.keep(at, next)
      else left.put(at, next, endChunk)
      break
    }
    if (type === exif && !isExifSeen) {
      isExifSeen = true
      const orientation = Orientation.read(file.subarray(at + 8, next - 4))
      if (orientation !== 1) left.put(at, next, exifChunk(orientation))
    }
    at = next
  }
  return yield* left.bytes()
}
