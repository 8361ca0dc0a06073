/** The page as the gateway answers it: its language, its size, its files, and addresses that do not exist. */
import { describe, expect, it } from "vitest"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { send } from "../../harness/RawRequest.ts"
import { privateRole } from "../PrivateRole.ts"
import { simulatedOnly } from "../Serving.ts"

const gateway = privateRole("gateway", {
  ...simulatedOnly,
  AUTH_MODE: "none",
  SIGN_IN_URL: 'https://accounts.example/in?back={return}&a="b"'
})
const get = (path: string, headers: Readonly<Record<string, string>> = {}) => send(gateway.address, path, { headers })
const languageOf = (body: string) => /<html lang="(\w*)"/.exec(body)?.[1]
const titles = { ko: "이건 어떻게 버리지?", en: "How do I throw this away?" }

const texts: { readonly texts: Readonly<Record<"ko" | "en", Readonly<Record<string, string>>>> } = await import(
  new URL("../../../packages/gateway/src/web/texts.js", import.meta.url).href
)

describe("the page's language", () => {
  it.each<readonly [asked: string, path: string, headers: Readonly<Record<string, string>>, language: "ko" | "en"]>([
    ["nothing", "/", {}, "ko"],
    ["Korean", "/", { "accept-language": "ko-KR,ko;q=0.9,en;q=0.8" }, "ko"],
    ["English", "/", { "accept-language": "en-GB,en;q=0.9,ko;q=0.2" }, "en"],
    ["French alone", "/", { "accept-language": "fr-FR,fr;q=0.9" }, "en"],
    ["any language", "/", { "accept-language": "*" }, "ko"],
    ["English, having chosen Korean", "/", { "accept-language": "en", cookie: "a=b; eco2_language=ko" }, "ko"],
    ["Korean, having chosen English", "/", { "accept-language": "ko", cookie: "eco2_language=en" }, "en"],
    ["an unknown choice", "/", { "accept-language": "en", cookie: "eco2_language=xx" }, "en"],
    ["Korean, by an English address", "/?lang=en", { cookie: "eco2_language=ko" }, "en"]
  ])("the first paint for a reader who asks for %s is in that language", async (_, path, headers, language) => {
    const page = await get(path, headers)
    expect(languageOf(page.body)).toBe(language)
    expect(page.body).toContain(`<h1 data-text="title">${titles[language]}</h1>`)
    expect(String(page.headers.vary).toLowerCase()).toContain("accept-language, cookie")
    const again = await get(path, { ...headers, "if-none-match": String(page.headers.etag) })
    expect(again.status).toBe(304)
  })

  it("each language has an ETag of its own, so that a switch is seen", async () => {
    const [ko, en] = [await get("/", { "accept-language": "ko" }), await get("/", { "accept-language": "en" })]
    expect(ko.headers.etag).not.toBe(en.headers.etag)
    expect((await get("/", { "accept-language": "en", "if-none-match": String(ko.headers.etag) })).status).toBe(200)
  })

  it("both languages have the same texts", () => {
    expect(Object.keys(texts.texts.en).toSorted()).toEqual(Object.keys(texts.texts.ko).toSorted())
  })

  it("every key that a module of the page names has its texts", () => {
    const folder = fileURLToPath(new URL("../../../packages/gateway/src/web/", import.meta.url))
    const named = ["app", "picker", "progress", "result", "rule", "character", "signIn", "draft"].flatMap((module) =>
      [...readFileSync(`${folder}${module}.js`, "utf8").matchAll(/\bt\("([\w.]+)"/g)].map(([, key = ""]) => key)
    )
    expect(named.length).toBeGreaterThan(40)
    expect(named.filter((key) => texts.texts.ko[key] === undefined)).toEqual([])
  })
})

describe("the page's files", () => {
  it("the first load is at most 45 KB in at most 7 requests beside the API's, compressed by br or by gzip", async () => {
    for (const encoding of ["br", "gzip"]) {
      const accept = { "accept-encoding": encoding, "accept-language": "ko" }
      const page = await get("/", accept)
      const plain = (await get("/", { "accept-language": "ko" })).body
      const files = [
        ...new Set([...plain.matchAll(/(?:src|href)="(\/(?:assets\/|manifest)[^"]+)"/g)].map(([, path = ""]) => path))
      ]
        // of phones that put the page on their screen
        .filter((path) => !path.endsWith(".png"))
      const sizes = [page.bytes.length]
      for (const file of files) sizes.push((await get(file, accept)).bytes.length)
      expect(sizes.length).toBeLessThanOrEqual(7)
      expect([encoding, sizes.reduce((sum, size) => sum + size, 0) <= 45_000, sizes]).toEqual([encoding, true, sizes])
    }
  })

  it("the script is one file, and its modules are none", async () => {
    const { body } = await get("/assets/app.js")
    expect(body).not.toMatch(/^(?:import|export)\b/m)
    expect((await get("/assets/i18n.js")).status).toBe(404)
  })

  it("the manifest names icons that are there, and the favicon is one", async () => {
    const manifest: {
      readonly icons: ReadonlyArray<{ readonly src: string; readonly type: string }>
      readonly lang: string
    } = JSON.parse((await get("/manifest.webmanifest", { "accept-language": "en" })).body)
    expect(manifest.lang).toBe("en")
    for (const { src, type } of manifest.icons) {
      const icon = await get(src)
      expect([src, icon.status, icon.headers["content-type"]]).toEqual([src, 200, type])
    }
    expect((await get("/favicon.ico")).headers["content-type"]).toBe("image/png")
  })

  it("the page names where to sign in, escaped", async () => {
    expect((await get("/")).body).toContain(
      'data-sign-in="https://accounts.example/in?back={return}&amp;a=&quot;b&quot;"'
    )
  })
})

describe("an address that does not exist", () => {
  it("an unknown address is a page in the reader's language for a browser, and has status 404", async () => {
    const answer = await get("/nothing", { accept: "text/html,*/*;q=0.8", "accept-language": "en" })
    expect([answer.status, answer.headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"])
    expect(answer.body).toContain(texts.texts.en["missing.title"])
    expect(answer.headers["content-security-policy"]).toContain("default-src 'self'")
  })

  it.each(["//", "//?lang=en", "//:80", "/%", "http://[", "http://x:99999/", "*"])(
    "a target %s that is no address is not found either, by a browser and by a program",
    async (target) => {
      const [page, program] = [await get(target, { accept: "text/html" }), await get(target)]
      expect([page.status, program.status]).toEqual([404, 404])
      expect(page.body).toContain(texts.texts[target.includes("en") ? "en" : "ko"]["missing.title"])
    }
  )

  it.each([
    ["of the API", "/api/v1/nothing", "text/html"],
    ["asked for by a program", "/nothing", "*/*"]
  ])("an unknown address %s is answered with JSON", async (_, path, accept) => {
    const answer = await get(path, { accept })
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([404, "NOT_FOUND"])
  })
})

describe("the description of the API", () => {
  it("/docs is a page without a script, of at most 100 KB, and names every call", async () => {
    const [page, spec] = [await get("/docs"), JSON.parse((await get("/openapi.json")).body)]
    expect(page.body).not.toContain("<script")
    expect(page.bytes.length).toBeLessThan(100_000)
    const paths = Object.keys(spec.paths)
    expect(paths.length).toBeGreaterThan(20)
    expect(paths.filter((path) => !page.body.includes(`<span>${path}</span>`))).toEqual([])
    const links = [...page.body.matchAll(/<li><a href="#[^"]*">([^<]*)</g)].map(([, text = ""]) => text)
    expect(links.length).toBeGreaterThanOrEqual(paths.length)
    expect(links.filter((text) => text.includes("`") || text.length > 90)).toEqual([])
    for (const word of ["IDEMPOTENCY_KEY_REUSED", "retry-after", "last-event-id"]) expect(page.body).toContain(word)
    expect(page.headers["content-security-policy"]).toContain("script-src 'self';")
    const { headers } = spec.paths["/api/v1/scan/categories"].get.responses["200"]
    const { vary } = (await get("/api/v1/scan/categories")).headers
    expect(vary).toMatch(new RegExp(headers.vary.schema.pattern ?? headers.vary.schema.allOf?.[0]?.pattern))
  })
})
