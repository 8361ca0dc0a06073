/**
 * Photos: pictures with everything that cameras and phones write beside them, made here, so that a test knows each byte. The
 * JPEG, PNG and GIF are real: browsers show them.
 *   every part that must not leave the house has the word `canary` in it, or the GPS position
 *   `*Parts` returns a file's parts in order, for tests that look for one
 */
import { crc32, deflateSync } from "node:zlib"
import { chance, pick } from "../fault/Chance.ts"

const ascii = (text: string): Buffer => Buffer.from(text, "latin1")
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const u32le = (value: number): Buffer => u32(value).reverse()

/** 37° 33′ 58.7″, as Exif has it: three fractions of 8 bytes. */
export const latitude = Buffer.concat([37, 1, 33, 1, 587, 10].map(u32))
export const profile = Buffer.concat([ascii("ICC_PROFILE\0\x01\x01"), Buffer.alloc(120, 0x42)])
export const xmp = ascii(
  `<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>canary</dc:creator><exif:GPSLatitude>37,33.97N</exif:GPSLatitude></x:xmpmeta>`
)

/** What a picture still tells: each thing found in its bytes. */
export const tells = (bytes: Uint8Array): ReadonlyArray<string> => {
  const file = Buffer.from(bytes)
  const found = ["canary", "GPSLatitude", "http://ns.adobe.com", "ftyp", "MPF\0"].filter((word) => file.includes(word))
  return file.includes(latitude) || file.includes(latitudeLittle) ? [...found, "GPS position"] : found
}
const latitudeLittle = Buffer.concat([37, 1, 33, 1, 587, 10].map(u32le))

interface Entry {
  readonly tag: number
  readonly type: 2 | 3 | 4 | 5 | 7
  readonly count: number
  readonly value: Buffer
}

/** A TIFF part: camera, orientation (0: none), GPS position, maker note, and a thumbnail. */
export const tiff = (orientation: number, order: "II" | "MM" = "MM"): Buffer => {
  const int32 = order === "MM" ? u32 : u32le
  const int16 = (value: number) => (order === "MM" ? u16(value) : u16(value).reverse())
  const text = (tag: number, words: string): Entry => ({
    tag,
    type: 2,
    count: words.length + 1,
    value: ascii(`${words}\0`)
  })
  const parts: Array<Buffer> = []
  let end = 8
  const add = (part: Buffer): number => {
    const at = end
    parts.push(part)
    end += part.length
    return at
  }
  const directory = (entries: ReadonlyArray<Entry>, next = 0): number => {
    const rows = entries.map(({ count, tag, type, value }) => {
      const field = value.length > 4 ? int32(add(value)) : Buffer.concat([value, Buffer.alloc(4 - value.length)])
      return Buffer.concat([int16(tag), int16(type), int32(count), field])
    })
    return add(Buffer.concat([int16(entries.length), ...rows, int32(next)]))
  }
  const position = order === "MM" ? latitude : latitudeLittle
  const gps = directory([text(1, "N"), { tag: 2, type: 5, count: 3, value: position }])
  const makerNote = ascii("canary maker note, serial 4711")
  const camera = directory([{ tag: 0x927c, type: 7, count: makerNote.length, value: makerNote }])
  const preview = add(Buffer.concat([ascii("canary"), jpeg()]))
  const thumbnail = directory([
    { tag: 0x0201, type: 4, count: 1, value: int32(preview) },
    { tag: 0x0202, type: 4, count: 1, value: int32(6 + jpeg().length) }
  ])
  const first = directory(
    [
      text(0x010f, "canary cameras"),
      ...(orientation === 0 ? [] : [{ tag: 0x0112, type: 3, count: 1, value: int16(orientation) } as const]),
      text(0x013b, "canary, the photographer"),
      { tag: 0x8769, type: 4, count: 1, value: int32(camera) },
      { tag: 0x8825, type: 4, count: 1, value: int32(gps) }
    ],
    thumbnail
  )
  return Buffer.concat([ascii(order), int16(42), int32(first), ...parts])
}

export type Colour = readonly [red: number, green: number, blue: number]
const red: Colour = [220, 30, 30]
const blue: Colour = [30, 30, 220]

/** Segment of a JPEG: marker, content. */
export const segment = (marker: number, ...content: ReadonlyArray<Uint8Array>): Buffer => {
  const data = Buffer.concat(content)
  return Buffer.concat([Buffer.from([0xff, marker]), u16(data.length + 2), data])
}
const endOfImage = Buffer.from([0xff, 0xd9])

/** Coded data of blocks of one colour each: a difference of four bits and its value, and no more (the code 0). */
const scanOf = (blocks: ReadonlyArray<Colour>): Buffer => {
  const bytes: Array<number> = []
  let [held, bits] = [0, 0]
  const write = (value: number, length: number) => {
    for (let bit = length - 1; bit >= 0; bit--) {
      held = (held << 1) | ((value >> bit) & 1)
      if (++bits < 8) continue
      bytes.push(held, ...(held === 0xff ? [0] : []))
      ;[held, bits] = [0, 0]
    }
  }
  const before = [0, 0, 0]
  for (const [r, g, b] of blocks) {
    const brightness = 0.299 * r + 0.587 * g + 0.114 * b
    const levels = [brightness - 128, (b - brightness) * 0.564, (r - brightness) * 0.713].map(Math.round)
    levels.forEach((level, component) => {
      const difference = level - (before[component] ?? 0)
      before[component] = level
      const length = 32 - Math.clz32(Math.abs(difference))
      write(length, 4)
      write(difference < 0 ? difference + 2 ** length - 1 : difference, length)
      write(0, 1)
    })
  }
  while (bits > 0) write(1, 1)
  return Buffer.from(bytes)
}

/** A JPEG, 16 × 8 pixels: a red block, then a blue one. `extra`: segments before the tables; `scan`: other coded data. */
export const jpeg = (
  options: { readonly extra?: ReadonlyArray<Uint8Array>; readonly scan?: Uint8Array; readonly after?: Uint8Array } = {}
): Buffer => {
  const { after = Buffer.alloc(0), extra = [], scan = scanOf([red, blue]) } = options
  const table = (id: number, ...values: ReadonlyArray<number>) => Buffer.from([id, ...values])
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xe0, ascii("JFIF\0\x01\x01\x01"), u16(72), u16(72), Buffer.alloc(2)),
    ...extra,
    segment(0xdb, table(0, ...Array<number>(64).fill(8))),
    segment(0xc0, Buffer.from([8]), u16(8), u16(16), Buffer.from([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])),
    // differences: twelve codes of four bits; the rest of a block: one code
    segment(
      0xc4,
      table(0x00, ...[0, 0, 0, 12], ...Array<number>(12).fill(0), ...Array.from({ length: 12 }, (_, n) => n))
    ),
    segment(0xc4, table(0x10, 1, ...Array<number>(15).fill(0), 0)),
    segment(0xda, Buffer.from([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])),
    scan,
    endOfImage,
    after
  ])
}

/** Everything a phone writes into a JPEG, behind JFIF. */
export const jpegMetadata = (orientation: number, order: "II" | "MM" = "MM"): ReadonlyArray<Buffer> => [
  segment(0xe1, ascii("Exif\0\0"), tiff(orientation, order)),
  segment(0xe1, ascii("http://ns.adobe.com/xap/1.0/\0"), xmp),
  segment(0xe2, profile),
  segment(0xe2, ascii("MPF\0canary: a second picture follows")),
  segment(0xe5, ascii("canary: the maker's own")),
  segment(0xed, ascii("Photoshop 3.0\0canary caption")),
  segment(0xee, ascii("Adobe\0\x64\0\0\0\0\x01")),
  segment(0xfe, ascii("canary comment"))
]

/** A phone's JPEG: all of that, and a film after its end. */
export const phoneJpeg = (orientation: number, order: "II" | "MM" = "MM"): Buffer =>
  jpeg({ extra: jpegMetadata(orientation, order), after: film })
export const film = Buffer.concat([u32(24), ascii("ftypmp42canary"), Buffer.alloc(2_000, 7)])

/** A JPEG that a camera's segments are put into, behind its first segment; for a picture that a browser encoded. */
export const withSegments = (picture: Uint8Array, segments: ReadonlyArray<Uint8Array>): Buffer => {
  const file = Buffer.from(picture)
  const at = 4 + file.readUInt16BE(4)
  return Buffer.concat([file.subarray(0, at), ...segments, file.subarray(at)])
}

/** A JPEG of exactly `bytes` bytes, whose coded data have no meaning. */
export const jpegOf = (bytes: number): Buffer =>
  jpeg({ scan: Buffer.alloc(bytes - jpeg({ scan: new Uint8Array() }).length, 0x55) })

/** Marker and content of each segment up to the first scan. */
export const jpegParts = (file: Uint8Array): ReadonlyArray<readonly [marker: number, content: Buffer]> => {
  const bytes = Buffer.from(file)
  const parts: Array<readonly [number, Buffer]> = []
  for (let at = 2; bytes[at + 1] !== 0xda;) {
    const next = at + 2 + bytes.readUInt16BE(at + 2)
    parts.push([bytes[at + 1] ?? 0, bytes.subarray(at + 4, next)])
    at = next
  }
  return parts
}

export const pngChunk = (type: string, ...content: ReadonlyArray<Uint8Array>): Buffer => {
  const data = Buffer.concat([ascii(type), ...content])
  return Buffer.concat([u32(data.length - 4), data, u32(crc32(data))])
}
const pngSignature = Buffer.from("89504e470d0a1a0a", "hex")

/** A PNG, two pixels beside each other: red, blue. `extra`: chunks before the image. */
export const png = (extra: ReadonlyArray<Uint8Array> = [], after: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([
    pngSignature,
    pngChunk("IHDR", u32(2), u32(1), Buffer.from([8, 2, 0, 0, 0])),
    ...extra,
    pngChunk("IDAT", deflateSync(Buffer.from([0, ...red, ...blue]))),
    pngChunk("IEND"),
    after
  ])

export const pngColours = [
  pngChunk("gAMA", u32(45_455)),
  pngChunk("iCCP", ascii("display\0\0"), deflateSync(Buffer.alloc(120, 0x42))),
  pngChunk("pHYs", u32(2835), u32(2835), Buffer.from([1]))
]
export const pngMetadata = (orientation: number): ReadonlyArray<Buffer> => [
  pngChunk("eXIf", tiff(orientation)),
  pngChunk("tEXt", ascii("Author\0canary")),
  pngChunk("zTXt", ascii("Raw profile type exif\0\0"), deflateSync(ascii("canary"))),
  pngChunk("iTXt", ascii("XML:com.adobe.xmp\0\0\0\0\0"), xmp),
  pngChunk("tIME", Buffer.from([7, 234, 11, 29, 12, 0, 0])),
  pngChunk("caBX", ascii("canary: who made it"))
]

export const pngTypes = (file: Uint8Array): ReadonlyArray<string> => {
  const bytes = Buffer.from(file)
  const types: Array<string> = []
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at))
    types.push(bytes.toString("latin1", at + 4, at + 8))
  return types
}

export const webpChunk = (type: string, content: Uint8Array): Buffer =>
  Buffer.concat([ascii(type), u32le(content.length), content, Buffer.alloc(content.length % 2)])
const form = (chunks: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat([ascii("WEBP"), ...chunks])
  return Buffer.concat([ascii("RIFF"), u32le(content.length), content])
}
/** One transparent pixel, lossless. */
const pixel = Buffer.from("2f00000010071011118888fe0700", "hex")

/** A WebP one pixel high with extended features. `flags` of VP8X as given; `extra`: chunks behind the image. */
export const webp = (
  options: {
    readonly flags?: number
    readonly extra?: ReadonlyArray<Uint8Array>
    readonly after?: Uint8Array
    readonly image?: Uint8Array
    readonly width?: number
    /** What VP8X has behind its fields. */
    readonly features?: Uint8Array
  } = {}
): Buffer => {
  const {
    after = Buffer.alloc(0),
    extra = [],
    features = Buffer.alloc(0),
    flags = 0x30,
    image = webpChunk("VP8L", pixel),
    width = 1
  } = options
  const fields = Buffer.from([flags, 0, 0, 0, width - 1, 0, 0, 0, 0, 0])
  return Buffer.concat([
    form([
      webpChunk("VP8X", Buffer.concat([fields, features])),
      webpChunk("ICCP", profile.subarray(14)),
      image,
      ...extra
    ]),
    after
  ])
}
/** A frame of an animation; `chunks`: its picture and whatever else is in it. */
export const webpFrame = (...chunks: ReadonlyArray<Uint8Array>): Buffer =>
  webpChunk("ANMF", Buffer.concat([Buffer.alloc(12), Buffer.from([100, 0, 0, 0]), ...chunks]))
export const webpPicture = webpChunk("VP8L", pixel)
/** Two frames; `inFrame`: chunks that stand beside the picture in each; `animation`: what ANIM has. */
export const animatedWebp = (
  options: {
    readonly inFrame?: ReadonlyArray<Uint8Array>
    readonly extra?: ReadonlyArray<Uint8Array>
    readonly animation?: Uint8Array
    readonly flags?: number
    readonly after?: Uint8Array
  } = {}
): Buffer => {
  const { after = Buffer.alloc(0), animation = Buffer.alloc(6), extra = [], flags = 0x32, inFrame = [] } = options
  const plain = webpFrame(webpChunk("ALPH", Buffer.from([0])), webpPicture)
  const frame = webpFrame(...inFrame, webpChunk("ALPH", Buffer.from([0])), ...inFrame, webpPicture, ...inFrame)
  return webp({
    flags,
    image: webpChunk("ANIM", animation),
    extra: [inFrame.length === 0 ? plain : frame, frame, ...extra],
    after
  })
}
export const webpMetadata = (orientation: number): ReadonlyArray<Buffer> => [
  webpChunk("EXIF", Buffer.concat([ascii("Exif\0\0"), tiff(orientation, "II")])),
  webpChunk("XMP ", xmp),
  webpChunk("OWN ", ascii("canary"))
]
export const webpParts = (file: Uint8Array): ReadonlyArray<readonly [type: string, content: Buffer]> => {
  const bytes = Buffer.from(file)
  const parts: Array<readonly [string, Buffer]> = []
  for (let at = 12; at < bytes.length;) {
    const end = at + 8 + bytes.readUInt32LE(at + 4)
    parts.push([bytes.toString("latin1", at, at + 4), bytes.subarray(at + 8, end)])
    at = end + (end % 2)
  }
  return parts
}

const blocks = (content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([content.length]), content, Buffer.from([0])])
export const gifExtension = (label: number, ...content: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat([Buffer.from([0x21, label]), ...content])
export const gifComment = gifExtension(0xfe, blocks(ascii("canary comment")))
/** XMP as Adobe puts it into a GIF: raw, with 258 bytes after it that lead every reader to a last empty block. */
export const gifXmp = gifExtension(
  0xff,
  Buffer.from([11]),
  ascii("XMP DataXMP"),
  xmp,
  Buffer.from([1, ...Array.from({ length: 256 }, (_, n) => 255 - n), 0])
)
export const gifLoop = gifExtension(0xff, Buffer.from([11]), ascii("NETSCAPE2.0"), blocks(Buffer.from([1, 0, 0])))

/** A GIF, two pixels beside each other: red, blue. `extra`: extensions before the image. */
export const gif = (extra: ReadonlyArray<Uint8Array> = [], after: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([
    ascii("GIF89a"),
    Buffer.from([2, 0, 1, 0, 0x80, 0, 0, ...red, ...blue]),
    ...extra,
    gifExtension(0xf9, blocks(Buffer.from([0, 10, 0, 0]))),
    // codes of three bits: clear, 0, 1, end
    Buffer.from([0x2c, 0, 0, 0, 0, 2, 0, 1, 0, 0, 2]),
    blocks(Buffer.from([0b01_000_100, 0b1010])),
    Buffer.from([0x3b]),
    after
  ])

/** One picture of each format that tells all it can. */
export const told: ReadonlyArray<readonly [name: string, file: Buffer]> = [
  ["JPEG", phoneJpeg(6)],
  ["PNG", png(pngMetadata(6), film)],
  ["WebP", webp({ flags: 0x3c, extra: webpMetadata(6), after: film })],
  ["GIF", gif([gifComment, gifLoop, gifXmp], film)]
]

/** `file` with some bytes changed, stretches removed, doubled or put elsewhere: the same for the same seed. */
export const damaged = (file: Buffer, seed: number): Buffer => {
  let bytes = Buffer.from(file)
  const turns = 1 + Math.floor(chance(seed, "turns") * 6)
  for (let turn = 0; turn < turns; turn++) {
    // the signature stays, or nothing is walked
    const at = 12 + Math.floor(chance(seed, turn, "at") * (bytes.length - 12))
    const length = Math.floor(chance(seed, turn, "length") ** 4 * (bytes.length - at))
    const stretch = bytes.subarray(at, at + length)
    const elsewhere = 12 + Math.floor(chance(seed, turn, "elsewhere") * (bytes.length - 12))
    switch (pick(chance(seed, turn, "what"), ["byte", "byte", "remove", "double", "end"])) {
      case "byte":
        bytes[at] = pick(chance(seed, turn, "value"), [0, 1, 0x7f, 0xd8, 0xd9, 0xda, 0xe1, 0xff])
        break
      case "remove":
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
        break
      case "double":
        bytes = Buffer.concat([bytes.subarray(0, elsewhere), stretch, bytes.subarray(elsewhere)])
        break
      default:
        bytes = bytes.subarray(0, at)
    }
    if (bytes.length < 13) return bytes
  }
  return bytes
}
