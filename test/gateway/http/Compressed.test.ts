/** What leaves compressed, and what is made once: pages, descriptions, answers of the API; and streams, which stay as they are. */
import { describe, expect, it } from "vitest"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { send } from "../../harness/RawRequest.ts"
import type { Answer } from "../../harness/RawRequest.ts"
import { client } from "../ScanClient.ts"
import { privateRole } from "../PrivateRole.ts"
import { simulatedOnly } from "../Serving.ts"

const gateway = privateRole("gateway", {
  ...simulatedOnly,
  AUTH_MODE: "none",
  CORS_ORIGINS: "https://a.example,https://b.example"
})

const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
  send(gateway.address, path, { method, headers })
const plain = ({ bytes, headers }: Answer): string => {
  const encoding = headers["content-encoding"]
  return (encoding === "br" ? brotliDecompressSync(bytes) : encoding === "gzip" ? gunzipSync(bytes) : bytes).toString(
    "utf8"
  )
}
const variesBy = ({ headers }: Answer): ReadonlyArray<string> =>
  String(headers.vary ?? "")
    .split(",")
    .map((word) => word.trim().toLowerCase())

const constant = ["/", "/docs", "/openapi.json", "/assets/app.js", "/assets/style.css", "/?lang=en"]
const large = [...constant, "/api/v1/scan/categories"]

describe("compression", { timeout: 60_000 }, () => {
  it.each(large)("%s is compressed as the client accepts it, by br before gzip, and is the same text", async (path) => {
    const whole = await get(path)
    expect(whole.headers["content-encoding"]).toBeUndefined()
    expect(variesBy(whole)).toContain("accept-encoding")
    for (const [accepted, encoding] of [
      ["gzip, deflate, br, zstd", "br"],
      ["gzip", "gzip"],
      ["br;q=0, gzip;q=0.5", "gzip"],
      ["*", "br"],
      ["identity", undefined],
      ["gzip;q=0", undefined],
      ["nonsense;;", undefined]
    ] as const) {
      const answer = await get(path, { "accept-encoding": accepted })
      expect([accepted, answer.headers["content-encoding"], answer.status]).toEqual([accepted, encoding, 200])
      expect(variesBy(answer)).toContain("accept-encoding")
      expect(plain(answer) === whole.body).toBe(true)
      if (encoding === undefined) continue
      expect(answer.bytes.length).toBeLessThan(whole.bytes.length)
      expect(answer.headers["content-length"]).toBe(String(answer.bytes.length))
      const head = await get(path, { "accept-encoding": accepted }, "HEAD")
      expect([head.headers["content-length"], head.bytes.length]).toEqual([String(answer.bytes.length), 0])
    }
  })

  it.each(constant)("%s has an ETag, and a client that has it in whatever encoding gets 304", async (path) => {
    const [whole, small] = [await get(path), await get(path, { "accept-encoding": "br" })]
    const [strong, weak] = [String(whole.headers.etag), String(small.headers.etag)]
    expect(strong).toMatch(/^"[\w-]+"$/)
    expect(weak).toBe(`W/${strong}`)
    for (const given of [strong, weak, `"x", ${weak}`, "*"]) {
      const answer = await get(path, { "if-none-match": given, "accept-encoding": "br" })
      expect([given, answer.status, answer.bytes.length, answer.headers.etag]).toEqual([given, 304, 0, strong])
      expect(variesBy(answer)).toContain("accept-encoding")
    }
    expect((await get(path, { "if-none-match": '"other"' })).status).toBe(200)
  })

  it("what is compressed once has each caller's own CORS headers", async () => {
    for (const origin of ["https://a.example", "https://b.example", "https://c.example"]) {
      const answer = await get("/openapi.json", { origin, "accept-encoding": "gzip" })
      expect(answer.headers["access-control-allow-origin"]).toBe(origin === "https://c.example" ? undefined : origin)
      expect(variesBy(answer)).toEqual(expect.arrayContaining(["origin", "accept-encoding"]))
    }
  })

  it("/docs keeps its policy when it is compressed", async () => {
    const policies = [await get("/docs"), await get("/docs", { "accept-encoding": "br" })].map(
      ({ headers }) => headers["content-security-policy"]
    )
    expect(policies[0]).toContain("script-src 'self';")
    expect(policies[1]).toBe(policies[0])
  })

  it("a small answer, and an error, is not compressed", async () => {
    for (const path of ["/healthz", "/api/v1/scan/models", "/nothing"]) {
      const answer = await get(path, { "accept-encoding": "gzip" })
      expect([path, answer.headers["content-encoding"]]).toEqual([path, undefined])
    }
  })

  it("a stream is not compressed, whatever the client accepts", async () => {
    const ann = client(gateway)
    const id = await ann.accepted()
    await ann.remove(`/api/v1/scan/${id}`)
    const stream = await get(new URL(ann.eventsUrl(id)).pathname, { ...ann.headers, "accept-encoding": "gzip, br" })
    expect(stream.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform"
    })
    expect(stream.headers["content-encoding"]).toBeUndefined()
    expect(stream.body).toContain("event: cancelled")
  })

  it("many answers asked for at once are all answered, compressed or not", async () => {
    const whole = (await get("/api/v1/scan/categories")).body
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => get("/api/v1/scan/categories", { "accept-encoding": "gzip" }))
    )
    expect(
      answers.filter(
        (answer) => answer.status !== 200 || plain(answer) !== whole || !variesBy(answer).includes("accept-encoding")
      )
    ).toEqual([])
    expect(answers.some(({ headers }) => headers["content-encoding"] === "gzip")).toBe(true)
  })
})
