/** Photos by address: an address for the upload, the upload itself, the scan that names it, and who sees it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { ImageMetadata } from "@eco2/actors/protocol"
import { Redis } from "ioredis"
import * as ImageAddress from "../../../packages/gateway/src/images/ImageAddress.ts"
import * as Photos from "../../harness/Photos.ts"
import { client, field, read } from "../ScanClient.ts"
import type { Answer } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const photo = Photos.phoneJpeg(6)
const left = Buffer.from(ImageMetadata.stripInPlace(Buffer.from(photo))?.bytes ?? [])

let redis: RedisServer.RedisServer
let gateway: Serving
let other: Serving
let worker: Serving
let outside: Redis
beforeAll(async () => {
  redis = await RedisServer.start()
  outside = new Redis(redis.url)
  const env = { ...simulatedOnly, REDIS_URL: redis.url, AUTH_MODE: "header", USER_IMAGE_STORAGE: "16 MiB" }
  gateway = await start("gateway", { ...env, CORS_ORIGINS: "https://old.example" })
  other = await start("gateway", { ...env, PUBLIC_URL: "https://eco2.example" })
  worker = await start("scan-worker", env)
})
afterAll(async () => {
  await Promise.all([gateway?.stop(), other?.stop(), worker?.stop()])
  outside?.disconnect()
  await redis?.stop()
})

interface Upload {
  readonly key: string
  readonly upload_url: string
  readonly cdn_url: string
  readonly expires_in: number
  readonly required_headers: Readonly<Record<string, string>>
}
const asked = async (
  body: unknown = { filename: "병.jpg", content_type: "image/jpeg" },
  options: { readonly channel?: string; readonly user?: string | null; readonly at?: Serving } = {}
): Promise<Answer> => {
  const { at = gateway, channel = "scan", user = "ann" } = options
  return read(
    await fetch(`${at.address}/api/v1/images/${channel}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(user === null ? {} : { "x-user-id": user }) },
      body: typeof body === "string" ? body : JSON.stringify(body)
    })
  )
}
const isUpload = (body: unknown): body is Upload => typeof field(body, "upload_url") === "string"
const upload = async (...args: Parameters<typeof asked>): Promise<Upload> => {
  const { body } = await asked(...args)
  if (!isUpload(body)) throw new Error(`no upload: ${JSON.stringify(body)}`)
  return body
}
const put = async (
  url: string,
  bytes: Uint8Array = photo,
  headers: Record<string, string> = { "content-type": "image/jpeg" }
) => read(await fetch(url, { method: "PUT", headers, body: Buffer.from(bytes) }))
const shown = (url: string, user: string | null = "ann") =>
  fetch(url, { headers: user === null ? {} : { "x-user-id": user } })

describe("a photo by address", () => {
  it("a photo by address is put, scanned and shown to its owner, as the picture and no more", async () => {
    const given = await upload()
    expect(given.key).toMatch(/^scan\/[0-9a-f]{32}-[0-9a-f]{32}\.jpg$/)
    expect(given.cdn_url).toBe(`${gateway.address}/api/v1/images/${given.key}`)
    expect(given.upload_url.startsWith(`${gateway.address}/api/v1/images/upload/${given.key}?`)).toBe(true)
    expect(given).toMatchObject({ expires_in: 900, required_headers: { "Content-Type": "image/jpeg" } })
    expect(await put(given.upload_url)).toMatchObject({ status: 200, body: null })
    const ann = client(gateway)
    const id = await ann.accepted({ image_url: given.cdn_url })
    expect(field((await ann.finished(id)).body, "status")).toBe("completed")
    const answer = await shown(given.cdn_url)
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(left)
    expect(Photos.tells(left)).toEqual([])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "image/jpeg",
      "cache-control": "private, no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox"
    })
    const keys = await outside.keys(`*:picture:${given.key.slice(5, 37)}`)
    expect(keys.length).toBe(1)
    expect(await outside.pttl(keys[0]!)).toBeGreaterThan(3_600_000)
  })

  it("an uploaded photo goes to the model as bytes, without a fetch of our own address", async () => {
    const given = await upload()
    await put(given.upload_url)
    const id = await client(gateway).accepted({ image_url: given.cdn_url })
    const [key] = await outside.keys(`*:job:${id}`)
    expect(JSON.parse(String(await outside.hget(key!, "input")))).toMatchObject({
      image: { _tag: "Bytes", mimeType: "image/jpeg", url: given.cdn_url }
    })
    const { body } = await client(gateway).get("/api/v1/scan?limit=1")
    expect(body).toMatchObject({ scans: [{ job_id: id, image_url: given.cdn_url }] })
  })

  it("an uploaded photo is recognised by another gateway and under another host; a name without our seal is a stranger's", async () => {
    const given = await upload(undefined, { at: other })
    expect(given.cdn_url).toBe(`https://eco2.example/api/v1/images/${given.key}`)
    await put(given.upload_url.replace("https://eco2.example", gateway.address))
    const elsewhere = given.cdn_url.replace("eco2.example", "cdn.example.com")
    expect(await client(gateway).submit({ image_url: elsewhere })).toMatchObject({ status: 202 })
    const id = await client(gateway).accepted({ image_url: elsewhere.replace(/.{4}\.jpg$/, "0000.jpg") })
    const [key] = await outside.keys(`*:job:${id}`)
    expect(await outside.hget(key!, "input")).toContain('"_tag":"Url"')
  })

  it("a photo that was not put, is another user's or has no seal of ours is refused in a scan, and shown to nobody", async () => {
    const missing = await upload()
    const bobs = await upload(undefined, { user: "bob" })
    await put(bobs.upload_url)
    const unsealed = bobs.cdn_url.replace(/.{4}\.jpg$/, "0000.jpg")
    for (const image_url of [missing.cdn_url, bobs.cdn_url, unsealed]) {
      const refused = await client(gateway).submit({ image_url })
      expect([refused.status, field(refused.body, "code")]).toEqual([422, "VALIDATION_ERROR"])
      expect(JSON.stringify(refused.body)).toContain("nothing was uploaded to this address")
      expect(await read(await shown(image_url))).toMatchObject({ status: 404, body: { code: "IMAGE_NOT_FOUND" } })
    }
    expect((await shown(bobs.cdn_url, "bob")).status).toBe(200)
    expect((await shown(bobs.cdn_url, null)).status).toBe(401)
  })

  it("a photo may be put again and scanned again, under one idempotency key as one job", async () => {
    const given = await upload()
    await put(given.upload_url, Photos.phoneJpeg(1))
    await put(given.upload_url)
    expect(Buffer.from(await (await shown(given.cdn_url)).arrayBuffer())).toEqual(left)
    const ann = client(gateway)
    const once = { "x-idempotency-key": given.key }
    const first = await ann.accepted({ image_url: given.cdn_url }, once)
    expect(await ann.accepted({ image_url: given.cdn_url }, once)).toBe(first)
    expect(await ann.accepted({ image_url: given.cdn_url })).not.toBe(first)
    // the key stays the job's when the picture has made room for others
    for (const key of await outside.keys(`*:picture:${given.key.slice(5, 37)}`)) await outside.del(key)
    expect(await ann.accepted({ image_url: given.cdn_url }, once)).toBe(first)
    expect((await ann.submit({ image_url: given.cdn_url, user_input: "?" }, once)).status).toBe(409)
    expect((await ann.submit({ image_url: given.cdn_url }, { "x-idempotency-key": "new" })).status).toBe(422)
  })
})

describe("the address of an upload", () => {
  it("the address of an upload is for a user who is known, a channel and a type of picture", async () => {
    expect((await asked(undefined, { user: null })).status).toBe(401)
    expect((await asked(undefined, { channel: "photos" })).status).toBe(404)
    for (const channel of ["chat", "my"])
      expect((await upload(undefined, { channel })).key.startsWith(channel)).toBe(true)
    expect((await asked("{")).body).toMatchObject({ code: "INVALID_JSON" })
    const { body, status } = await asked({ filename: "", content_type: "image/heic" })
    expect([status, field(body, "detail")]).toEqual([
      422,
      [
        { loc: ["body", "filename"], msg: "a string of 1 to 255 characters", type: "value_error.str" },
        {
          loc: ["body", "content_type"],
          msg: "one of image/jpeg, image/png, image/webp, image/gif",
          type: "value_error.const"
        }
      ]
    ])
  })

  it("the address of an upload lets its bearer put this picture for this user until it expires, and nothing else", async () => {
    const given = await upload()
    const others = await upload()
    const changed = (from: string | RegExp, to: string) => put(given.upload_url.replace(from, to))
    const refused = { status: 403, body: { code: "UPLOAD_NOT_ALLOWED" } }
    expect(await changed("user=ann", "user=bob")).toMatchObject(refused)
    expect(await changed(/expires=\d/, "expires=9")).toMatchObject(refused)
    expect(await changed(given.key, others.key)).toMatchObject(refused)
    expect(await changed(/signature=.*/, "signature=")).toMatchObject(refused)
    expect(await changed(/\?.*/, "")).toMatchObject(refused)
    expect(await changed(".jpg", ".png")).toMatchObject(refused)
    expect((await put(given.upload_url, photo, { "content-type": "image/png" })).status).toBe(422)
    expect((await put(given.upload_url, Buffer.from("<svg/>"))).status).toBe(422)
    expect((await put(given.upload_url, Buffer.alloc(10 * 1024 * 1024 + 1))).body).toMatchObject({
      code: "IMAGE_TOO_LARGE"
    })
    expect((await shown(given.cdn_url)).status).toBe(404)
    expect((await put(given.upload_url)).status).toBe(200)
  })

  it("the address of an upload is over after its time, to the second", () => {
    const at = 1_700_000_000_000
    const granted = ImageAddress.grant("secret", "scan/x", "ann", at)
    const last = at + ImageAddress.expirySeconds * 1000 - 1
    expect(ImageAddress.isGranted("secret", "scan/x", granted, last)).toBe(true)
    expect(ImageAddress.isGranted("secret", "scan/x", granted, last + 1)).toBe(false)
    expect(ImageAddress.isGranted("other", "scan/x", granted, last)).toBe(false)
  })

  it("the address of an upload takes a photo from a page of an origin of CORS_ORIGINS", async () => {
    const { upload_url } = await upload()
    const preflight = await fetch(upload_url, {
      method: "OPTIONS",
      headers: {
        origin: "https://old.example",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type"
      }
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get("access-control-allow-methods")).toContain("PUT")
    const answer = await put(upload_url, photo, { "content-type": "image/jpeg", origin: "https://old.example" })
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, "https://old.example"])
  })

  it("the addresses of a photo have the scheme that a proxy in front tells", async () => {
    const answer = await fetch(`${gateway.address}/api/v1/images/scan`, {
      method: "POST",
      headers: { "x-user-id": "ann", "x-forwarded-proto": "https, http" },
      body: JSON.stringify({ filename: "a", content_type: "image/png" })
    })
    expect(String(field(await answer.json(), "cdn_url")).startsWith(gateway.address.replace("http:", "https:"))).toBe(
      true
    )
  })
})

it("a user's uploads take USER_IMAGE_STORAGE at most, then 429; another user's pass", async () => {
  const large = Photos.jpegOf(9 * 1024 * 1024)
  const putLarge = async (user: string) => put((await upload(undefined, { user })).upload_url, large)
  expect((await putLarge("carl")).status).toBe(200)
  expect(await putLarge("carl")).toMatchObject({ status: 429, body: { code: "TOO_MANY_PHOTOS" } })
  expect((await putLarge("dora")).status).toBe(200)
})
