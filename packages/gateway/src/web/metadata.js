/**
 * Metadata: whether a picture's file has anything beside the picture: where, when and with which camera it was taken, comments, a
 * thumbnail, a film behind its end. Where in doubt it has: photo.js then encodes the picture anew, which leaves nothing but
 * pixels. The server strips every picture again, whoever sends it (ImageMetadata).
 */

/** @param {Uint8Array} bytes @param {number} at @param {number} length */
const textAt = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length))

/** JPEG: the application segments that describe the picture's colours and density, without a thumbnail. */
const isPlainSegment = (/** @type {Uint8Array} */ bytes, /** @type {number} */ at, /** @type {number} */ length) => {
  const name = textAt(bytes, at + 4, 12)
  switch (bytes[at + 1]) {
    case 0xe0:
      return name.startsWith("JFIF\0") && length === 16 && bytes[at + 16] === 0 && bytes[at + 17] === 0
    case 0xe2:
      return name === "ICC_PROFILE\0"
    case 0xee:
      return name.startsWith("Adobe") && length === 14
    default:
      return false
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
  let at = 2
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]
    const length = view.getUint16(at + 2)
    const isPicture = marker >= 0xc0 && marker <= 0xdf && marker !== 0xc8 && (marker < 0xd0 || marker > 0xd9)
    if (length < 2 || (!isPicture && !isPlainSegment(bytes, at, length))) return false
    at += 2 + length
    if (marker === 0xda) at = endOfScan(bytes, at)
  }
  return at + 2 === bytes.length && bytes[at] === 0xff && bytes[at + 1] === 0xd9
}

const pngChunks = new Set(
  "IHDR PLTE IDAT IEND acTL fcTL fdAT tRNS bKGD hIST pHYs sBIT cHRM gAMA iCCP sRGB cICP mDCV cLLI".split(" ")
)

/** @param {Uint8Array} bytes */
const isPlainPng = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let [at, type] = [8, ""]
  while (at + 12 <= bytes.length && type !== "IEND") {
    type = textAt(bytes, at + 4, 4)
    if (!pngChunks.has(type)) return false
    at += 12 + view.getUint32(at)
  }
  return type === "IEND" && at === bytes.length
}

/** Not those of an animation: of one a model reads one image at most, and its frames have chunks of their own. */
const webpChunks = new Set(["VP8 ", "VP8L", "ALPH", "ICCP"])
/** Flags of VP8X: the file has Exif; it has XMP. */
const webpTells = 0x08 | 0x04

/** @param {Uint8Array} bytes */
const isPlainWebp = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 12
  while (at + 8 <= bytes.length) {
    const type = textAt(bytes, at, 4)
    const length = view.getUint32(at + 4, true)
    const isFeatures = type === "VP8X" && at === 12 && length === 10 && (bytes[20] & webpTells) === 0
    if (!isFeatures && !webpChunks.has(type)) return false
    at += 8 + length + (length % 2)
  }
  return at === bytes.length && 8 + view.getUint32(4, true) === bytes.length
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
