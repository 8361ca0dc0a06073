/** `eco2 doctor --url`: a live stream through proxies that pass it on, buffer it or compress it; and keys, with --probe. */
import { RedisServer } from "@eco2/core/testing"
import { createServer, request } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { createGzip } from "node:zlib"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Finding } from "../../../deploy/cli/doctor/Finding.ts"
import * as Serving from "../../gateway/Serving.ts"
import * as TokenIssuer from "../../harness/TokenIssuer.ts"
import { runWith } from "./Operating.ts"

let redis: RedisServer.RedisServer
let gateway: Serving.Serving
let worker: Serving.Serving
let hosting: Serving.Serving
const open: Array<Server> = []
/** So slow that on a busy machine much of the job is still to come when its stream is opened; what is faster is not judged. */
const models = { ...Serving.simulatedOnly, SIMULATED_VISION_MS: "1500", SIMULATED_ANSWER_MS: "1500" }
const usual = () => ({ ...models, ...TokenIssuer.bySecret, REDIS_URL: redis.url })

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await Serving.start("gateway", usual())
  hosting = await Serving.start("gateway", { ...usual(), SIMULATED_MODEL: "false", OPENAI_MODELS: "gpt-5.2" })
  worker = await Serving.start("scan-worker", usual())
}, 60_000)
afterAll(async () => {
  await Promise.all([gateway.stop(), hosting.stop(), worker.stop()])
  await redis.stop()
})
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

const serving = async (handler: (request: IncomingMessage, response: ServerResponse) => void) => {
  const server = createServer(handler)
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const bound = server.address()
  return `http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`
}

/** A proxy in front of the gateway; `pass` forwards a response's body. */
const proxy = (pass: (from: IncomingMessage, to: ServerResponse) => void) =>
  serving((incoming, outgoing) => {
    const onward = request(
      gateway.address + incoming.url,
      { method: incoming.method ?? "GET", headers: incoming.headers },
      (answer) => pass(answer, outgoing)
    )
    onward.on("error", () => outgoing.destroy())
    outgoing.on("close", () => onward.destroy())
    incoming.pipe(onward)
  })

const doctor = async (env: Readonly<Record<string, string>>, ...words: ReadonlyArray<string>) => {
  const { code, out } = await runWith({ ...usual(), ...env })("doctor", "--json", ...words)
  const findings: ReadonlyArray<Finding> = JSON.parse(out).findings
  return { code, out, of: (check: string) => findings.find((finding) => finding.check === check) }
}

describe("the doctor on a stream", () => {
  it("a stream straight from a gateway comes event by event and uncompressed, with a warning for plain HTTP", async () => {
    const { of } = await doctor({}, "--url", gateway.address)
    expect(of("stream.reach")).toMatchObject({ level: "ok" })
    expect(of("stream.type")).toMatchObject({ level: "ok" })
    expect(of("stream.compression")).toMatchObject({ level: "ok", found: "none" })
    expect(of("stream.buffering")).toMatchObject({ level: "ok" })
    expect(of("stream.http")).toMatchObject({ level: "warn", advice: expect.stringContaining("HTTP/2") })
  })

  it("a stream through a proxy that passes chunks on is as good", async () => {
    const url = await proxy((from, to) => {
      to.writeHead(from.statusCode ?? 502, from.headers)
      to.flushHeaders()
      from.pipe(to)
    })
    expect((await doctor({}, "--url", url)).of("stream.buffering")).toMatchObject({ level: "ok" })
  })

  it("a stream through a proxy that buffers fails, and the advice names the setting", async () => {
    const url = await proxy((from, to) => {
      const pieces: Array<Buffer> = []
      from.on("data", (piece: Buffer) => void pieces.push(piece))
      from.on("end", () => {
        to.writeHead(from.statusCode ?? 502, { "content-type": from.headers["content-type"] ?? "" })
        to.end(Buffer.concat(pieces))
      })
    })
    const { code, of } = await doctor({}, "--url", url)
    expect(code).toBe(1)
    expect(of("stream.buffering")).toMatchObject({
      level: "fail",
      found: expect.stringContaining("they are delayed"),
      advice: expect.stringContaining("proxy_buffering off")
    })
  })

  it("a stream through a proxy that compresses fails, and is held back until its blocks are full", async () => {
    const url = await proxy((from, to) => {
      to.writeHead(from.statusCode ?? 502, {
        "content-type": from.headers["content-type"] ?? "",
        "content-encoding": "gzip"
      })
      from.pipe(createGzip()).pipe(to)
    })
    const { of } = await doctor({}, "--url", url)
    expect(of("stream.compression")).toMatchObject({ level: "fail", found: expect.stringContaining("gzip") })
    expect(of("stream.buffering")).toMatchObject({ level: "fail" })
  })

  it("an address where another program answers, or none, fails", async () => {
    const page = await serving((_, to) => void to.end("<html>welcome</html>"))
    const { of } = await doctor({}, "--url", page)
    expect(of("stream.reach")).toMatchObject({ level: "fail", found: expect.stringContaining("welcome") })
    const nobody = `http://127.0.0.1:${await RedisServer.freePort()}`
    expect((await doctor({}, "--url", nobody)).of("stream.reach")).toMatchObject({ level: "fail" })
  })

  it("a stream needs a token: made with the secret where it is known, given otherwise, and never shown", async () => {
    const none = { JWT_SECRET: "" }
    const refused = await doctor(none, "--url", gateway.address)
    expect(refused.of("stream.reach")).toMatchObject({ level: "fail", advice: expect.stringContaining("--token") })
    const token = TokenIssuer.signed()
    const given = await doctor(none, "--url", gateway.address, "--token", token)
    expect(given.of("stream.buffering")).toMatchObject({ level: "ok" })
    expect(given.out).not.toContain(token)
  })

  it("a stream of a hosted model is tried only when the model is named, so that it costs nothing", async () => {
    const { of } = await doctor({}, "--url", hosting.address)
    expect(of("stream.buffering")).toMatchObject({ level: "warn", advice: expect.stringContaining("--model gpt-5.2") })
  })

  it("a waiting job's stream is judged by its first bytes and its keepalives", async () => {
    const patient = await Serving.start("gateway", {
      ...usual(),
      SIMULATED_MODEL: "false",
      OPENAI_MODELS: "gpt-5.2",
      KEEPALIVE: "2 seconds"
    })
    const authorization = `Bearer ${TokenIssuer.signed({ sub: "eco2-doctor" })}`
    await worker.stop()
    const submitted = await fetch(`${patient.address}/api/v1/scan`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ image_url: "https://pictures.example/1.jpg" })
    })
    const { job_id } = (await submitted.json()) as { readonly job_id: string }
    const { of } = await doctor({}, "--url", patient.address, "--job", job_id)
    expect(of("stream.buffering")).toMatchObject({ level: "ok", found: expect.stringContaining("first bytes") })
    await patient.stop()
  })
})

describe("the doctor on keys", () => {
  const hosted = {
    SIMULATED_MODEL: "false",
    OPENAI_MODELS: "gpt-5.2,gpt-6",
    OPENAI_API_KEY: "sk-good",
    GEMINI_MODELS: "gemini-3"
  }

  it("a missing key is a failure where models are offered, and no key is tried without --probe", async () => {
    const calls: Array<string> = []
    const OPENAI_BASE_URL = await serving((from, to) => {
      calls.push(from.url ?? "")
      to.end("{}")
    })
    const { of, out } = await doctor({ ...hosted, OPENAI_BASE_URL })
    expect(of("openai.key")).toMatchObject({ level: "ok" })
    expect(of("gemini.key")).toMatchObject({
      level: "fail",
      found: expect.stringContaining("GEMINI_API_KEY is not set")
    })
    expect(calls).toEqual([])
    expect(out).not.toContain("sk-good")
  })

  it("models at a server of one's own need no key", async () => {
    const { of } = await doctor({ ...hosted, OPENAI_API_KEY: "", OPENAI_BASE_URL: "http://127.0.0.1:11434/v1" })
    expect(of("openai.key")).toMatchObject({ level: "ok", found: expect.stringContaining("without a key") })
  })

  it("an OpenAI key that looks like another provider's is a warning", async () => {
    const { of } = await doctor({ ...hosted, OPENAI_API_KEY: "AIza-not-theirs" })
    expect(of("openai.key")).toMatchObject({ level: "warn" })
  })

  it("keys are tried with --probe at the addresses set, as each API expects, and missing models are named", async () => {
    const seen: Array<string> = []
    const provider = await serving((from, to) => {
      seen.push(
        `${from.method} ${from.url} ${from.headers.authorization ?? from.headers["x-goog-api-key"] ?? from.headers["x-naver-client-secret"]}`
      )
      const gemini = from.headers["x-goog-api-key"] !== undefined
      to.setHeader("content-type", "application/json")
      const listed = [
        { id: "gpt-5.2", shutdown_date: "2026-02-01" },
        { id: "gpt-7", shutdown_date: "2020-01-01" }
      ]
      to.end(JSON.stringify(gemini ? { models: [{ name: "models/gemini-3" }] } : { data: listed }))
    })
    const { of } = await doctor(
      {
        ...hosted,
        OPENAI_BASE_URL: `${provider}/v1`,
        GEMINI_API_KEY: "g-good",
        GEMINI_BASE_URL: provider,
        NAVER_CLIENT_ID: "id",
        NAVER_CLIENT_SECRET: "n-good",
        NAVER_BASE_URL: provider,
        NEWSDATA_API_KEY: "d-good",
        NEWSDATA_BASE_URL: provider
      },
      "--probe"
    )
    // the questions to the models are ModelDoctor's
    expect(seen.filter((call) => call.startsWith("GET")).toSorted()).toEqual([
      "GET /v1/models Bearer sk-good",
      "GET /v1/search/news.json?query=eco&display=1 n-good",
      "GET /v1beta/models?pageSize=1000 g-good"
    ])
    expect(of("openai.probe")).toMatchObject({ level: "warn", found: expect.stringContaining("gpt-6") })
    expect(of("openai.shutdown")).toMatchObject({
      level: "warn",
      found: "the provider shuts down gpt-5.2 on 2026-02-01"
    })
    expect(of("gemini.probe")).toMatchObject({ level: "ok" })
    expect(of("naver.probe")).toMatchObject({ level: "ok" })
    expect(of("newsdata.key")).toMatchObject({ level: "ok", found: expect.stringContaining("200") })
  })

  it("a key that is refused, or whose provider does not answer, fails", async () => {
    const refusing = await serving((_, to) => void to.writeHead(401).end("{}"))
    const gone = `http://127.0.0.1:${await RedisServer.freePort()}`
    const { code, of, out } = await doctor(
      { ...hosted, OPENAI_BASE_URL: refusing, GEMINI_API_KEY: "g-good", GEMINI_BASE_URL: gone },
      "--probe"
    )
    expect(code).toBe(1)
    expect(of("openai.probe")).toMatchObject({ level: "fail", found: expect.stringContaining("refuses the key") })
    expect(of("gemini.probe")).toMatchObject({ level: "fail" })
    expect(out).not.toMatch(/sk-good|g-good/)
  })
})
