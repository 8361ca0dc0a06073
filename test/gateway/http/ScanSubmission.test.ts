/** Every invalid scan request gets its own status, code and body, and costs the process nothing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { Effect } from "effect"
import { request as httpRequest } from "node:http"
import * as ScanSubmission from "../../../packages/gateway/src/http/ScanSubmission.ts"
import * as Photos from "../../harness/Photos.ts"
import { client, dataUrl, field, photo, tinyPng } from "../ScanClient.ts"
import { metric, simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

let redis: RedisServer.RedisServer
let open: Serving
let strict: Serving

beforeAll(async () => {
  redis = await RedisServer.start()
  const env = { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url }
  open = await start("gateway", env)
  strict = await start("gateway", { ...env, IMAGE_HOSTS: "cdn.example.com, Photos.Example.org" })
})
afterAll(async () => {
  await Promise.all([open.stop(), strict.stop()])
  await redis.stop()
})

const issue = (name: string, type: string) => [{ loc: ["body", name], msg: expect.any(String), type }]
const text = expect.any(String)
const longUrl = (length: number) => `https://example.com/${"a".repeat(length - "https://example.com/".length)}`
const imageOf = (bytes: number) => dataUrl(Photos.jpegOf(bytes), "image/jpeg")
const mebibytes10 = 10 * 1024 * 1024
const secret = "a secret of at least thirty-two characters"

interface Row {
  readonly claim: string
  readonly body: unknown
  readonly status: number
  readonly code: string
  readonly detail?: unknown
}

const rows: ReadonlyArray<Row> = [
  { claim: "no JSON", body: "{", status: 400, code: "INVALID_JSON" },
  { claim: "an empty body", body: "", status: 400, code: "INVALID_JSON" },
  { claim: "JSON that is a list", body: [photo], status: 400, code: "INVALID_REQUEST" },
  { claim: "JSON null", body: "null", status: 400, code: "INVALID_REQUEST" },
  { claim: "no image_url", body: {}, status: 400, code: "IMAGE_URL_REQUIRED" },
  { claim: "image_url null", body: { image_url: null }, status: 400, code: "IMAGE_URL_REQUIRED" },
  { claim: "image_url empty", body: { image_url: "" }, status: 400, code: "IMAGE_URL_REQUIRED" },
  { claim: "image_url a number", body: { image_url: 7 }, status: 400, code: "INVALID_REQUEST" },
  { claim: "user_input a list", body: { image_url: photo, user_input: [] }, status: 400, code: "INVALID_REQUEST" },
  { claim: "model an object", body: { image_url: photo, model: {} }, status: 400, code: "INVALID_REQUEST" },
  { claim: "language a number", body: { image_url: photo, language: 1 }, status: 400, code: "INVALID_REQUEST" },
  { claim: "region a list", body: { image_url: photo, region: ["서울"] }, status: 400, code: "INVALID_REQUEST" },
  ...["ja", "EN", ""].map((language) => ({
    claim: `the language "${language}"`,
    body: { image_url: photo, language },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("language", "value_error.const")
  })),
  {
    claim: "region of 101 characters",
    body: { image_url: photo, region: "구".repeat(101) },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("region", "value_error.any_str.max_length")
  },
  {
    claim: "image_url no URL",
    body: { image_url: "bottle.jpg" },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url")
  },
  {
    claim: "image_url with another scheme",
    body: { image_url: "ftp://example.com/a.jpg" },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url.scheme")
  },
  {
    claim: "image_url a file",
    body: { image_url: "file:///etc/passwd" },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url.scheme")
  },
  {
    claim: "image_url with a password",
    body: { image_url: "https://a:b@example.com/a.jpg" },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url")
  },
  {
    claim: "image_url of 2084 characters",
    body: { image_url: longUrl(2084) },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.any_str.max_length")
  },
  {
    claim: "a data URL of another type",
    body: { image_url: "data:image/svg+xml;base64,AAAA" },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url")
  },
  {
    claim: "a data URL that is not base64",
    body: { image_url: "data:image/png;base64,%%%" },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url")
  },
  {
    claim: "a data URL without bytes",
    body: { image_url: "data:image/png;base64," },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url")
  },
  {
    claim: "a data URL of a HEIC that says it is a JPEG",
    body: { image_url: dataUrl(Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "image/jpeg") },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("image_url", "value_error.url")
  },
  {
    claim: "user_input of 2001 characters",
    body: { image_url: photo, user_input: "가".repeat(2001) },
    status: 422,
    code: "VALIDATION_ERROR",
    detail: issue("user_input", "value_error.any_str.max_length")
  },
  {
    claim: "a model nobody offers",
    body: { image_url: photo, model: "gpt-1" },
    status: 400,
    code: "UNSUPPORTED_MODEL",
    detail: { error: "UNSUPPORTED_MODEL", message: text, supported_models: ["simulated"] }
  },
  {
    claim: "an image one byte over 10 MiB",
    body: { image_url: imageOf(mebibytes10 + 1) },
    status: 413,
    code: "IMAGE_TOO_LARGE"
  },
  { claim: "an image of 12 MiB", body: { image_url: imageOf(12 * 1024 * 1024) }, status: 413, code: "IMAGE_TOO_LARGE" },
  ...[
    "http://localhost/a.jpg",
    "http://127.0.0.1:8080/a.jpg",
    "http://2130706433/a.jpg",
    "http://0x7f.1/a.jpg",
    "http://[::1]/a.jpg",
    "http://[::ffff:127.0.0.1]/a.jpg",
    "http://[::ffff:a9fe:a9fe]/a.jpg",
    "http://10.1.2.3/a.jpg",
    "http://172.31.0.1/a.jpg",
    "http://192.168.1.1/a.jpg",
    "http://169.254.169.254/latest/meta-data",
    "http://[fd00::1]/a.jpg",
    "http://metadata/a.jpg",
    "http://metadata.google.internal/a.jpg",
    "http://localhost./a.jpg"
  ].map((image_url) => ({
    claim: `an address that is not public, ${image_url}`,
    body: { image_url },
    status: 400,
    code: "IMAGE_HOST_NOT_ALLOWED"
  }))
]

describe("refused scan requests", () => {
  for (const { body, claim, code, detail, status } of rows) {
    it(`a scan request with ${claim} is answered ${status} ${code}, and the next request is served`, async () => {
      const ann = client(open)
      const answer = await ann.submit(body)
      expect({ status: answer.status, body: answer.body }).toEqual({ status, body: { code, detail: detail ?? text } })
      expect(answer.headers.get("content-type")).toContain("application/json")
      expect((await ann.submit({ image_url: photo })).status).toBe(202)
    })
  }

  for (const [claim, key] of [
    ["256 characters", "k".repeat(256)],
    ["a character outside ASCII", "schl\u00fcssel"],
    ["a control character", "a\tb"]
  ] as const) {
    it(`an idempotency key with ${claim} is refused with 400 INVALID_IDEMPOTENCY_KEY`, async () => {
      const answer = await client(open).submit({ image_url: photo }, { "x-idempotency-key": key })
      expect([answer.status, field(answer.body, "code")]).toEqual([400, "INVALID_IDEMPOTENCY_KEY"])
    })
  }

  it("IMAGE_HOSTS allows the hosts it names and their subdomains, and no others", async () => {
    const ann = client(strict)
    const statusOf = async (image_url: string) => {
      const { body, status } = await ann.submit({ image_url })
      return status === 202 ? 202 : field(body, "code")
    }
    expect(await statusOf("https://cdn.example.com/a.jpg")).toBe(202)
    expect(await statusOf("https://eu.CDN.example.com/a.jpg")).toBe(202)
    expect(await statusOf("https://photos.example.org/a.jpg")).toBe(202)
    expect(await statusOf("https://evilcdn.example.com/a.jpg")).toBe("IMAGE_HOST_NOT_ALLOWED")
    expect(await statusOf("https://cdn.example.com.evil.net/a.jpg")).toBe("IMAGE_HOST_NOT_ALLOWED")
    expect(await statusOf("https://example.com/a.jpg")).toBe("IMAGE_HOST_NOT_ALLOWED")
    expect(await statusOf(dataUrl(tinyPng))).toBe(202)
  })
})

describe("accepted scan requests", () => {
  for (const [claim, body] of [
    ["an image_url of 2083 characters", { image_url: longUrl(2083) }],
    ["user_input of 2000 characters", { image_url: photo, user_input: "가".repeat(2000) }],
    [
      "user_input of 2000 characters in parts (NFD)",
      { image_url: photo, user_input: "각".normalize("NFD").repeat(2000) }
    ],
    ["user_input of 2000 emoji", { image_url: photo, user_input: "♻️".slice(0, 1) + "🧴".repeat(1999) }],
    ["user_input and model null", { image_url: photo, user_input: null, model: null }],
    ["language and region null", { image_url: photo, language: null, region: null }],
    ["a region of 100 emoji", { image_url: photo, region: "🏙".repeat(100) }],
    ["an empty user_input", { image_url: photo, user_input: "" }],
    ["an unknown field", { image_url: photo, colour: "red" }],
    ["the model by its name", { image_url: photo, model: "simulated" }],
    ["a data URL", { image_url: dataUrl(tinyPng) }],
    ["an image of exactly 10 MiB", { image_url: imageOf(mebibytes10) }]
  ] as const) {
    it(`a scan request with ${claim} is accepted`, async () => {
      expect((await client(open).submit(body)).status).toBe(202)
    })
  }

  /** The job's input as stored. */
  const inputOf = async (outside: Redis, body: object, headers: Readonly<Record<string, string>> = {}) => {
    const id = await client(open).accepted({ image_url: photo, ...body }, headers)
    const [key = ""] = await outside.keys(`eco2:{*}:job:${id}`)
    const input: unknown = JSON.parse((await outside.hget(key, "input")) ?? "")
    return input
  }

  it("a scan is in the language its body names, else in Accept-Language's, else in Korean, and its default question too", async () => {
    const outside = new Redis(redis.url)
    const [ko, en] = ["이 물건은 어떻게 분리배출해야 하나요?", "How do I dispose of this item?"]
    for (const [body, header, language, userInput] of [
      [{}, undefined, "ko", ko],
      [{ language: null }, "en-US,en;q=0.9,ko;q=0.8", "en", en],
      [{ language: "ko" }, "en", "ko", ko],
      [{ language: "en", user_input: "컵은?" }, "ko", "en", "컵은?"],
      [{}, "fr", "ko", ko]
    ] as const) {
      const headers: Record<string, string> = header === undefined ? {} : { "accept-language": header }
      expect(await inputOf(outside, body, headers)).toMatchObject({ language, userInput, region: null })
    }
    outside.disconnect()
  })

  it("a scan keeps the user's region, trimmed, and a blank one is none", async () => {
    const outside = new Redis(redis.url)
    expect(await inputOf(outside, { region: " 서울 마포구 " })).toMatchObject({ region: "서울 마포구" })
    expect(await inputOf(outside, { region: " \n" })).toMatchObject({ region: null })
    outside.disconnect()
  })

  it("an idempotency key is bound to language and region as the body has them, not to Accept-Language", async () => {
    const pictures = [photo, dataUrl(tinyPng)]
    for (const [n, image_url] of pictures.entries()) {
      const send = async (key: string, body: object, language = "ko") => {
        const headers = { "x-idempotency-key": `language ${n} ${key}`, "accept-language": language }
        const answer = await client(open).submit({ image_url, ...body }, headers)
        return answer.status === 202 ? field(answer.body, "job_id") : field(answer.body, "code")
      }
      const first = await send("a", {})
      expect(await send("a", { language: null, region: null }, "en")).toBe(first)
      expect(await send("a", { language: "ko" })).toBe("IDEMPOTENCY_KEY_REUSED")
      expect(await send("a", { region: "서울" })).toBe("IDEMPOTENCY_KEY_REUSED")
      const second = await send("b", { language: "en", region: "서울" })
      expect(await send("b", { region: "서울", language: "en" })).toBe(second)
      expect(await send("b", { language: "en" })).toBe("IDEMPOTENCY_KEY_REUSED")
    }
  })

  it("a scan without a question gets the default one, in Korean, and a question of its own is kept", async () => {
    const outside = new Redis(redis.url)
    const asked = async (body: object) => field(await inputOf(outside, body), "userInput")
    const byDefault = "이 물건은 어떻게 분리배출해야 하나요?"
    for (const body of [{}, { user_input: null }, { user_input: "" }, { user_input: " \n " }]) {
      expect([body, await asked(body)]).toEqual([body, byDefault])
    }
    expect(await asked({ user_input: " 컵은? " })).toBe(" 컵은? ")
    outside.disconnect()
  })

  it("an idempotency key of 255 printable characters is accepted", async () => {
    const key = `~ ${"k".repeat(253)}`
    expect((await client(open).submit({ image_url: photo }, { "x-idempotency-key": key })).status).toBe(202)
  })
})

describe("a request without a user", () => {
  it("a submit without X-User-ID is refused with 401, whatever its body", async () => {
    for (const body of [{ image_url: photo }, "{", imageOf(mebibytes10 + 1)]) {
      const answer = await client(open, null).submit(body, { "x-idempotency-key": "k".repeat(300) })
      expect([answer.status, answer.body]).toEqual([401, { detail: text, code: "UNAUTHORIZED" }])
    }
  })

  it("a submit without X-User-ID is refused although its body never comes", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${open.address}/api/v1/scan`, {
        method: "POST",
        headers: { "content-type": "application/json", "content-length": "1000" }
      })
      request.once("response", (response) => {
        resolve(response.statusCode)
        request.destroy()
      })
      request.once("error", reject)
      request.flushHeaders()
    })
    expect(status).toBe(401)
  })

  it("a user id with control characters or of more than 255 is refused with 401", async () => {
    for (const user of ["u".repeat(256), "a\tb"]) {
      expect((await client(open, user).submit({ image_url: photo })).status).toBe(401)
    }
  })
})

describe("a body larger than any scan", () => {
  /** Sends `mebibytes` in chunks, without a length; returns the response, or how the connection ended. */
  const sendChunked = (mebibytes: number) =>
    new Promise<{ readonly status: number | undefined; readonly code: unknown }>((resolve, reject) => {
      const request = httpRequest(`${open.address}/api/v1/scan`, {
        method: "POST",
        headers: { "x-user-id": "ann", "content-type": "application/json" }
      })
      request.once("error", reject)
      request.once("response", (response) => {
        let body = ""
        response.setEncoding("utf8")
        response.on("data", (piece: string) => (body += piece))
        response.once("end", () => {
          resolve({ status: response.statusCode, code: field(JSON.parse(body), "code") })
          request.destroy()
        })
      })
      const piece = Buffer.alloc(1024 * 1024, 0x61)
      const next = (left: number) => {
        if (left === 0) request.end()
        else request.write(piece, () => next(left - 1))
      }
      next(mebibytes)
    })

  it("a chunked body larger than any scan is refused with 413, and the process goes on", async () => {
    expect(await sendChunked(20)).toEqual({ status: 413, code: "BODY_TOO_LARGE" })
    expect((await client(open).submit({ image_url: photo })).status).toBe(202)
  })

  it("a client that sends on after its body was refused hears why", async () => {
    const { hostname, port } = new URL(open.address)
    for (let n = 0; n < 5; n++) {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const request = httpRequest(
          { hostname, port, path: "/api/v1/scan", method: "POST", agent: false },
          (response) => response.resume().once("end", () => resolve(response.statusCode))
        )
        request.once("error", reject)
        request.setHeader("x-user-id", "ann")
        request.end(Buffer.alloc(14_000_000, "["))
      })
      expect(status).toBe(400)
    }
  })

  it("a body announced as larger than any scan is refused before it is sent", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${open.address}/api/v1/scan`, {
        method: "POST",
        headers: { "x-user-id": "ann", "content-length": String(100 * 1024 * 1024) }
      })
      request.once("error", reject)
      request.once("response", (response) => {
        resolve(response.statusCode)
        request.destroy()
      })
      request.flushHeaders()
    })
    expect(status).toBe(413)
  })
})

describe("UPLOAD_MEMORY", () => {
  it("a gateway whose memory for pictures is full refuses a picture with Retry-After, its holder's with 429, and accepts addresses", async () => {
    const narrow = await start("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      REDIS_URL: redis.url,
      INTERNAL_SECRET: secret,
      UPLOAD_MEMORY: "40 MiB",
      USER_UPLOAD_MEMORY: "32 MiB"
    })
    const ann = client(narrow)
    const bob = client(narrow, "bob")
    const large = { image_url: imageOf(mebibytes10) }
    // all but its end has arrived
    const first = httpRequest(`${narrow.address}/api/v1/scan`, { method: "POST", headers: { "x-user-id": "ann" } })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      first.once("error", reject)
      first.once("response", (response) => resolve(response.resume().statusCode))
    })
    const sent = JSON.stringify(large)
    await new Promise((resolve) => first.write(sent.slice(0, -1), resolve))
    const refused = await until(
      () => bob.submit(large),
      ({ status }) => status === 503
    )
    expect([refused.body, Number(refused.headers.get("retry-after"))]).toEqual([
      { detail: expect.any(String), code: "TOO_MANY_UPLOADS" },
      2
    ])
    const own = await ann.submit(large)
    expect([own.status, own.body, own.headers.get("retry-after")]).toEqual([
      429,
      { detail: expect.any(String), code: "TOO_MANY_PHOTOS" },
      "5"
    ])
    // of another route, which no picture belongs to
    const revocation = { jti: "a", user_id: "ann", expires_at: "2030-01-01T00:00:00Z", reason: "x".repeat(65_536) }
    const elsewhere = await fetch(`${narrow.address}/api/v1/internal/blacklist`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-internal-secret": secret },
      body: JSON.stringify(revocation)
    })
    expect([elsewhere.status, await elsewhere.json()]).toEqual([
      413,
      expect.objectContaining({ code: "BODY_TOO_LARGE" })
    ])
    expect((await ann.submit({ image_url: photo })).status).toBe(202)
    expect(await metric(narrow, "eco2_uploads_refused_total")).toBeGreaterThan(0)
    first.end(sent.slice(-1))
    expect(await answered).toBe(202)
    expect((await ann.submit(large)).status).toBe(202)
    await narrow.stop()
  })
})

it("an uploaded photo that has gone is fetched by nobody, whatever becomes of the scan that the submit repeats", async () => {
  const image_url = `https://eco2.example/api/v1/images/scan/${"0".repeat(32)}-${"0".repeat(32)}.jpg`
  const parsed = await Effect.runPromise(
    Effect.scoped(
      ScanSubmission.parse(
        { picture: null, text: JSON.stringify({ image_url }) },
        {
          ownImage: () => Effect.succeed("gone" as const),
          imageHosts: [],
          models: { default: "m", models: ["m"], providerOf: () => "simulated" },
          language: "ko"
        }
      )
    )
  )
  expect(parsed).toMatchObject({ image: null, request: { image: { _tag: "Bytes", url: image_url } } })
})
