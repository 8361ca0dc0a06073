/**
 * The former service's front end works unchanged: every call it makes of Eco², from a page of another origin with a cookie, as
 * browsers send it, against the whole system; and the stub that stands in for the services it needs beside Eco².
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Schema } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { read } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as EmbeddedFolder from "../harness/EmbeddedFolder.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as FormerFrontEnd from "../harness/FormerFrontEnd.ts"
import { calls, headers } from "../harness/FormerFrontEnd.ts"
import * as Photos from "../harness/Photos.ts"
import * as Process from "../harness/Process.ts"
import { bySecret, signed } from "../harness/TokenIssuer.ts"

const origin = "https://frontend.example"
const photo = Photos.png()
const folder = mkdtempSync(join(tmpdir(), "eco2 former "))
let system: Process.Process
let cookie: string

beforeAll(async () => {
  await EmbeddedFolder.place(join(folder, "postgres"))
  system = await Process.start("all", {
    ...bySecret,
    ECO2_STATE: folder,
    CORS_ORIGINS: origin,
    SIMULATED_MODEL: "true",
    SIMULATED_VISION_MS: "0",
    SIMULATED_ANSWER_MS: "0"
  })
  cookie = `s_access=${signed({ sub: "former" })}`
  await until(
    async () => (await fetch(`${system.address}/readyz`)).status,
    (status) => status === 200,
    60_000
  )
})
afterAll(async () => {
  await system?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** What a page of the front end gets: the preflight first, where a browser makes one. */
const ask = async (
  { body, credentials, method, path }: FormerFrontEnd.Call,
  given: Readonly<Record<string, string>> = {}
) => {
  const filled = (text: string) => text.replaceAll(/\{(\w+)\}/g, (_, name: string) => given[name] ?? "")
  const at = filled(path)
  const url = at.startsWith("http") ? at : `${system.address}${at}`
  const sent = {
    ...headers,
    origin,
    ...(body === "photo" ? { "content-type": "image/png" } : {}),
    ...(credentials ? { cookie } : {})
  }
  if (method !== "GET") {
    const preflight = await fetch(url, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type"
      }
    })
    expect(preflight.headers.get("access-control-allow-origin")).toBe(origin)
    expect(preflight.headers.get("access-control-allow-methods")?.split(/, ?/)).toContain(method)
    expect(preflight.headers.get("access-control-allow-headers")?.split(/, ?/)).toContain("content-type")
  }
  const text =
    body === undefined || body === "photo"
      ? body
      : JSON.stringify(Object.fromEntries(Object.entries(body).map(([name, value]) => [name, filled(value)])))
  const answer = await read(
    await fetch(url, {
      method,
      headers: sent,
      ...(text === undefined ? {} : { body: text === "photo" ? photo : text })
    })
  )
  expect(answer.headers.get("access-control-allow-origin")).toBe(origin)
  expect(answer.headers.get("access-control-allow-credentials")).toBe("true")
  return answer
}
/** The answer's body, which must be 2xx and have the fields that the pages use. */
const asked = async <A>(
  schema: Schema.Decoder<A>,
  call: FormerFrontEnd.Call,
  given: Readonly<Record<string, string>> = {}
): Promise<A> => {
  const { body, status } = await ask(call, given)
  expect([call.path, status < 300]).toEqual([call.path, true])
  return Schema.decodeUnknownSync(schema)(body)
}

describe("the calls of the former front end", () => {
  it("a photo is put to its address and scanned by it: steps, answer, character and collection, field by field", async () => {
    const upload = await asked(FormerFrontEnd.Upload, calls.upload)
    expect((await ask(calls.put, { upload_url: upload.upload_url })).status).toBe(200)
    const submitted = await asked(FormerFrontEnd.Submitted, calls.submit, { cdn_url: upload.cdn_url })
    // it takes the id out of the result's address
    const job_id = submitted.result_url.split("/").at(-2) ?? ""
    expect(job_id).toBe(submitted.job_id)
    const stream = await EventStream.open(`${system.address}${submitted.stream_url}`, { headers: { origin, cookie } })
    expect(stream.response.headers.get("access-control-allow-origin")).toBe(origin)
    await stream.ended
    const events = stream.events.filter(({ event }) => event !== "keepalive")
    const decoded = events.map(({ data }) => Schema.decodeUnknownSync(FormerFrontEnd.ScanEvent)(data))
    // each is heard under its stage's name
    expect(events.map(({ event }) => event)).toEqual(decoded.map(({ stage }) => stage))
    expect(decoded.filter(({ status }) => status === "completed").map(({ stage }) => stage)).toEqual([
      "vision",
      "rule",
      "answer",
      "reward",
      "done"
    ])
    const result = await asked(FormerFrontEnd.Result, calls.result, { job_id })
    expect(result.task_id).toBe(job_id)
    expect(Object.keys(result.pipeline_result.final_answer.disposal_steps).length).toBeGreaterThan(0)
    // every scan of this photo earns the same; its collection shows it as soon as it is saved
    const earned = result.reward?.name
    const mine = await until(
      () => asked(FormerFrontEnd.OwnCharacters, calls.characters),
      (all) => (earned === undefined ? all.length > 0 : all.some(({ name }) => name === earned)),
      60_000
    )
    expect(mine.length).toBeGreaterThan(0)
    const picture = await fetch(upload.cdn_url, { headers: { cookie } })
    expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/png"])
  })

  it("the result that its page polls for, where streams do not pass, is 202 and not completed until it is whole", async () => {
    const { body, status } = await ask({ ...calls.submit, body: { image_url: "https://images.example.com/a.jpg" } })
    expect(status).toBe(202)
    const { job_id } = Schema.decodeUnknownSync(FormerFrontEnd.Submitted)(body)
    const seen = await until(
      async () => {
        const polled = await ask(calls.result, { job_id })
        if (polled.status !== 200) expect(polled).toMatchObject({ status: 202, body: { status: "processing" } })
        return polled
      },
      ({ status: now }) => now === 200
    )
    expect(Schema.decodeUnknownSync(FormerFrontEnd.Result)(seen.body).task_id).toBe(job_id)
  })

  it("news come page by page, of all categories and of each", async () => {
    const first = await asked(FormerFrontEnd.News, calls.news)
    expect(first.articles.length).toBeGreaterThan(0)
    const seen = first.articles.map(({ id }) => id)
    for (let page = first; page.has_more && page.next_cursor !== null;) {
      page = await asked(FormerFrontEnd.News, calls.moreNews, { next_cursor: page.next_cursor })
      seen.push(...page.articles.map(({ id }) => id))
    }
    expect(new Set(seen).size).toBe(seen.length)
    for (const category of FormerFrontEnd.newsCategories) {
      const { articles } = await asked(FormerFrontEnd.News, calls.newsOf, { category })
      expect(articles.every((article) => article.category === category)).toBe(true)
    }
  })

  it("a caller without a valid token gets 401 that its page may read, and renews the token by", async () => {
    const before = cookie
    cookie = "s_access=old"
    try {
      expect((await ask(calls.upload)).status).toBe(401)
      expect((await ask(calls.submit, { cdn_url: "https://images.example.com/a.jpg" })).status).toBe(401)
      expect((await ask(calls.characters)).status).toBe(401)
    } finally {
      cookie = before
    }
  })
})

describe("the stub beside the former front end", () => {
  const stub = fileURLToPath(new URL("../../deploy/frontend/stub.mjs", import.meta.url))
  let address: string
  let stop: () => void
  beforeAll(async () => {
    const pages = join(folder, "dist")
    mkdirSync(join(pages, "assets"), { recursive: true })
    writeFileSync(join(pages, "index.html"), "<title>former</title>")
    writeFileSync(join(pages, "assets", "app.js"), "1")
    writeFileSync(join(folder, "secret"), "secret")
    const child = spawn(Process.nodePath(), [stub, pages], {
      env: { ECO2_URL: system.address, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    stop = () => void child.kill("SIGKILL")
    address = await new Promise<string>((resolve, reject) => {
      child.once("error", reject).once("exit", () => reject(new Error("the stub ended")))
      child.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()))
    })
  })
  afterAll(() => stop?.())

  it("the stub serves the pages, and nothing beside their folder", async () => {
    const page = await fetch(`${address}/`)
    expect([page.headers.get("content-type"), await page.text()]).toEqual(["text/html", "<title>former</title>"])
    expect((await fetch(`${address}/assets/app.js`)).headers.get("content-type")).toBe("text/javascript")
    for (const path of ["/..%2fsecret", "/%2e%2e/secret", "/assets/", "/assets/../../secret"]) {
      expect(await (await fetch(`${address}${path}`)).text()).not.toBe("secret")
    }
  })

  it("the stub answers for login, profile, chat and maps, so that each page of the front end opens", async () => {
    const json = async (path: string, method = "GET") => (await fetch(`${address}${path}`, { method })).json()
    expect(await json("/api/v1/users/me")).toMatchObject({ username: "demo", nickname: expect.any(String) })
    expect(await json("/api/v1/auth/refresh", "POST")).toEqual({ success: true })
    expect(await json("/api/v1/auth/logout", "POST")).toEqual({ success: true })
    expect(await json("/api/v1/chat?limit=20")).toMatchObject({ chats: [] })
    expect(await json("/api/v1/locations/centers?lat=37&lon=127")).toEqual([])
  })

  it("the stub passes everything else on to Eco², photos and streams too", async () => {
    const own = { cookie, "content-type": "application/json" }
    const answer = await fetch(`${address}/api/v1/images/scan`, {
      method: "POST",
      headers: own,
      body: JSON.stringify(calls.upload.body)
    })
    const { cdn_url, upload_url } = Schema.decodeUnknownSync(FormerFrontEnd.Upload)(await answer.json())
    expect(upload_url.startsWith(address)).toBe(true)
    const put = await fetch(upload_url, { method: "PUT", headers: { "content-type": "image/png" }, body: photo })
    expect(put.status).toBe(200)
    const submit = await fetch(`${address}/api/v1/scan`, {
      method: "POST",
      headers: own,
      body: JSON.stringify({ image_url: cdn_url })
    })
    const { stream_url } = Schema.decodeUnknownSync(FormerFrontEnd.Submitted)(await submit.json())
    const stream = await EventStream.open(`${address}${stream_url}`, { headers: { cookie } })
    expect(await stream.ended).toBe("ended")
    expect(stream.events.at(-1)?.event).toBe("done")
  })
})
