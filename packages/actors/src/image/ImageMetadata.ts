/**
 * ImageMetadata: takes out of a picture what it tells beside itself: where, when, by whom and with which camera it was made,
 * what it looked like before it was cropped, and whatever a phone appends. Gateways call it before they store a submitted image,
 * workers before a picture from an address goes to a model: no metadata of a photo reaches a provider.
 *   I1  what is left are the parts that a format's walker knows as picture, its colours and its orientation; a part it does not
 *       know is taken out, so a format's novelty leaks nothing
 *   I2  a picture stays as it is shown: same pixels, same colours, same way up
 *   I3  for any bytes: no exception, linear time in short slices of the event loop, and the memory of the picture itself
 *   I4  what was stripped is left alone when it is stripped again
 * A damaged picture is left up to where its walker can follow; what comes after is taken out too. Bytes of any other format
 * (HEIC, TIFF, AVIF, …) cannot be vouched for, so they are refused by those who call this.
 * The formats' walkers: JpegMetadata, PngMetadata, WebPMetadata, GifMetadata; how they are run: Steps.
 */
import * as GifMetadata from "./GifMetadata.ts"
import * as JpegMetadata from "./JpegMetadata.ts"
import * as PngMetadata from "./PngMetadata.ts"
import * as Steps from "./Steps.ts"
import * as WebPMetadata from "./WebPMetadata.ts"
import type { Effect } from "effect"

interface Format {
  readonly mimeType: "image/jpeg" | "image/png" | "image/webp" | "image/gif"
  /** `head`: the first 16 bytes, as Latin-1. */
  readonly begins: (head: string) => boolean
  readonly strip: (file: Uint8Array) => Steps.Steps<Uint8Array>
}

const formats: ReadonlyArray<Format> = [
  { mimeType: "image/jpeg", begins: (head) => head.startsWith("\xff\xd8\xff"), strip: JpegMetadata.strip },
  { mimeType: "image/png", begins: (head) => head.startsWith("\x89PNG\r\n\x1a\n"), strip: PngMetadata.strip },
  {
    mimeType: "image/webp",
    begins: (head) => head.startsWith("RIFF") && head.startsWith("WEBP", 8),
    strip: WebPMetadata.strip
  },
  { mimeType: "image/gif", begins: (head) => /^GIF8[79]a/.test(head), strip: GifMetadata.strip }
]

export interface Stripped {
  /** By the first bytes, whatever the picture was said to be. */
  readonly mimeType: Format["mimeType"]
  /** The same array if there was nothing to take out; else a shorter one, as a rule in the same memory. */
  readonly bytes: Uint8Array
}

const formatOf = (bytes: Uint8Array): Format | undefined => {
  const head = Buffer.from(bytes.subarray(0, 16)).toString("latin1")
  return formats.find(({ begins }) => begins(head))
}

/** By the first bytes; null if they begin like no JPEG, PNG, WebP or GIF. */
export const typeOf = (bytes: Uint8Array): Format["mimeType"] | null => formatOf(bytes)?.mimeType ?? null

const steps = function* (bytes: Uint8Array): Steps.Steps<Stripped | null> {
  const format = formatOf(bytes)
  return format === undefined ? null : { mimeType: format.mimeType, bytes: yield* format.strip(bytes) }
}

/**
 * The picture without its metadata; null if the bytes do not begin like a JPEG, PNG, WebP or GIF. The bytes are taken over: what
 * is left of them is written over them. A file that takes long is walked in slices of the event loop.
 */
export const strip = (bytes: Uint8Array): Effect.Effect<Stripped | null> => Steps.sliced(() => steps(bytes))

/**
 * The same, at once.
 * @example ImageMetadata.stripInPlace(photo)?.bytes
 */
export const stripInPlace = (bytes: Uint8Array): Stripped | null => Steps.atOnce(steps(bytes))
