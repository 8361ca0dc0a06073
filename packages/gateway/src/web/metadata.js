/**
 * Metadata: whether a picture's file has anything beside the picture: where, when and with which camera it was taken, comments, a
 * thumbnail, a film behind its end. Where in doubt it has: photo.js then encodes the picture anew, which leaves nothing but
 * pixels. The server strips every picture again, whoever sends it (ImageMetadata).
 */

/** @param {Uint8Array} bytes @param {number} at @param {number} length */
const textAt = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length))

/**
 * JPEG: whether a segment stands where and as it does in a plain picture. `seen`: those before it; application segments come
 * once, but for the numbered parts of a colour profile, and there is one frame.
 * @param {Uint8Array} bytes @param {number} at @param {number} length @param {Set<string>} seen
 */
const isPlainSegment = (bytes, at, length, seen) => {
  const marker = bytes[at + 1]
  const name = textAt(bytes, at + 4, 12)
  const once = (/** @type {string} */ kind) => !seen.has(kind) && seen.add(kind) !== undefined
  switch (marker) {
    case 0xe0:
      return name.startsWith("JFIF\0") && length === 16 && bytes[at + 16] === 0 && bytes[at + 17] === 0 && once("JFIF")
    case 0xe2: {
      const [number, of] = [bytes[at + 16], bytes[at + 17]]
      const isFirst = number === 1 && once("profile")
      return (
        name === "ICC_PROFILE\0" &&
        length >= 16 &&
        of > 0 &&
        (isFirst || seen.has(`${number - 1} of ${of}`)) &&
        number <= of &&
        once(`${number} of ${of}`)
      )
    }
    case 0xee:
      return name.startsWith("Adobe") && length === 14 && once("Adobe")
    case 0xc4:
    case 0xcc:
    case 0xda:
    case 0xdb:
    case 0xdc:
    case 0xdd:
      return true
    default:
      return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8 && once("frame")
  }
}

/** The end of a JPEG's coded data: where the next marker begins that is no restart. @param {Uint8Array} bytes @param {number} at */
const endOfScan = (bytes, at) => {
  let here = at
  const isData = (/** @type {number} */ marker) => marker === 0 || (marker >= 0xd0 && marker <= 0xd7)
  while (here < bytes.length && (bytes[here] !== 0xff || isData(bytes[here + 1]))) here += bytes[here] === 0xff ? 2 : 1
  return here
}

/** @param {Uint8Array} bytes */
const isPlainJpeg = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** @type {Set<string>} */
  const seen = new Set()
  let at = 2
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]
    const length = view.getUint16(at + 2)
    if (length < 2 || !isPlainSegment(bytes, at, length, seen)) return false
    at += 2 + length
    if (marker === 0xda) at = endOfScan(bytes, at)
  }
  return at + 2 === bytes.length && bytes[at] === 0xff && bytes[at + 1] === 0xd9
}

/** Chunks that come once and before the image, and the most bytes each can have; an animation is encoded anew. */
const pngChunks = new Map(
  Object.entries({
    IHDR: 13,
    PLTE: 768,
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
  })
)

/** @param {Uint8Array} bytes */
const isPlainPng = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const seen = new Set()
  let [at, type, isImage] = [8, "", false]
  while (at + 12 <= bytes.length && type !== "IEND") {
    type = textAt(bytes, at + 4, 4)
    const length = view.getUint32(at)
    if (type === "IDAT") isImage = true
    else if (type === "IEND") {
      if (length > 0) return false
    } else if (isImage || seen.has(type) || !(length <= (pngChunks.get(type) ?? -1))) return false
    seen.add(type)
    at += 12 + length
  }
  return type === "IEND" && at === bytes.length
}

/** Flags of VP8X: the file is an animation, of which a model reads one image at most; it has Exif; it has XMP. */
const webpTells = 0x02 | 0x08 | 0x04

/** @param {Uint8Array} bytes */
const isPlainWebp = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 12
  // features, colour profile, transparency, image; each at most once, and without features the image alone
  let order = ""
  while (at + 8 <= bytes.length) {
    const type = textAt(bytes, at, 4)
    const length = view.getUint32(at + 4, true)
    if (type === "VP8X" && (length !== 10 || (bytes[at + 8] & webpTells) !== 0)) return false
    order += { VP8X: "f", ICCP: "p", ALPH: "a", "VP8 ": "i", VP8L: "i" }[type] ?? "?"
    at += 8 + length + (length % 2)
  }
  return /^(fp?a?)?i$/.test(order) && at === bytes.length && 8 + view.getUint32(4, true) === bytes.length
}

/**
 * Whether a file may have more in it than its picture. Of a GIF a model reads one image at most, so it always counts as one.
 * @param {Uint8Array} bytes the whole file
 * @param {string | null} format as of photo.js
 */
export const mayTell = (bytes, format) => {
  switch (format) {
    case "image/jpeg":
      return !isPlainJpeg(bytes)
    case "image/png":
      return !isPlainPng(bytes)
    case "image/webp":
      return !isPlainWebp(bytes)
    default:
      return true
  }
}
