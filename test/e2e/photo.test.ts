/** What a photo tells its model's provider, through separate processes down to the bytes on the wire: the picture, and no more. */
import { createServer } from "node:http"
import type { Server } from "node:http"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { ImageMetadata } from "@eco2/actors/protocol"
import { client, dataUrl, field } from "../gateway/ScanClient.ts"
import { imageOf } from "../harness/FakeModelServer.ts"
import * as Photos from "../harness/Photos.ts"
import type { Process } from "../harness/Process.ts"
import * as System from "./System.ts"

const photo = Photos.phoneJpeg(6)
const left = Buffer.from(ImageMetadata.stripInPlace(Buffer.from(photo))?.bytes ?? [])

let system: System.System
let gateway: Process
let host: Server
let address: string

beforeAll(async () => {
  host = createServer((_, response) => response.end(photo))
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve))
  const at = host.address()
  const place = `127.0.0.1:${at !== null && typeof at === "object" ? at.port : 0}`
  address = `http://${place}/photo.jpg`
  system = await System.start({
    FETCH_IMAGES: "true",
    // a host that is private is accepted if it is listed
    IMAGE_HOSTS: "127.0.0.1",
    FETCH_ALLOW_PRIVATE: place,
    GEMINI_MODELS: "gemini-2.5-flash"
  })
  const gemini = { GEMINI_API_KEY: System.apiKey, GEMINI_BASE_URL: system.models.url }
  ;[gateway] = await Promise.all([system.start("gateway", gemini), system.start("scan-worker", gemini)])
})
beforeEach(() => system.models.reset())
afterAll(async () => {
  await system?.stop()
  host?.close()
  host?.closeAllConnections()
})

describe.each(["gpt-5.2", "gemini-2.5-flash"])(
  "a photo with position, camera, maker note and film, for %s",
  (model) => {
    it.each([
      ["as a data URL", () => dataUrl(photo, "image/jpeg")],
      ["by its address", () => address]
    ])(
      `I1 I2 ${model} gets a photo %s as the picture with its colours and orientation, and no more`,
      async (_, url) => {
        const ann = client(gateway, "ann")
        const id = await ann.accepted({ image_url: url(), model })
        expect(field((await ann.finished(id)).body, "status")).toBe("completed")
        const pictures = system.models.calls.map(imageOf)
        expect(pictures).toEqual([left, null])
        expect(Photos.tells(left)).toEqual([])
      }
    )
  }
)

it("I1 Redis never has the metadata of a photo that is sent as a data URL", async () => {
  const until = Promise.withResolvers<void>()
  system.models.next("vision", { _tag: "Held", until: until.promise })
  const ann = client(gateway, "ann")
  const id = await ann.accepted({ image_url: dataUrl(photo, "image/jpeg"), model: "gpt-5.2" })
  await system.models.waitForCall(1)
  const [key, ...others] = await system.outside.keys(`*:${id}:image`)
  expect(others).toEqual([])
  expect(await system.outside.getBuffer(key ?? "")).toEqual(left)
  until.resolve()
  await ann.finished(id)
})
