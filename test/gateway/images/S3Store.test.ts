/** Photos by address in an object storage: against a server that speaks S3 and verifies every signature. */
import S3rver from "@20minutes/s3rver"
import { afterAll, beforeAll, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { ImageMetadata } from "@eco2/actors/protocol"
import { Redis } from "ioredis"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Photos from "../../harness/Photos.ts"
import { client, field, read } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

const photo = Photos.phoneJpeg(6)
const left = Buffer.from(ImageMetadata.stripInPlace(Buffer.from(photo))?.bytes ?? [])

let redis: RedisServer.RedisServer
let outside: Redis
let storage: S3rver
let port: number
let gateway: Serving
let worker: Serving
let env: Environment
const folder = mkdtempSync(join(tmpdir(), "eco2-s3-"))
const others: Array<Serving> = []

const open = async (at: number) => {
  storage = new S3rver({
    address: "127.0.0.1",
    port: at,
    silent: true,
    directory: folder,
    configureBuckets: [{ name: "photos" }]
  })
  return (await storage.run()).port
}
beforeAll(async () => {
  redis = await RedisServer.start()
  outside = new Redis(redis.url)
  port = await open(0)
  env = {
    ...simulatedOnly,
    REDIS_URL: redis.url,
    AUTH_MODE: "header",
    USER_IMAGE_STORAGE: "16 MiB",
    IMAGE_STORE: `s3://photos/eco2?region=eu-central-1&endpoint=http://127.0.0.1:${port}`,
    S3_ACCESS_KEY_ID: "S3RVER",
    S3_SECRET_ACCESS_KEY: "S3RVER"
  }
  ;[gateway, worker] = await Promise.all([start("gateway", env), start("scan-worker", env)])
})
afterAll(async () => {
  await Promise.all([gateway, worker, ...others].map((role) => role?.stop()))
  outside?.disconnect()
  await redis?.stop()
  await storage?.close()
  rmSync(folder, { recursive: true, force: true })
})

const upload = async (at = gateway, user = "ann") => {
  const answer = await fetch(`${at.address}/api/v1/images/scan`, {
    method: "POST",
    headers: { "x-user-id": user },
    body: JSON.stringify({ filename: "병.jpg", content_type: "image/jpeg" })
  })
  const body: unknown = await answer.json()
  return { key: String(field(body, "key")), to: String(field(body, "upload_url")), as: String(field(body, "cdn_url")) }
}
const put = async (url: string, bytes: Uint8Array = photo) =>
  read(await fetch(url, { method: "PUT", headers: { "content-type": "image/jpeg" }, body: Buffer.from(bytes) }))
const shown = (url: string, user = "ann") => fetch(url, { headers: { "x-user-id": user } })
/** The bytes of an object, as the storage has them; null if it has none. */
const stored = async (key: string): Promise<Buffer | null> => {
  const object = await storage.store.getObject("photos", `eco2/${key}`)
  return object === null ? null : Buffer.concat(await object.content.toArray())
}
const marks = async (key: string) => outside.keys(`*:picture:${key.slice(5, 37)}`)

it("a photo in an object storage is put without metadata, scanned, and shown to its owner alone", async () => {
  const { as, key, to } = await upload()
  expect(await put(to)).toMatchObject({ status: 200 })
  expect(await stored(key)).toEqual(left)
  expect(Photos.tells(left)).toEqual([])
  const [mark] = await marks(key)
  expect(await outside.get(mark!)).toBe("-")
  const ann = client(gateway)
  const id = await ann.accepted({ image_url: as })
  expect(field((await ann.finished(id)).body, "status")).toBe("completed")
  const answer = await shown(as)
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "image/jpeg"])
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(left)
  expect((await shown(as, "bob")).status).toBe(404)
  // the object of an expired picture is nobody's
  await outside.del(mark!)
  expect((await shown(as)).status).toBe(404)
  expect((await ann.submit({ image_url: as })).status).toBe(422)
})

it("photos in an object storage count in their user's share as those in Redis do", async () => {
  const large = Photos.jpegOf(9 * 1024 * 1024)
  expect((await put((await upload(gateway, "carl")).to, large)).status).toBe(200)
  const second = await upload(gateway, "carl")
  expect(await put(second.to, large)).toMatchObject({ status: 429, body: { code: "TOO_MANY_PHOTOS" } })
  expect((await put((await upload(gateway, "dora")).to, large)).status).toBe(200)
})

it("a request that the storage does not take for signed by its key is 503, and leaves no mark", async () => {
  const wrong = await start("gateway", { ...env, S3_SECRET_ACCESS_KEY: "another" })
  others.push(wrong)
  const { key, to } = await upload(wrong)
  expect(await put(to)).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } })
  expect(await marks(key)).toEqual([])
  expect(await stored(key)).toBe(null)
  expect(wrong.logs.filter(({ msg }) => msg === "the storage of pictures fails")).toHaveLength(1)
  expect(JSON.stringify(wrong.logs)).not.toContain("another")
})

it("a storage that does not answer is 503 for uploads, scans and pictures, and works again once it does", async () => {
  const before = await upload()
  await put(before.to)
  await storage.close()
  const { key, to } = await upload()
  expect(await put(to)).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } })
  expect(await marks(key)).toEqual([])
  expect((await shown(before.as)).status).toBe(503)
  expect((await client(gateway).submit({ image_url: before.as })).status).toBe(503)
  expect((await fetch(`${gateway.address}/readyz`)).status).toBe(200)
  await open(port)
  expect((await put(to)).status).toBe(200)
  expect((await shown(before.as)).status).toBe(200)
})

it.each([
  ["s3://photos", "S3_ACCESS_KEY_ID"],
  ["s3://photos?endpoint=minio.example", "IMAGE_STORE"],
  ["s3://Photos_1?x=1", "IMAGE_STORE"],
  ["https://photos.example", "IMAGE_STORE"]
])("a gateway with IMAGE_STORE=%s that cannot work does not start, and names %s", async (IMAGE_STORE, named) => {
  await expect(start("gateway", { ...env, IMAGE_STORE, S3_ACCESS_KEY_ID: "" })).rejects.toThrow(named)
})
