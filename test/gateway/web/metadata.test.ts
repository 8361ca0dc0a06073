/** The page's own look at a picture's file, before it leaves the device: never more lenient than the server's. */
import { expect, it } from "vitest"
import { ImageMetadata } from "@eco2/actors/protocol"
import * as Photos from "../../harness/Photos.ts"

// plain JavaScript of the page
const page: { readonly mayTell: (bytes: Uint8Array, format: string) => boolean } = await import(
  new URL("../../../packages/gateway/src/web/metadata.js", import.meta.url).href
)
const mayTell = (file: Uint8Array) => page.mayTell(file, ImageMetadata.stripInPlace(Buffer.from(file))?.mimeType ?? "")

const plain: ReadonlyArray<readonly [name: string, file: Buffer]> = [
  ["JPEG", Photos.jpeg()],
  ["JPEG with colours", Photos.jpeg({ extra: [Photos.segment(0xe2, Photos.profile)] })],
  ["PNG", Photos.png(Photos.pngColours)],
  ["WebP", Photos.webp()]
]

it.each(plain)("a %s that is nothing but a picture is sent as it is", (_, file) => {
  expect(mayTell(file)).toBe(false)
})

it.each([
  ...Photos.told,
  ["JPEG that lies", Photos.jpeg({ extra: Photos.jpegMetadata(6).slice(0, 1) })],
  ["JPEG with a comment between its scans", Buffer.concat([Photos.jpeg().subarray(0, -2), Photos.segment(0xfe)])],
  ["JPEG and a film", Photos.jpeg({ after: Photos.film })],
  ["JPEG that ends early", Photos.jpeg().subarray(0, -1)],
  ["PNG and a film", Photos.png([], Photos.film)],
  ["WebP and a film", Photos.webp({ after: Photos.film })],
  ["WebP that is an animation", Photos.animatedWebp()],
  ["WebP whose features are longer than they are", Photos.webp({ features: Buffer.from("canary") })],
  ["JPEG with a second frame", Photos.jpeg({ extra: [Photos.segment(0xc2, Buffer.alloc(15))] })],
  ["JPEG with a second profile", Photos.jpeg({ extra: Array<Buffer>(2).fill(Photos.segment(0xe2, Photos.profile)) })],
  ["PNG with a second profile", Photos.png([...Photos.pngColours, Photos.pngChunk("iCCP", Buffer.from("x"))])],
  ["PNG with a chunk too long", Photos.png([Photos.pngChunk("sRGB", Buffer.from("canary"))])],
  ["WebP with a second image", Photos.webp({ extra: [Photos.webpPicture] })],
  ["GIF", Photos.gif()]
] as const)("a %s is encoded anew", (_, file) => {
  expect(mayTell(file)).toBe(true)
})

it.each(plain)(
  "I1 a %s of which the page finds nothing to take out has nothing that the server takes out",
  (_, file) => {
    let sent = 0
    for (let seed = 0; seed < 5_000; seed++) {
      const bytes = Photos.damaged(file, seed)
      if (mayTell(bytes)) continue
      sent++
      if (ImageMetadata.stripInPlace(bytes)?.bytes !== bytes) throw new Error(`seed ${seed} is sent as it is`)
    }
    expect(sent).toBeGreaterThan(100)
  }
)
