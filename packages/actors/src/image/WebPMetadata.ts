/**
 * WebPMetadata: takes out of a WebP what is not the picture.
 * Kept: the chunks of the image, its transparency, animation and colour profile, and the orientation if the picture is not
 * upright, in an `EXIF` chunk that has nothing else.
 * Taken out: `EXIF`, `XMP `, every unknown chunk, and all after the end of the RIFF form. The flags of `VP8X` and the size of
 * the form then say what is there.
 * Source: WebP container specification, https://developers.google.com/speed/webp/docs/riff_container.
 */
import * as Orientation from "./Orientation.ts"
import * as Remainder from "./Remainder.ts"

const headerBytes = 12
/** A chunk's type as it is in the file, one number. */
const typeOf = (name: string): number => Buffer.from(name, "latin1").readUInt32BE()
const [exif, features] = [typeOf("EXIF"), typeOf("VP8X")]
const pictureData = new Set(["VP8 ", "VP8L", "ANMF"].map(typeOf))
const kept = new Set([...pictureData, ...["ALPH", "ANIM", "ICCP"].map(typeOf)])
/** Flags in the first byte of VP8X: the file has an EXIF chunk; an XMP chunk. */
const [exifFlag, xmpFlag] = [0x08, 0x04]
const featureBytes = 10

/** `EXIF` with the orientation alone. */
const exifChunk = (orientation: number): Uint8Array => {
  const tiff = Orientation.tiff(orientation)
  return Uint8Array.of(...Buffer.from("EXIF"), tiff.length, 0, 0, 0, ...tiff)
}

/** Where the RIFF form ends: as it says, at most at the end of the file. */
const endOf = (file: Uint8Array, view: DataView): number => Math.min(file.length, 8 + view.getUint32(4, true))

/** Calls `visit` for each chunk: its type, where it begins, where its data end (beyond `end` if the file ends early). */
const forEachChunk = (view: DataView, end: number, visit: (type: number, at: number, until: number) => void): void => {
  let at = headerBytes
  while (at + 8 <= end) {
    const until = at + 8 + view.getUint32(at + 4, true)
    visit(view.getUint32(at), at, until)
    at = until + (until % 2) // chunks begin at even places
  }
}

/**
 * The WebP without metadata: the same array if it has none, else what is left, written over it (Remainder).
 * `file` begins with its RIFF header; it may be damaged or end early.
 */
export const stripInPlace = (file: Uint8Array): Uint8Array => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const end = endOf(file, view)
  // VP8X comes first, or is not valid; without it no decoder looks for EXIF
  let hasFeatures = false
  let exifAt = -1
  let orientation = 1
  forEachChunk(view, end, (type, at, until) => {
    if (until > end) return
    if (type === features && at === headerBytes && until >= at + 8 + featureBytes) hasFeatures = true
    if (type === exif && exifAt < 0 && hasFeatures) {
      exifAt = at
      orientation = Orientation.read(Orientation.tiffIn(file.subarray(at + 8, until)))
    }
  })

  const left = Remainder.make(file)
  left.keep(0, headerBytes)
  forEachChunk(view, end, (type, at, until) => {
    const next = Math.min(end, until + (until % 2))
    if (type === features && at === headerBytes && hasFeatures) {
      const chunk = Uint8Array.from(file.subarray(at, next)) // a Buffer's slice would be the file itself
      chunk[8] = ((chunk[8] ?? 0) & ~(exifFlag | xmpFlag)) | (orientation === 1 ? 0 : exifFlag)
      left.put(at, next, chunk)
    } else if (at === exifAt) {
      if (orientation !== 1) left.put(at, next, exifChunk(orientation))
    } else if (kept.has(type) && (until <= end || pictureData.has(type))) {
      left.keep(at, next)
    }
  })
  const bytes = left.bytes()
  if (bytes !== file) new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, bytes.length - 8, true)
  return bytes
}
