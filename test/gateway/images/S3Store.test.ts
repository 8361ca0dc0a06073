/** Photos by address in an object storage: against servers that speak S3 and verify every signature. */
import S3rver from "@20minutes/s3rver"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import { ImageMetadata } from "@eco2/actors/protocol"
import { Redis } from "ioredis"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Photos from "../../harness/Photos.ts"
import * as S3Request from "../../harness/S3Request.ts"
import { client, field, read } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

const photo = Photos.phoneJpeg(6)
const left = Buffer.from(ImageMetadata.stripInPlace(Buffer.from(photo))?.bytes ?? [])

interface Server extends S3Request.Bucket {
  readonly stop: () => Promise<void>
}

/** A server in this process. */
const ownServer = async (): Promise<Server> => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-s3-"))
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: folder,
    configureBuckets: [{ name: "photos" }]
  })
  const { port } = await server.run()
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: "eu-central-1",
    bucket: "photos",
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    stop: async () => {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** TEST_S3, `http://<key id>:<secret>@127.0.0.1:<port>/<bucket>?region=…`: another server on this machine, with this empty bucket. */
const givenServer = async (text: string): Promise<Server> => {
  const { origin, password, pathname, searchParams, username } = new URL(text)
  return {
    endpoint: origin,
    region: searchParams.get("region") ?? "us-east-1",
    bucket: pathname.slice(1),
    accessKeyId: decodeURIComponent(username),
    secretAccessKey: decodeURIComponent(password),
    stop: async () => undefined
  }
}
const given = process.env.TEST_S3 ?? ""

describe.each([
  ["S3rver", true, ownServer],
  ["the server named by TEST_S3", given !== "", () => givenServer(given)]
] as const)("photos in an object storage: %s", (_, isThere, open) => {
  if (!isThere) {
    it.skip("TEST_S3 names no server", () => undefined)
    return
  }
  let redis: RedisServer.RedisServer
  let outside: Redis
  let storage: Server
  let way: FaultProxy.FaultProxy
  let gateway: Serving
  let worker: Serving
  let env: Environment
  const others: Array<Serving> = []

  beforeAll(async () => {
    redis = await RedisServer.start()
    outside = new Redis(redis.url)
    storage = await open()
    way = await FaultProxy.start(Number(new URL(storage.endpoint).port))
    const { accessKeyId, bucket, region, secretAccessKey } = storage
    env = {
      ...simulatedOnly,
      REDIS_URL: redis.url,
      AUTH_MODE: "header",
      USER_IMAGE_STORAGE: "16 MiB",
      IMAGE_STORE: `s3://${bucket}/eco2?region=${region}&endpoint=${way.url.replace("redis:", "http:")}`,
      S3_ACCESS_KEY_ID: accessKeyId,
      S3_SECRET_ACCESS_KEY: secretAccessKey
    }
    ;[gateway, worker] = await Promise.all([start("gateway", env), start("scan-worker", env)])
  })
  afterAll(async () => {
    await Promise.all([gateway, worker, ...others].map((role) => role?.stop()))
    outside?.disconnect()
    await redis?.stop()
    await way?.close()
    await storage?.stop()
  })

  const upload = async (at = gateway, user = "ann") => {
    const answer = await fetch(`${at.address}/api/v1/images/scan`, {
      method: "POST",
      headers: { "x-user-id": user },
      body: JSON.stringify({ filename: "병.jpg", content_type: "image/jpeg" })
    })
    const body: unknown = await answer.json()
    return {
      key: String(field(body, "key")),
      to: String(field(body, "upload_url")),
      as: String(field(body, "cdn_url"))
    }
  }
  const put = async (url: string, bytes: Uint8Array = photo) =>
    read(await fetch(url, { method: "PUT", headers: { "content-type": "image/jpeg" }, body: Buffer.from(bytes) }))
  const shown = (url: string, user = "ann") => fetch(url, { headers: { "x-user-id": user } })
  /** The bytes of an object, as the storage has them; null if it has none. */
  const stored = (key: string) => S3Request.get(storage, `eco2/${key}`)
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

  it("a bucket that is not there is 503 for uploads and pictures, and the log names it", async () => {
    const kept = await upload()
    await put(kept.to)
    const IMAGE_STORE = String(env["IMAGE_STORE"]).replace(`s3://${storage.bucket}/`, "s3://nowhere-at-all/")
    const wrong = await start("gateway", { ...env, IMAGE_STORE })
    others.push(wrong)
    expect((await put((await upload(wrong)).to)).status).toBe(503)
    expect((await shown(kept.as.replace(gateway.address, wrong.address))).status).toBe(503)
    expect(wrong.logs.filter(({ error }) => String(error).includes("NoSuchBucket"))).toHaveLength(1)
  })

  it("a storage that does not answer is 503 for uploads, scans and pictures, and works again once it does", async () => {
    const before = await upload()
    await put(before.to)
    way.refuse()
    const { key, to } = await upload()
    expect(await put(to)).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } })
    expect(await marks(key)).toEqual([])
    expect((await shown(before.as)).status).toBe(503)
    expect((await client(gateway).submit({ image_url: before.as })).status).toBe(503)
    expect((await fetch(`${gateway.address}/readyz`)).status).toBe(200)
    way.heal()
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
})
