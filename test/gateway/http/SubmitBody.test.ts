/** A submit's body, read piece by piece, is what JSON.parse makes of it, with the picture as bytes; nothing in it is deep or large. */
import { describe, expect, it } from "vitest"
import { createHash, hash } from "node:crypto"
import { mostImageBytes, SubmitBody } from "../../../packages/gateway/src/http/SubmitBody.ts"

/** The text in pieces of these lengths, again and again. */
const read = (text: string, lengths: ReadonlyArray<number> = [text.length + 1], announced = 0) => {
  const body = new SubmitBody(announced)
  const bytes = Buffer.from(text)
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const next = at + lengths[n % lengths.length]!
    const refusal = body.push(bytes.subarray(at, next))
    if (refusal !== null) return refusal
    at = next
  }
  return body.end()
}
const bytes = Buffer.from("the bytes of a picture, 37 of them....")
const header = "data:image/jpeg;base64,"
const url = header + bytes.toString("base64")
const hashOf = (image_url: string, ...rest: ReadonlyArray<unknown>) =>
  hash("sha256", JSON.stringify([image_url, ...rest]), "base64url")

const splits = [[1], [2, 3], [7], [64], [1_000_000]]

describe("SubmitBody", () => {
  for (const lengths of splits) {
    it(`a picture that arrives in pieces of ${lengths.join(" and ")} bytes is decoded whole, and so is the rest`, () => {
      const given = {
        a: [1, { image_url: "data:x,", b: "\\" }],
        image_url: url,
        user_input: '병 "콜라" \\ 🗑️',
        model: null
      }
      const whole = read(JSON.stringify(given), lengths)
      if (!("text" in whole)) throw whole
      expect(JSON.parse(whole.text)).toEqual({ ...given, image_url: header })
      expect(Buffer.from(whole.picture!.bytes)).toEqual(bytes)
      expect(whole.picture!.mimeType).toBe("image/jpeg")
      const rest = `",${JSON.stringify(given.user_input)},null]`
      expect(whole.picture!.hash.update(rest).digest("base64url")).toBe(hashOf(url, given.user_input, null))
    })
  }

  it("a picture whose base64 has escapes is the same picture, with the same hash", () => {
    const slashes = Buffer.from([0xff, 0xff, 0xfe, 0xfb, 0xef, 0xbe, 1])
    const plain = header + slashes.toString("base64")
    expect(plain).toMatch(/[+/].*=/)
    const escaped = plain.replaceAll("/", "\\/").replaceAll("+", "\\u002b").replaceAll("=", "\\u003D")
    for (const lengths of splits) {
      const whole = read(`{"image_url":"${escaped}"}`, lengths)
      if (!("text" in whole)) throw whole
      expect(Buffer.from(whole.picture!.bytes)).toEqual(slashes)
      expect(whole.picture!.hash.digest("hex")).toBe(createHash("sha256").update(`["${plain}`).digest("hex"))
    }
  })

  it("an address, a question that looks like a picture, and a picture inside another value are text", () => {
    for (const given of [
      { image_url: "https://example.com/a,b.jpg" },
      { user_input: url, image_url: "https://example.com/a.jpg" },
      { image_url: { image_url: url } },
      { image_url: [url] },
      { image_url: "image_url", model: url },
      [url]
    ]) {
      expect(read(JSON.stringify(given), [5])).toEqual({ text: JSON.stringify(given), picture: null })
    }
  })

  it("an image_url given twice counts as JSON.parse counts it: the last one", () => {
    const whole = read(`{"image_url":"${url}","image_url":"https://example.com/a.jpg"}`)
    if (!("text" in whole)) throw whole
    expect(JSON.parse(whole.text)).toEqual({ image_url: "https://example.com/a.jpg" })
  })

  it("a picture of exactly 10 MiB is accepted, with one byte more it is refused, whatever length was announced", () => {
    for (const announced of [0, 14_000_000]) {
      const bodyOf = (length: number) => `{"image_url":"${header}${Buffer.alloc(length, 7).toString("base64")}"}`
      const whole = read(bodyOf(mostImageBytes), [65_536], announced)
      if (!("text" in whole)) throw whole
      expect(whole.picture!.bytes.length).toBe(mostImageBytes)
      expect(read(bodyOf(mostImageBytes + 1), [65_536], announced)).toMatchObject({ code: "IMAGE_TOO_LARGE" })
    }
  })

  for (const [claim, payload] of [
    ["a character outside the alphabet", "AA-A"],
    ["a space", "AA AA"],
    ["padding in the middle", "AA==AAAA"],
    ["three signs of padding", "A==="],
    ["three signs of padding after a whole group", "AAA==="],
    ["a character after its padding", "AA=A"],
    ["an escape of another character", "AA\\nAA"],
    ["nothing", ""]
  ] as const) {
    it(`a picture with ${claim} is no base64, wherever the pieces are cut`, () => {
      for (const lengths of splits)
        expect(read(`{"image_url":"${header}${payload}"}`, lengths)).toMatchObject({
          status: 422,
          code: "VALIDATION_ERROR"
        })
    })
  }

  it("any byte that is no sign of base64 is refused wherever it stands, and each sign of it is accepted", () => {
    const signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (let code = 0x20; code < 0x100; code++) {
      const sign = String.fromCharCode(code)
      // ends the string, or is JSON's own
      if (sign === '"' || sign === "\\" || sign === "=") continue
      for (let at = 0; at < 9; at++) {
        const text = Buffer.from(
          `{"image_url":"data:image/png;base64,${"A".repeat(at)}${sign}${"A".repeat(8 - at)}"}`,
          "latin1"
        )
        for (const cut of [text.length, 36 + at, 37 + at]) {
          const body = new SubmitBody(text.length)
          body.push(text.subarray(0, cut))
          body.push(text.subarray(cut))
          expect([sign, at, cut, "text" in body.end()]).toEqual([sign, at, cut, signs.includes(sign)])
        }
      }
    }
  })

  it("a body that ends early, or goes on after its end, is text that JSON.parse refuses", () => {
    const text = JSON.stringify({ image_url: url })
    for (const broken of [text.slice(0, -1), text.slice(0, -2), text.slice(0, 60), `${text}}`, `${text}"`]) {
      const whole = read(broken)
      if (!("text" in whole)) throw whole
      expect(() => JSON.parse(whole.text) as unknown).toThrow()
    }
  })

  it("14 MB of brackets, also as the value of image_url, are refused at the 33rd level", () => {
    for (const start of ["", '{"image_url":', '{"user_input":"[[[[","a":']) {
      const body = new SubmitBody(0)
      expect(body.push(Buffer.from(start + "[".repeat(33)))).toMatchObject({ status: 400, code: "INVALID_JSON" })
    }
    expect(read(`{"image_url":"${url}","a":${"[".repeat(31)}${"]".repeat(31)}}`)).toMatchObject({ picture: {} })
  })

  it("64 KiB beside the picture are accepted, one byte more is not", () => {
    const around = JSON.stringify({ image_url: header, a: "" }).length
    const bodyOf = (length: number) => JSON.stringify({ image_url: url, a: "a".repeat(length - around) })
    expect(read(bodyOf(65_536), [1_000])).toMatchObject({ picture: {} })
    expect(read(bodyOf(65_537), [1_000])).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" })
  })
})
