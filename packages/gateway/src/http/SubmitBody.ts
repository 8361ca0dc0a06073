/**
 * SubmitBody: the JSON body of a submit, read while it arrives. A picture (the data URL in `image_url`) is decoded piece by piece
 * into its bytes, so the process holds it once and never as text. Everything beside it is at most 64 KiB and 32 levels deep, so
 * that no body holds up the process: it is parsed as JSON only at its end.
 */
import { Refusal } from "@eco2/core/http"
import { createHash } from "node:crypto"
import type { Hash } from "node:crypto"

export const mostImageBytes = 10 * 1024 * 1024
/** Bytes of a body beside its picture. */
export const mostBesideBytes = 64 * 1024
const mostDepth = 32
/** Room for a picture of 10 MiB in base64, and for the rest of the body. */
export const mostBodyBytes = Math.ceil(mostImageBytes / 3) * 4 + mostBesideBytes

export const imageTooLarge = () => Refusal.make(413, "IMAGE_TOO_LARGE", "the image has more than 10 MiB")
export const bodyTooLarge = () =>
  Refusal.make(413, "BODY_TOO_LARGE", "the body has more than 64 KiB beside the picture")
const tooDeep = () => Refusal.make(400, "INVALID_JSON", `the body is nested deeper than ${mostDepth} levels`)
const notBase64 = () => Refusal.invalid(["body", "image_url"], "the data URL is not base64", "value_error.url")
export type Refused = ReturnType<typeof imageTooLarge | typeof bodyTooLarge | typeof tooDeep | typeof notBase64>

export interface Picture {
  /** `data:image/png;base64,`: what the body's text has in the picture's place. */
  readonly header: string
  readonly mimeType: string
  readonly bytes: Uint8Array
  /** Of the header and the base64 text as it arrived, in the JSON text `["…"`; the rest of an array can be added. */
  readonly hash: Hash
}

export interface Whole {
  readonly text: string
  readonly picture: Picture | null
}

const dataUrl = /^data:(image\/(?:jpeg|png|webp|gif));base64,$/
const mostHeader = 40
const mostUnused = 64 * 1024
const base64 = /^[A-Za-z0-9+/]*={0,2}$/
/** Bytes that so many characters of base64 stand for, padding not counted. */
const bytesOf = (characters: number): number => Math.floor((characters * 3) / 4)
const [quote, backslash, comma, colon, open, close, openArray, closeArray] = Buffer.from('"\\,:{}[]')

/** `announced`: the body's length in bytes, as its client says; 0 = unknown. It reserves nothing before an eighth has arrived. */
export class SubmitBody {
  readonly #announced: number
  #mode: "json" | "string" | "escape" | "picture" = "json"
  /** The body without its picture. */
  #beside = Buffer.allocUnsafe(2048)
  #besideLength = 0
  #depth = 0
  /** Where the string that is being read begins in `#beside`. */
  #stringAt = 0
  /** The last string of the outermost object that is over; null: another value came since. */
  #lastString: string | null = null
  #isValue = false
  /** The string that is being read may be a picture: it is the value of `image_url`, and no comma has come yet. */
  #mayBePicture = false
  #header = ""
  #mimeType = ""
  #bytes = Buffer.alloc(0)
  #length = 0
  /** Characters of base64 that make no whole group of four yet. */
  #carry = ""
  /** Signs of padding so far; after the first no other character may come. */
  #padding = 0
  /** An escape that was cut by the end of a chunk. */
  #escaped = ""
  readonly #hash = createHash("sha256")
  /** Why the picture is refused; the rest of it is read, so that the client gets the answer, and dropped. */
  #refused: Refused | null = null

  constructor(announced: number) {
    this.#announced = Math.min(announced, mostBodyBytes)
  }

  /** The next bytes of the body. Returns a refusal when reading on is pointless, else null. */
  push(chunk: Uint8Array): Refused | null {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let at = 0; at < bytes.length;) {
      if (this.#mode === "picture") {
        at = this.#readPicture(bytes, at)
        continue
      }
      const byte = bytes[at++]!
      if (!this.#keep(byte)) return bodyTooLarge()
      if (this.#mode === "escape") this.#mode = "string"
      else if (this.#mode === "string") this.#readString(byte)
      else if (!this.#readJson(byte)) return tooDeep()
    }
    return null
  }

  /** The body is whole. Returns its text, with the picture's header alone in the picture's place, and the picture. */
  end(): Whole | Refused {
    if (this.#carry !== "" && this.#refused === null) {
      // a lone character decodes to nothing, whatever it is
      if (base64.test(this.#carry)) this.#decode(this.#carry)
      else this.#refuse(notBase64())
    }
    if (this.#refused !== null) return this.#refused
    const text = new TextDecoder().decode(this.#beside.subarray(0, this.#besideLength))
    if (this.#header === "") return { text, picture: null }
    if (this.#length === 0) return notBase64()
    // no more memory than the picture has
    const bytes =
      this.#bytes.length > this.#length + mostUnused
        ? Buffer.from(this.#bytes.subarray(0, this.#length))
        : this.#bytes.subarray(0, this.#length)
    return { text, picture: { header: this.#header, mimeType: this.#mimeType, bytes, hash: this.#hash } }
  }

  #keep(byte: number): boolean {
    if (this.#besideLength === this.#beside.length) {
      if (this.#besideLength === mostBesideBytes) return false
      this.#beside = grown(this.#beside, this.#besideLength, Math.min(mostBesideBytes, 4 * this.#besideLength))
    }
    this.#beside[this.#besideLength++] = byte
    return true
  }

  /** A byte outside strings. Returns false when it nests too deep. */
  #readJson(byte: number): boolean {
    switch (byte) {
      case quote:
        this.#mode = "string"
        this.#stringAt = this.#besideLength
        this.#mayBePicture =
          this.#depth === 1 && this.#isValue && this.#lastString === "image_url" && this.#header === ""
        break
      case colon:
        this.#isValue = true
        break
      case comma:
        this.#isValue = false
        break
      case open:
      case openArray:
        this.#isValue = false
        return ++this.#depth <= mostDepth
      case close:
      case closeArray:
        this.#depth--
        break
    }
    return true
  }

  #readString(byte: number): void {
    if (byte === backslash) this.#mode = "escape"
    else if (byte === quote) {
      this.#mode = "json"
      const length = this.#besideLength - 1 - this.#stringAt
      this.#lastString =
        this.#depth === 1 && length <= mostHeader
          ? this.#beside.toString("latin1", this.#stringAt, this.#besideLength - 1)
          : null
    } else if (byte === comma && this.#mayBePicture) {
      this.#mayBePicture = false
      if (this.#besideLength - this.#stringAt > mostHeader) return
      // some encoders write a slash as \/
      const header = this.#beside.toString("latin1", this.#stringAt, this.#besideLength).replaceAll("\\/", "/")
      const match = dataUrl.exec(header)
      if (match === null) return
      this.#header = header
      this.#mimeType = match[1]!
      this.#hash.update(`["${header}`)
      this.#mode = "picture"
    }
  }

  /** Reads base64 from `at` to the end of the picture or of the chunk. Returns where it ended. */
  #readPicture(bytes: Buffer, at: number): number {
    const quoteAt = bytes.indexOf(quote!, at)
    const until = quoteAt === -1 ? bytes.length : quoteAt
    if (this.#refused === null) this.#take(this.#unescape(this.#escaped + bytes.toString("latin1", at, until)))
    if (quoteAt === -1) return until
    if (this.#escaped !== "") this.#refuse(notBase64())
    // closes the string that is left beside the picture: its header
    this.#keep(quote!)
    this.#mode = "json"
    this.#lastString = null
    return quoteAt + 1
  }

  /** Reads `\/` and `\u002b`, as some encoders write base64; keeps an escape that is cut for the next chunk. */
  #unescape(text: string): string {
    if (!text.includes("\\")) return text
    const [cut = ""] = /\\(?:u[0-9a-f]{0,3})?$/i.exec(text) ?? []
    this.#escaped = cut
    // any other escape leaves its backslash, which is no base64
    return text
      .slice(0, text.length - cut.length)
      .replaceAll(/\\(?:\/|u00([0-7][0-9a-f]))/gi, (_, code: string | undefined) =>
        code === undefined ? "/" : String.fromCharCode(parseInt(code, 16))
      )
  }

  #take(text: string): void {
    if (this.#refused !== null || text === "") return
    const signs = text.includes("=") ? text.slice(text.indexOf("=")) : ""
    const padding = this.#padding + signs.length
    const goesOn = padding > 2 || signs !== "==".slice(0, signs.length) || (this.#padding > 0 && signs !== text)
    // the decoder takes these two for + and /
    if (goesOn || text.includes("-") || text.includes("_")) return this.#refuse(notBase64())
    this.#padding = padding
    this.#hash.update(text, "latin1")
    const all = this.#carry + text
    const whole = all.length - (all.length % 4)
    this.#carry = all.slice(whole)
    this.#decode(all.slice(0, whole))
  }

  #decode(text: string): void {
    const most = Math.ceil(text.length / 4) * 3
    if (this.#length + most > this.#bytes.length) {
      if (this.#length + most - 2 > mostImageBytes) return this.#refuse(imageTooLarge())
      this.#bytes = grown(this.#bytes, this.#length, this.#roomFor(this.#length + most))
    }
    const decoded = this.#bytes.write(text, this.#length, "base64")
    // it leaves out what is no base64: a tenth of the time that an expression over the text takes
    const characters = text.length - (/=*$/.exec(text.slice(-3))?.[0].length ?? 0)
    if (decoded !== bytesOf(characters)) return this.#refuse(notBase64())
    this.#length += decoded
    if (this.#length > mostImageBytes) this.#refuse(imageTooLarge())
  }

  #roomFor(length: number): number {
    const announced = Math.ceil(this.#announced / 4) * 3
    if (length >= announced / 8 && length <= announced) return announced
    return Math.min(Math.max(64 * 1024, 2 * length), mostImageBytes + 4)
  }

  #refuse(refusal: Refused): void {
    this.#refused ??= refusal
    this.#bytes = Buffer.alloc(0)
    this.#length = 0
  }
}

const grown = (buffer: Buffer, length: number, room: number): Buffer<ArrayBuffer> => {
  const larger = Buffer.allocUnsafeSlow(room)
  buffer.copy(larger, 0, 0, length)
  return larger
}
