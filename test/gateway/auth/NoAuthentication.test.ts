/** AUTH_MODE=none on one machine: its users are let in, and foreign pages in their browsers are not. */
import { describe, expect, it } from "vitest"
import { send } from "../../harness/RawRequest.ts"
import { photo } from "../ScanClient.ts"
import { privateRole } from "../PrivateRole.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const gateway = privateRole("gateway", {
  ...simulatedOnly,
  AUTH_MODE: "none",
  CORS_ORIGINS: "https://app.example"
})

const submit = async (
  headers: Readonly<Record<string, string | Array<string>>>,
  serving: Pick<Serving, "address"> = gateway
) => {
  const answer = await send(serving.address, "/api/v1/scan", {
    method: "POST",
    headers,
    body: JSON.stringify({ image_url: photo })
  })
  return [answer.status, (JSON.parse(answer.body) as { readonly code?: string }).code]
}
const port = () => new URL(gateway.address).port

describe("AUTH_MODE=none", () => {
  it.each(["127.0.0.1", "localhost", "[::1]", "eco2.localhost", "192.168.0.7"])(
    "AUTH_MODE=none answers for the host %s",
    async (name) => {
      expect(await submit({ host: `${name}:${port()}` })).toEqual([202, undefined])
    }
  )

  it.each(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost"])(
    "AUTH_MODE=none refuses requests for the host %s, whatever it resolves to",
    async (name) => {
      expect(await submit({ host: `${name}:${port()}`, origin: `http://${name}:${port()}` })).toEqual([
        403,
        "HOST_NOT_ALLOWED"
      ])
    }
  )

  it("AUTH_MODE=none refuses requests of a foreign page, and takes those of its own and of allowed origins", async () => {
    const host = `127.0.0.1:${port()}`
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"]) {
      expect(await submit({ host, origin })).toEqual([403, "ORIGIN_NOT_ALLOWED"])
    }
    for (const origin of [`http://${host}`, "https://app.example"]) {
      expect(await submit({ host, origin })).toEqual([202, undefined])
    }
  })

  it("AUTH_MODE=none refuses a foreign page's requests without Origin, where the browser says so", async () => {
    const host = `127.0.0.1:${port()}`
    for (const site of ["cross-site", "same-site", "cross-site, none"]) {
      expect(await submit({ host, "sec-fetch-site": site })).toEqual([403, "ORIGIN_NOT_ALLOWED"])
    }
    for (const site of ["same-origin", "none"]) {
      expect(await submit({ host, "sec-fetch-site": site })).toEqual([202, undefined])
    }
  })

  it("AUTH_MODE=none refuses an X-User-ID that is sent twice", async () => {
    const host = `127.0.0.1:${port()}`
    for (const sent of [
      ["ann", "bob"],
      ["ann", "ann"],
      ["", "ann"]
    ]) {
      expect(await submit({ host, "x-user-id": sent })).toEqual([401, "UNAUTHORIZED"])
    }
    expect(await submit({ host, "x-user-id": "ann, bob" })).toEqual([202, undefined])
  })

  it("INSECURE_NONE answers for every host, and still refuses requests of a foreign page", async () => {
    const open = await start("gateway", {
      ...simulatedOnly,
      REDIS_URL: gateway.redisUrl,
      AUTH_MODE: "none",
      INSECURE_NONE: "true"
    })
    expect(await submit({ host: "eco2.example" }, open)).toEqual([202, undefined])
    expect(await submit({ host: "eco2.example", origin: "https://evil.example" }, open)).toEqual([
      403,
      "ORIGIN_NOT_ALLOWED"
    ])
    await open.stop()
  })
})
