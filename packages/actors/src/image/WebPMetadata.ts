/**
 * WebPMetadata: takes out of a WebP what is not the picture.
 * Kept: of a still picture the first chunk of its image, its transparency and colour profile before that; of an animation its
 * frames, likewise; and the orientation if the picture is not upright, in an `EXIF` chunk that has nothing else.
 * Taken out: `EXIF`, `XMP `, every unknown chunk, also inside the frames of an animation (`ANMF`), every image beside the one
 * that is shown (a second one, frames of a picture that is still, a still one beside frames), what `VP8X` and `ANIM` have beyond
 * their fields, and all after the end of the RIFF form. The flags of `VP8X`, the sizes of the frames and that of the form then
 * say what is there.
 * Source: WebP container specification, https://developers.google.com/speed/webp/docs/riff_container.
 */
import * as Orientation from "./Orientation.ts"
import * as Remainder from "./Remainder.ts"
import * as Steps from "./Steps.ts"

const headerBytes = 12
/** A chunk's type as it is in the file, one number. */
const typeOf = (name: string): number => Buffer.from(name, "latin1").readUInt32BE()
const [exif, features, animation, frame] = [typeOf("EXIF"), typeOf("VP8X"), typeOf("ANIM"), typeOf("ANMF")]
/** Of these decoders show what there is when the file ends early. */
const pictureData = new Set(["VP8 ", "VP8L"].map(typeOf))
const [alpha, profile] = [typeOf("ALPH"), typeOf("ICCP")]
/** Flags in the first byte of VP8X: the file is an animation; has an EXIF chunk; an XMP chunk. */
const [animationFlag, exifFlag, xmpFlag] = [0x02, 0x08, 0x04]
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

/** Sees a chunk: its type, where it begins, where its data end (beyond the end if the file ends early). */
type Visit = (type: number, at: number, until: number) => void | Steps.Steps<void>
/** Calls `visit` for each chunk from `from`. */
const forEachChunk = function* (view: DataView, from: number, end: number, visit: Visit): Steps.Steps<void> {
  const pace = Steps.pace()
  let at = from
  while (at + 8 <= end) {
    const until = at + 8 + view.getUint32(at + 4, true)
    const more = visit(view.getUint32(at), at, until)
    if (more !== undefined) yield* more
    at = until + (until % 2) // chunks begin at even places
    if (pace.isDue()) yield
  }
}

/** Chooses the chunks of one image: its transparency, once and before it, and its picture, once. */
const choosingImage = () => {
  let [isAlphaSeen, isPictureSeen] = [false, false]
  /** `isWhole`: its data do not end early. */
  return (type: number, isWhole: boolean): boolean => {
    if (pictureData.has(type) && !isPictureSeen) return (isPictureSeen = true)
    if (type === alpha && isWhole && !isAlphaSeen && !isPictureSeen) return (isAlphaSeen = true)
    return false
  }
}

/**
 * The WebP without metadata: the same array if it has none, else what is left, written over it (Remainder).
 * `file` begins with its RIFF header; it may be damaged or end early.
 */
export const strip = function* (file: Uint8Array): Steps.Steps<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const end = endOf(file, view)
  // VP8X comes first, or is not valid; without it no decoder looks for EXIF, frames, transparency or a profile
  let hasFeatures = false
  let hasFrames = false
  let exifAt = -1
  let orientation = 1
  yield* forEachChunk(view, headerBytes, end, (type, at, until) => {
    if (type === frame && at + 8 + frameBytes <= end) hasFrames = true
    if (until > end) return
    if (type === features && at === headerBytes && until >= at + 8 + featureBytes) hasFeatures = true
    if (type === exif && exifAt < 0 && hasFeatures) {
      exifAt = at
      orientation = Orientation.read(Orientation.tiffIn(file.subarray(at + 8, until)))
    }
  })
  const isAnimation = hasFeatures && hasFrames && ((file[headerBytes + 8] ?? 0) & animationFlag) !== 0

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
  /** Keeps a frame's fields and the image in it; its size shrinks by what is taken out. */
  const keepFrame = function* (at: number, until: number): Steps.Steps<void> {
    const first = at + 8 + frameBytes
    const last = Math.min(end, until)
    if (first > last) return
    const chosen: Array<readonly [from: number, to: number]> = []
    const isChosen = choosingImage()
    yield* forEachChunk(view, first, last, (type, from, to) => {
      // a chunk that says it is longer than its frame is no picture
      if (to <= until && isChosen(type, to <= last)) chosen.push([from, Math.min(last, to + (to % 2))])
    })
    const removed = chosen.reduce((bytes, [from, to]) => bytes - (to - from), last - first)
    const header = Uint8Array.from(file.subarray(at, first))
    // what is missing of a file that ends early stays missing
    const size = until - at - 8 - removed
    new DataView(header.buffer).setUint32(4, size, true)
    left.put(at, first, header)
    for (const [from, to] of chosen) left.keep(from, to)
    if (size % 2 === 1 && until < end) left.keep(until, until + 1)
  }
  left.keep(0, headerBytes)
  const isChosen = choosingImage()
  let [isProfileSeen, isAnimationSeen] = [false, false]
  yield* forEachChunk(view, headerBytes, end, (type, at, until) => {
    const next = Math.min(end, until + (until % 2))
    if (type === features && at === headerBytes && hasFeatures) {
      putFields(at, next, featureBytes, (chunk) => {
        chunk[8] = ((chunk[8] ?? 0) & ~(exifFlag | xmpFlag)) | (orientation === 1 ? 0 : exifFlag)
      })
    } else if (at === exifAt) {
      if (orientation !== 1) left.put(at, next, exifChunk(orientation))
    } else if (type === profile) {
      if (hasFeatures && !isProfileSeen && until <= end) left.keep(at, next)
      isProfileSeen = true
    } else if (isAnimation) {
      if (type === frame) return keepFrame(at, until)
      if (type === animation && !isAnimationSeen && until <= end && until >= at + 8 + animationBytes) {
        isAnimationSeen = true
        putFields(at, next, animationBytes)
      }
    } else if ((type !== alpha || hasFeatures) && isChosen(type, until <= end)) {
      left.keep(at, next)
    }
    return undefined
  })
  const bytes = yield* left.bytes()
  if (bytes !== file) new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, bytes.length - 8, true)
  return bytes
}
