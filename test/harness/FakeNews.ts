/**
 * FakeNews: the outside world of news on loopback: Naver's search, NewsData, a feed, and the publishers' own pages.
 *
 * 110 articles of 34 publishers (`press01.example` … at 127.0.1.1 …), each page answered after 97 to 600 ms; some pages are in
 * EUC-KR, some have 50 MB. 95 have a picture, in every form that pages use. The other 15: five have no tag, three do not answer,
 * two redirect to 169.254.169.254, two to localhost, two to a name that resolves to a private address, one is a PDF.
 * Naver finds 80 (in six searches, each with one article of another search again, with a tracking parameter), NewsData 30 (in
 * three searches). The feed has five others.
 *
 * All of it is one server on 0.0.0.0. Requests that should not have been possible are kept in `trespasses`.
 * Fetch with `guard()`: the names resolve, and of private addresses only the publishers' are allowed.
 */
import { GuardedFetch } from "@eco2/core/net"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { encodeKorean } from "./EncodeKorean.ts"

type Source = "naver" | "newsdata" | "rss"

/** The answer to a call instead of the usual one. */
export type Outcome =
  | {
      readonly _tag: "Http"
      readonly status: number
      readonly body?: string
      readonly headers?: Record<string, string>
    }
  | { readonly _tag: "Hang" }
  | { readonly _tag: "Drop" }

export interface Call {
  readonly source: Source
  readonly url: URL
  readonly headers: IncomingMessage["headers"]
}

export type PageKind = "picture" | "no tag" | "silent" | "metadata" | "localhost" | "inside" | "pdf"

export interface Page {
  readonly index: number
  readonly kind: PageKind
  readonly url: string
  readonly title: string
  readonly latencyMillis: number
  /** The picture to be found on it; null for one of the 15. */
  readonly picture: string | null
}

const pages = 110
const presses = 34
const bigPage = 50 * 1024 * 1024
const without: ReadonlyMap<number, PageKind> = new Map([
  ...[3, 17, 42, 66, 91].map((index) => [index, "no tag"] as const),
  ...[8, 55, 100].map((index) => [index, "silent"] as const),
  ...[12, 70].map((index) => [index, "metadata"] as const),
  ...[25, 83].map((index) => [index, "localhost"] as const),
  ...[31, 97].map((index) => [index, "inside"] as const),
  [49, "pdf"]
])
const subjects = ["투명 페트병 수거", "주택 태양광 보급", "인공지능 선별 로봇", "음식물 감량기", "해상 풍력 단지"]

export class FakeNews {
  readonly port: number
  /** For NAVER_BASE_URL and NEWSDATA_BASE_URL. */
  readonly url: string
  /** For NEWS_FEEDS. */
  readonly feedUrl: string
  readonly pages: ReadonlyArray<Page>
  /** Calls to the sources, in order. */
  readonly calls: Array<Call> = []
  /** Paths of requested pages, in order. */
  readonly visits: Array<string> = []
  /** Requests to hosts that must not be reached. */
  readonly trespasses: Array<string> = []
  /** Addresses connected to through `guard()`. */
  readonly connected: Array<string> = []
  /** The most pages fetched at once, and of one publisher. */
  peak = 0
  peakOfOnePress = 0
  /** Calls to sources that are left unanswered. */
  hanging = 0
  /** Whether pages have their latency; tests of other things turn it off. */
  isSlow = true
  /** Bytes read of the pages with 50 MB, including those in the sockets' buffers. */
  bytesOfBigPages = 0
  /** Pages, by index, that are not answered until `release`. */
  readonly held = new Set<number>()
  readonly #waiting = new Map<number, Array<() => void>>()
  readonly #server: Server
  readonly #next: Record<Source, Array<Outcome>> = { naver: [], newsdata: [], rss: [] }
  readonly #open = new Map<string, number>()
  readonly #fetched = new Map<string, number>()
  readonly #watchers = new Set<() => void>()

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.feedUrl = `${this.url}/feeds/green.xml`
    this.pages = Array.from({ length: pages }, (_, index) => this.#page(index))
    server.on("request", (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response))
  }

  static async start(): Promise<FakeNews> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(0, "0.0.0.0", resolve)
    })
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no TCP address")
    return new FakeNews(server, address.port)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  /** A GuardedFetch that reaches this world. */
  guard(): Layer.Layer<GuardedFetch.GuardedFetch> {
    const guarded = GuardedFetch.layerWith({
      allowPrivate: this.allowPrivate,
      resolve: (host) => Promise.resolve(this.#addressesOf(host)),
      onConnect: (address) => this.connected.push(address)
    })
    const counted = Layer.effect(
      GuardedFetch.GuardedFetch,
      Effect.map(GuardedFetch.GuardedFetch, (service) => ({
        ...service,
        get: (request) =>
          Effect.acquireUseRelease(
            Effect.sync(() => this.#fetchBegun(request.url)),
            () => service.get(request),
            (ended) => Effect.sync(ended)
          )
      }))
    )
    return Layer.provide(counted, guarded)
  }

  /** Counts fetches of pages where they are made: this server hears of a closed connection only after the reader's next request. */
  #fetchBegun(url: string): () => void {
    const host = URL.parse(url)?.hostname ?? ""
    if (!this.pages.some((page) => URL.parse(page.url)?.hostname === host)) return () => undefined
    const change = (by: number) => this.#fetched.set(host, (this.#fetched.get(host) ?? 0) + by)
    change(1)
    this.peakOfOnePress = Math.max(this.peakOfOnePress, this.#fetched.get(host) ?? 0)
    this.peak = Math.max(
      this.peak,
      [...this.#fetched.values()].reduce((sum, count) => sum + count, 0)
    )
    return () => change(-1)
  }

  /** For FETCH_ALLOW_PRIVATE: the publishers' addresses. */
  get allowPrivate(): ReadonlyArray<string> {
    return Array.from({ length: presses }, (_, press) => `127.0.1.${press + 1}:${this.port}`)
  }

  /** All sources on. */
  get env(): Record<string, string> {
    return {
      NAVER_BASE_URL: this.url,
      NAVER_CLIENT_ID: "naver-id",
      NAVER_CLIENT_SECRET: "naver-secret",
      NEWSDATA_BASE_URL: this.url,
      NEWSDATA_API_KEY: "newsdata-secret",
      NEWS_FEEDS: this.feedUrl
    }
  }

  /** Sets the answer of the source's next `times` calls; queued after those already set, or before them. */
  next(source: Source, outcome: Outcome, times = 1, place: "last" | "first" = "last"): void {
    const outcomes = Array.from({ length: times }, () => outcome)
    if (place === "last") this.#next[source].push(...outcomes)
    else this.#next[source].unshift(...outcomes)
  }

  /** Restores the usual answers. */
  clearNext(...sources: ReadonlyArray<Source>): void {
    for (const source of sources.length === 0 ? (["naver", "newsdata", "rss"] as const) : sources)
      this.#next[source].length = 0
  }

  /** Answers the pending requests of this page, and all later ones. */
  release(index: number): void {
    this.held.delete(index)
    for (const answer of this.#waiting.get(index) ?? []) answer()
    this.#waiting.delete(index)
  }

  /** Pages being answered now. */
  get open(): number {
    return [...this.#open.values()].reduce((sum, open) => sum + open, 0)
  }

  /** The `n`th call since start, counted from 1, as soon as it has come. */
  waitForCall(n: number): Promise<Call> {
    return this.#when(() => this.calls[n - 1])
  }

  #addressesOf(host: string): ReadonlyArray<GuardedFetch.Address> {
    const press = /^press(\d\d)\.example$/.exec(host)?.[1]
    if (press !== undefined) return [{ address: `127.0.1.${Number(press)}`, family: 4 }]
    return host === "inside.example" || host === "localhost" ? [{ address: "127.0.0.1", family: 4 }] : []
  }

  #page(index: number): Page {
    const kind = without.get(index) ?? "picture"
    const origin = `http://press${String((index % presses) + 1).padStart(2, "0")}.example:${this.port}`
    return {
      index,
      kind,
      url: `${origin}/articles/${index}`,
      title: `${subjects[index % subjects.length]}, ${index + 1}번째 마을의 이야기`,
      latencyMillis: 97 + ((index * 167) % 504),
      picture:
        kind !== "picture"
          ? null
          : index % 3 === 1
            ? `${origin}/pictures/${index}.jpg`
            : `https://images.example/${index}.jpg?w=640&h=360`
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", `http://${request.headers.host ?? "nobody"}`)
    response.on("error", () => {})
    if (url.hostname === "127.0.0.1") {
      const source = url.pathname.startsWith("/v1/") ? "naver" : url.pathname.startsWith("/api/1/") ? "newsdata" : "rss"
      if (source !== "rss" || url.pathname.startsWith("/feeds/")) return this.#answer(source, url, request, response)
    }
    if (!/^press\d\d\.example$/.test(url.hostname) && !url.hostname.startsWith("127.0.1."))
      this.trespasses.push(url.href)
    const page = this.pages[Number(url.pathname.split("/").at(-1))]
    if (page === undefined) return void response.writeHead(404).end()
    this.visits.push(url.pathname)
    const ofPress = (this.#open.get(url.hostname) ?? 0) + 1
    this.#open.set(url.hostname, ofPress)
    // answered, or given up by the reader: a busy machine hears of a closed socket after the reader's next request
    let over = false
    const leave = () => {
      if (over) return
      over = true
      this.#open.set(url.hostname, (this.#open.get(url.hostname) ?? 1) - 1)
    }
    response.once("finish", leave).once("close", leave)
    if (page.kind === "silent") return
    if (!this.held.has(page.index)) {
      return void setTimeout(() => this.#show(page, response), this.isSlow ? page.latencyMillis : 0)
    }
    const waiting = this.#waiting.get(page.index) ?? []
    this.#waiting.set(page.index, [...waiting, () => this.#show(page, response)])
  }

  #show(page: Page, response: ServerResponse): void {
    const inside = `/articles/0`
    switch (page.kind) {
      case "metadata":
        return void response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end()
      case "localhost":
        return void response.writeHead(301, { location: `http://localhost:${this.port}${inside}` }).end()
      case "inside":
        return void response.writeHead(307, { location: `http://inside.example:${this.port}${inside}` }).end()
      case "pdf":
        return void response
          .writeHead(200, { "content-type": "application/pdf" })
          .end(`<meta property="og:image" content="https://images.example/pdf.jpg">`)
    }
    const isKorean = page.index % 7 === 2
    const html = `<!doctype html>\n<html lang="ko"><head>${isKorean ? '<meta charset="euc-kr">' : ""}<title>${page.title}</title>\n${tag(page)}\n</head><body><h1>${page.title}</h1>`
    response.writeHead(200, { "content-type": isKorean || page.index % 2 ? "text/html" : "text/html; charset=utf-8" })
    response.write(isKorean ? encodeKorean(html) : html)
    if (page.index % 20 !== 7) return void response.end("</body></html>")
    let left = bigPage
    const { socket } = response
    const written = socket?.bytesWritten ?? 0
    response.once("close", () => (this.bytesOfBigPages += (socket?.bytesWritten ?? 0) - written))
    const chunk = Buffer.alloc(64 * 1024, "분 ")
    const more = () => {
      while (left > 0 && !response.destroyed) {
        left -= chunk.length
        if (!response.write(chunk)) return void response.once("drain", more)
      }
      response.end()
    }
    more()
  }

  #answer(source: Source, url: URL, request: IncomingMessage, response: ServerResponse): void {
    this.calls.push({ source, url, headers: request.headers })
    for (const look of this.#watchers) look()
    const outcome = this.#next[source].shift()
    if (outcome?._tag === "Hang") return void this.hanging++
    if (outcome?._tag === "Drop") return void response.destroy()
    if (outcome !== undefined) return void response.writeHead(outcome.status, outcome.headers).end(outcome.body)
    const refused = (status: number, body: unknown) => void response.writeHead(status).end(JSON.stringify(body))
    switch (source) {
      case "naver": {
        if (
          request.headers["x-naver-client-id"] !== "naver-id" ||
          request.headers["x-naver-client-secret"] !== "naver-secret"
        ) {
          return refused(401, { errorMessage: "Authentication failed", errorCode: "024" })
        }
        return void response
          .writeHead(200, { "content-type": "application/json;charset=UTF-8" })
          .end(JSON.stringify(this.#naver(url)))
      }
      case "newsdata": {
        if (url.searchParams.get("apikey") !== "newsdata-secret") {
          return refused(401, { status: "error", results: { message: "API key is invalid", code: "Unauthorized" } })
        }
        return void response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify(this.#newsData(url)))
      }
      case "rss": {
        if (request.headers["if-none-match"] === '"v1"') return void response.writeHead(304, { etag: '"v1"' }).end()
        const headers = {
          "content-type": "application/rss+xml",
          etag: '"v1"',
          "last-modified": "Sat, 21 Nov 2026 00:00:00 GMT"
        }
        return void response.writeHead(200, headers).end(feed(this.url))
      }
    }
  }

  #naver(url: URL) {
    const words = [
      "환경 분리배출 재활용",
      "environment recycling waste",
      "신재생에너지 태양광",
      "renewable energy climate",
      "인공지능 환경",
      "AI sustainability"
    ]
    const asked = words.indexOf(url.searchParams.get("query") ?? "")
    const shown = this.pages.slice(0, 80)
    const own = shown.filter(({ index }) => asked >= 0 && index % 6 === asked)
    const other = shown.filter(({ index }) => asked >= 0 && index % 6 === (asked + 1) % 6).slice(0, 1)
    const item = ({ index, title }: Page, link: string) => ({
      title: title.replace("마을", "<b>마을</b>").replace("이야기", "&quot;이야기&quot;"),
      originallink: link,
      link: `https://n.news.example/mnews/article/001/${index}`,
      description: `${title} &lt;상&gt; 편. <b>분리배출</b> &amp; 재활용`,
      pubDate: rfc822(Date.UTC(2026, 10, 21, 0, index))
    })
    const items = [
      ...own.map((page) => item(page, page.url)),
      ...other.map((page) => item(page, `${page.url}?utm_source=naver`))
    ]
    return {
      lastBuildDate: rfc822(Date.UTC(2026, 10, 21, 9)),
      total: items.length,
      start: 1,
      display: items.length,
      items
    }
  }

  #newsData(url: URL) {
    const words = ["environment recycling waste", "renewable energy climate", "AI sustainability"]
    const asked = words.indexOf(url.searchParams.get("q") ?? "")
    const own = this.pages.slice(80).filter(({ index }) => asked >= 0 && index % 3 === asked)
    const results = own.map((page) => ({
      article_id: `${page.index}`.padStart(32, "a"),
      title: page.title,
      link: page.url,
      keywords: ["recycling", "waste"],
      creator: null,
      video_url: null,
      description: `About &quot;${page.title}&quot;`,
      content: "ONLY AVAILABLE IN PAID PLANS",
      pubDate: new Date(Date.UTC(2026, 10, 21, 0, page.index)).toISOString().slice(0, 19).replace("T", " "),
      pubDateTZ: "UTC",
      image_url: null,
      source_id: "press",
      source_name: `Press ${(page.index % presses) + 1}`,
      source_icon: `https://images.example/icons/${page.index % presses}.png`,
      language: "english",
      country: ["south korea"],
      category: asked === 0 ? ["environment", "top"] : ["technology"],
      ai_tag: "ONLY AVAILABLE IN PROFESSIONAL AND CORPORATE PLANS"
    }))
    return { status: "success", totalResults: results.length, results, nextPage: "1763712000000" }
  }

  #when<A>(look: () => A | undefined): Promise<A> {
    return new Promise((resolve) => {
      const attempt = () => {
        const found = look()
        if (found === undefined) return
        this.#watchers.delete(attempt)
        resolve(found)
      }
      this.#watchers.add(attempt)
      attempt()
    })
  }
}

/** `Sat, 21 Nov 2026 09:30:00 +0900`. */
const rfc822 = (millis: number) => new Date(millis + 9 * 3_600_000).toUTCString().replace("GMT", "+0900")

/** The forms in which pages name their picture. */
const tag = ({ index, picture }: Page): string => {
  if (picture === null) return `<meta name="description" content="og:image">`
  const relative = picture.replace(/^http:\/\/[^/]+/, "").replaceAll("&", "&amp;")
  switch (index % 5) {
    case 0:
      return `<meta property="og:image" content="${relative}">`
    case 1:
      return `<META content='${relative}' property='og:image:url' />`
    case 2:
      return `<meta name="twitter:image" content="${relative}">`
    case 3:
      return `<link rel="image_src" href="${relative}">`
    default:
      return `<meta name=og:image content="${relative}"/><meta name="twitter:image" content="https://images.example/other.jpg">`
  }
}

const feed = (base: string) => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE rss [<!ENTITY inside SYSTEM "file:///etc/passwd">]>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>초록 소식</title><link>${base}</link><image><url>https://images.example/green.png</url><title>상표</title></image>
${[1, 2, 3, 4, 5]
  .map(
    (
      n
    ) => `<item><title><![CDATA[<b>마을</b> 텃밭 &quot;퇴비&quot; ${n}호]]></title><link>http://press01.example/feed/${n}</link>
<guid isPermaLink="false">green-${n}</guid><description>&lt;p&gt;음식물 퇴비&lt;/p&gt; &inside;</description>
<category>환경</category><media:thumbnail url="https://images.example/feed-${n}.jpg"/>
<pubDate>${rfc822(Date.UTC(2026, 10, 21, 1, n))}</pubDate></item>`
  )
  .join("\n")}
</channel></rss>`
