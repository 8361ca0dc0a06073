/**
 * WebPMetadata: takes out of a WebP what is not the picture.
 * Kept: the chunks of the image, its transparency, animation and colour profile, and the orientation if the picture is not
 * upright, in an `EXIF` chunk that has nothing else.
 * Taken out: `EXIF`, `XMP `, every unknown chunk, also inside the frames of an animation (`ANMF`), what `VP8X` and `ANIM` have
 * beyond their fields, and all after the end of the RIFF form. The flags of `VP8X`, the sizes of the frames and that of the form
 * then say what is there.
 * Source: WebP container specification, https://developers.google.com/speed/webp/docs/riff_container.
 */
import * as Orientation from "./Orientation.ts"
import * as Remainder from "./Remainder.ts"

const headerBytes = 12
/** A chunk's type as it is in the file, one number. */
const typeOf = (name: string): number => Buffer.from(name, "latin1").readUInt32BE()
const [exif, features, animation, frame] = [typeOf("EXIF"), typeOf("VP8X"), typeOf("ANIM"), typeOf("ANMF")]
/** Of these decoders show what there is when the file ends early. */
const pictureData = new Set(["VP8 ", "VP8L"].map(typeOf))
const alpha = typeOf("ALPH")
const kept = new Set([...pictureData, alpha, typeOf("ICCP")])
const keptInFrame = new Set([...pictureData, alpha])
/** Flags in the first byte of VP8X: the file has an EXIF chunk; an XMP chunk. */
const [exifFlag, xmpFlag] = [0x08, 0x04]
const [featureBytes, animationBytes] = [10, 6]
/** Of a frame before its chunks: its place, its size, how long it is shown. */
const frameBytes = 16

/** `EXIF` with the orientation alone. */
const exifChunk = (orientation: number): Uint8Array => {
  const tiff = Orientation.tiff(orientation)
  return Uint8Array.of(...Buffer.from("EXIF"), tiff.length, 0, 0, 0, ...tiff)
}

/** Where the RIFF form ends: as it says, at most at the end of the file. */
const endOf = (file: Uint8Array, view: DataView): number => Math.min(file.length, 8 + view.getUint32(4, true))

type Visit = (type: number, at: number, until: number) => void
/** Calls `visit` for each chunk from `from`: its type, where it begins, where its data end (beyond `end` if the file ends early). */
const forEachChunk = (view: DataView, from: number, end: number, visit: Visit): void => {
  let at = from
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
  forEachChunk(view, headerBytes, end, (type, at, until) => {
    if (until > end) return
    if (type === features && at === headerBytes && until >= at + 8 + featureBytes) hasFeatures = true
    if (type === exif && exifAt < 0 && hasFeatures) {
      exifAt = at
      orientation = Orientation.read(Orientation.tiffIn(file.subarray(at + 8, until)))
    }
  })

  const left = Remainder.make(file)
  /** Keeps a chunk's fields alone. */
  const putFields = (
    at: number,
    next: number,
    bytes: number,
    change: (chunk: Uint8Array) => void = () => undefined
  ) => {
    const chunk = Uint8Array.from(file.subarray(at, at + 8 + bytes)) // a Buffer's slice would be the file itself
    new DataView(chunk.buffer).setUint32(4, bytes, true)
    change(chunk)
    left.put(at, next, chunk)
  }
  /** Keeps a frame's fields and the picture's chunks in it; its size shrinks by what is taken out. */
  const keepFrame = (at: number, until: number) => {
    const first = at + 8 + frameBytes
    const last = Math.min(end, until)
    if (first > last) return
    const forEachKept = (visit: (from: number, to: number) => void) =>
      forEachChunk(view, first, last, (type, from, to) => {
        // a chunk that says it is longer than its frame is no picture
        if (!keptInFrame.has(type) || to > until || (to > last && !pictureData.has(type))) return
        visit(from, Math.min(last, to + (to % 2)))
      })
    let removed = last - first
    forEachKept((from, to) => void (removed -= to - from))
    const header = Uint8Array.from(file.subarray(at, first))
    // what is missing of a file that ends early stays missing
    const size = until - at - 8 - removed
    new DataView(header.buffer).setUint32(4, size, true)
    left.put(at, first, header)
    forEachKept(left.keep)
    if (size % 2 === 1 && until < end) left.keep(until, until + 1)
  }
  left.keep(0, headerBytes)
  forEachChunk(view, headerBytes, end, (type, at, until) => {
    const next = Math.min(end, until + (until % 2))
    if (type === features && at === headerBytes && hasFeatures) {
      putFields(at, next, featureBytes, (chunk) => {
        chunk[8] = ((chunk[8] ?? 0) & ~(exifFlag | xmpFlag)) | (orientation === 1 ? 0 : exifFlag)
      })
    } else if (at === exifAt) {
      if (orientation !== 1) left.put(at, next, exifChunk(orientation))
    } else if (type === animation) {
      if (until <= end && until >= at + 8 + animationBytes) putFields(at, next, animationBytes)
    } else if (type === frame) {
      keepFrame(at, until)
    } else if (kept.has(type) && (until <= end || pictureData.has(type))) {
      left.keep(at, next)
    }
  })
  const bytes = left.bytes()
  if (bytes !== file) new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, bytes.length - 8, true)
  return bytes
}
