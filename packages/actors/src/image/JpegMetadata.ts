/**
 * JpegMetadata: takes out of a JPEG what is not the picture. It reads the file as decoders do: segments one after another, and
 * after each start of scan its coded data up to the next marker.
 * Kept: the frame, its tables and scans; JFIF (APP0, without its thumbnail), the parts of one colour profile (APP2 ICC_PROFILE),
 * Adobe's note of the colour space (APP14), and the orientation if the picture is not upright, in an Exif segment that has
 * nothing else.
 * Taken out: Exif, XMP, maker notes, comments, IPTC, thumbnails, previews and gain maps, every other application segment, bytes
 * between segments, a second frame and all behind it, which decoders do not show, and whatever follows the end of the image (a
 * phone's film, a second picture).
 * Source: ITU-T T.81, annex B.
 */
import * as Orientation from "./Orientation.ts"
import * as Remainder from "./Remainder.ts"
import * as Steps from "./Steps.ts"

const [soi, eoi, sos] = [0xd8, 0xd9, 0xda]
const [app0, app1, app2, app14] = [0xe0, 0xe1, 0xe2, 0xee]

/** Markers without a segment: TEM, the restarts, SOI, and the zero after a coded 0xff. */
const standsAlone = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= soi)
/** DHT, DAC, SOS, DQT, DNL, DRI. */
const isTable = (marker: number) => marker === 0xc4 || marker === 0xcc || (marker >= sos && marker <= 0xdd)
/** The frames (SOF); not JPG. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && !isTable(marker) && marker !== 0xc8

/** No camera writes as many; the rest of such a file is dropped, as of a damaged one. */
const mostSegments = 10_000

const endOfImage = Uint8Array.of(0xff, eoi)

/** APP1 with the orientation alone. */
const exifSegment = (orientation: number): Uint8Array => {
  const tiff = Orientation.tiff(orientation)
  return Uint8Array.of(0xff, app1, 0, 8 + tiff.length, ...Buffer.from("Exif\0\0", "latin1"), ...tiff)
}

/** The end of coded data that begins at `at`: the first 0xff of the next marker that is no restart. */
const endOfScan = function* (file: Uint8Array, at: number): Steps.Steps<number> {
  const pace = Steps.pace()
  for (let here = at; ;) {
    here = file[here] === 0xff ? here : file.indexOf(0xff, here) // ten times a loop's speed, as such bytes are rare
    if (here < 0 || here >= file.length) return file.length
    let next = here + 1
    while (file[next] === 0xff) {
      next++ // fill bytes
      if (pace.isDue()) yield
    }
    const marker = file[next]
    if (marker === undefined || (marker !== 0 && !(marker >= 0xd0 && marker <= 0xd7))) return here
    here = next + 1
    if (pace.isDue()) yield
  }
}

/** Chooses the parts of one colour profile: each of the numbers up to that of all, once. */
const choosingProfile = () => {
  const seen = new Set<number>()
  let all: number | undefined
  /** `number`, `of`: as the segment says. */
  return (number: number, of: number): boolean => {
    if (number < 1 || number > of || seen.has(number) || of !== (all ??= of)) return false
    seen.add(number)
    return true
  }
}

/** Of Adobe's segment: its name and five fields. */
const adobeBytes = 12

/**
 * The JPEG without metadata: the same array if it has none, else what is left, written over it (Remainder).
 * `file` begins with its signature; it may be damaged or end early.
 */
export const strip = function* (file: Uint8Array): Steps.Steps<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const left = Remainder.make(file)
  const pace = Steps.pace()
  const isOfProfile = choosingProfile()
  let [isFrameSeen, isJfifSeen, isExifSeen, isAdobeSeen] = [false, false, false, false]
  /** Keeps what may stay of an application segment, which begins at `at`; `data` is its content. */
  const takeApplication = (marker: number, at: number, next: number, data: Uint8Array) => {
    const begins = (name: string) => {
      for (let i = 0; i < name.length; i++) if (data[i] !== name.charCodeAt(i)) return false
      return true
    }
    if (marker === app0 && data.length >= 14 && !isJfifSeen && begins("JFIF\0")) {
      isJfifSeen = true
      left.put(at, next, Uint8Array.of(0xff, app0, 0, 16, ...data.subarray(0, 12), 0, 0))
    } else if (marker === app1 && begins("Exif\0") && !isExifSeen) {
      // a second Exif segment is read by no decoder
      isExifSeen = true
      const orientation = Orientation.read(Orientation.tiffIn(data))
      if (orientation !== 1) left.put(at, next, exifSegment(orientation))
    } else if (marker === app2 && begins("ICC_PROFILE\0") && isOfProfile(data[12] ?? 0, data[13] ?? 0)) {
      left.keep(at, next)
    } else if (marker === app14 && data.length >= adobeBytes && !isAdobeSeen && begins("Adobe")) {
      isAdobeSeen = true
      left.put(at, next, Uint8Array.of(0xff, app14, 0, 2 + adobeBytes, ...data.subarray(0, adobeBytes)))
    }
  }

  left.keep(0, 2)
  let at = 2
  for (let segments = 0; segments < mostSegments; segments++) {
    if (at < file.length && file[at] !== 0xff) {
      const marked = file.indexOf(0xff, at)
      at = marked < 0 ? file.length : marked
    }
    while (file[at + 1] === 0xff) {
      at++
      if (pace.isDue()) yield
    }
    const marker = file[at + 1]
    if (marker === undefined) break
    if (marker === eoi) {
      left.keep(at, at + 2)
      return yield* left.bytes()
    }
    const length = standsAlone(marker) || at + 4 > file.length ? 0 : view.getUint16(at + 2)
    const next = at + 2 + length
    if (next > file.length) break
    if (length < 2) {
      at += 2
      continue
    }
    if (isFrame(marker)) {
      if (isFrameSeen) break
      isFrameSeen = true
    }
    if (isFrame(marker) || isTable(marker)) left.keep(at, next)
    else takeApplication(marker, at, next, file.subarray(at + 4, next))
    at = next
    if (marker === sos) {
      at = yield* endOfScan(file, next)
      left.keep(next, at)
    }
  }
  left.put(file.length, file.length, endOfImage)
  return yield* left.bytes()
}
