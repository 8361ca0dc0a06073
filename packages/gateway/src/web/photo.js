/**
 * Photo: prepares a chosen file for sending. A JPEG, PNG or WebP up to MAX_BYTES that is nothing but a picture stays unchanged.
 * One that tells more (its position, its camera: metadata.js), anything larger, and every other format that the browser can open
 * (HEIC on Apple's) becomes an upright JPEG, which has pixels alone. Nothing leaves the device here.
 */
import { mayTell } from "./metadata.js"

/** Maximum bytes of a photo to send. */
export const MAX_BYTES = 2_000_000
/** Longest side of a re-encoded photo, pixels. */
export const MAX_SIDE = 2048
/** Maximum characters of a thumbnail's data URL, so that many fit into sessionStorage. */
export const MAX_THUMBNAIL_CHARS = 100_000

const THUMBNAIL_SIDE = 640
const QUALITIES = [0.9, 0.82, 0.74, 0.66, 0.58, 0.5]

/** The browser cannot open the file as a picture; nothing was sent. `reason` chooses the message. */
export class UnreadablePhoto extends Error {
  /** @param {"unreadable" | "heic" | "empty"} reason */
  constructor(reason) {
    super(`unreadable photo: ${reason}`)
    this.reason = reason
  }
}

/**
 * @typedef {object} PreparedPhoto
 * @property {Blob} blob what is sent
 * @property {string} dataUrl the same as `data:image/…;base64,…`
 * @property {string} thumbnail a small JPEG data URL, ≤ MAX_THUMBNAIL_CHARS
 * @property {number} originalBytes
 * @property {"none" | "smaller" | "metadata"} change what was done: nothing; made smaller; encoded anew without metadata
 */

/**
 * The picture format by the file's first bytes; names and declared types may be wrong.
 * @param {Uint8Array} head
 * @returns {"image/jpeg" | "image/png" | "image/webp" | "image/gif" | "image/heic" | null}
 */
export const formatOf = (head) => {
  const text = String.fromCharCode(...head)
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg"
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png"
  if (text.startsWith("GIF87a") || text.startsWith("GIF89a")) return "image/gif"
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "image/webp"
  if (text.slice(4, 8) === "ftyp" && /^(hei|hev|mif1|msf1)/.test(text.slice(8, 12))) return "image/heic"
  return null
}

/**
 * @typedef {object} Picture
 * @property {CanvasImageSource} source decoded, upright
 * @property {number} width
 * @property {number} height
 * @property {() => void} close frees the pixels
 */

/** @param {Blob} file @returns {Promise<Picture>} */
const decodeByBitmap = async (file) => {
  const source = await createImageBitmap(file, { imageOrientation: "from-image" })
  return { source, width: source.width, height: source.height, close: () => source.close() }
}

/** Some browsers open in an <img> what createImageBitmap rejects. @param {Blob} file @returns {Promise<Picture>} */
const decodeByElement = async (file) => {
  const url = URL.createObjectURL(file)
  const source = new Image()
  source.src = url
  try {
    await source.decode()
  } catch (cause) {
    URL.revokeObjectURL(url)
    throw cause
  }
  const close = () => URL.revokeObjectURL(url)
  // an SVG may have no size
  return { source, width: source.naturalWidth || MAX_SIDE, height: source.naturalHeight || MAX_SIDE, close }
}

/**
 * Draws onto white (JPEG has no transparency) with the longest side at most `side`, never larger than it is.
 * @param {Picture} picture
 * @param {number} side
 */
const draw = (picture, side) => {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height))
  const canvas = document.createElement("canvas")
  canvas.width = Math.max(1, Math.round(picture.width * scale))
  canvas.height = Math.max(1, Math.round(picture.height * scale))
  const context = canvas.getContext("2d", { alpha: false })
  if (context === null) throw new UnreadablePhoto("unreadable")
  context.fillStyle = "#ffffff"
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.imageSmoothingQuality = "high"
  context.drawImage(picture.source, 0, 0, canvas.width, canvas.height)
  return canvas
}

/** @param {HTMLCanvasElement} canvas @param {number} quality @returns {Promise<Blob>} */
const encode = (canvas, quality) =>
  new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob === null ? reject(new UnreadablePhoto("unreadable")) : resolve(blob)),
      "image/jpeg",
      quality
    )
  })

/**
 * The best JPEG within both bounds: quality steps down first, then the sides, so that it always ends.
 * @param {Picture} picture
 * @param {{ readonly side: number, readonly bytes: number }} bounds
 */
const jpegWithin = async (picture, { bytes, side }) => {
  for (let longest = side; ; longest = Math.floor(longest * 0.75)) {
    const canvas = draw(picture, longest)
    for (const quality of QUALITIES) {
      const blob = await encode(canvas, quality)
      if (blob.size <= bytes || longest <= 16) return blob
    }
  }
}

/** @param {Blob} blob @returns {Promise<string>} */
const dataUrlOf = (blob) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener("load", () => resolve(String(reader.result)))
    reader.addEventListener("error", () => reject(new UnreadablePhoto("unreadable")))
    reader.readAsDataURL(blob)
  })

/**
 * Opens a file and prepares it for sending.
 * - rejects with UnreadablePhoto when the browser cannot open it
 * @param {Blob} file
 * @returns {Promise<PreparedPhoto>}
 */
export const preparePhoto = async (file) => {
  if (file.size === 0) throw new UnreadablePhoto("empty")
  const isLarge = file.size > MAX_BYTES
  const read = await (isLarge ? file.slice(0, 16) : file).arrayBuffer().catch(() => {
    throw new UnreadablePhoto("unreadable") // the file vanished, or may not be read
  })
  const bytes = new Uint8Array(read)
  const format = formatOf(bytes.subarray(0, 16))
  // what is sent is what was looked at, even if the file changes meanwhile
  const typed = format === null ? file : new Blob([isLarge ? file : bytes], { type: format })
  const picture = await decodeByBitmap(typed)
    .catch(() => decodeByElement(typed))
    .catch(() => {
      throw new UnreadablePhoto(format === "image/heic" ? "heic" : "unreadable")
    })
  try {
    const change = isLarge ? "smaller" : mayTell(bytes, format) ? "metadata" : "none"
    const blob = change === "none" ? typed : await jpegWithin(picture, { side: MAX_SIDE, bytes: MAX_BYTES })
    // base64 has four characters for three bytes
    const small = await jpegWithin(picture, {
      side: THUMBNAIL_SIDE,
      bytes: Math.floor((MAX_THUMBNAIL_CHARS - 64) * 0.75)
    })
    return {
      blob,
      dataUrl: await dataUrlOf(blob),
      thumbnail: await dataUrlOf(small),
      originalBytes: file.size,
      change
    }
  } finally {
    picture.close()
  }
}
