/** Pictures of strangers' pages, on FakeNews; OgImage defines P3 to P5, GuardedFetch G1. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { GuardedFetch } from "@eco2/core/net"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { picturesIn } from "../../../packages/news/src/collect/PagePictures.ts"
import * as OgImage from "../../../packages/news/src/collect/OgImage.ts"
import { FakeNews } from "../../harness/FakeNews.ts"

let news: FakeNews
beforeAll(async () => {
  news = await FakeNews.start()
})
afterAll(() => news.close())

const all = (images: OgImage.OgImage["Service"], urls: ReadonlyArray<string>) =>
  Effect.forEach(urls, images.look, { concurrency: "unbounded" })
const findAll = (urls: ReadonlyArray<string>, env: Record<string, string> = {}, layer = OgImage.layer) =>
  Effect.flatMap(OgImage.OgImage, (images) => all(images, urls)).pipe(
    Effect.provide(
      layer.pipe(Layer.provide(news.guard()), Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
    )
  )

describe("OgImage", () => {
  it.live("P3 looks at 110 pages find 95 pictures, and the 15 others each end as what they are", () =>
    Effect.gen(function* () {
      const before = performance.now()
      // another test checks the time limit: here a slow machine must not decide which page has a picture
      const patient = OgImage.layerWith(Duration.seconds(8))
      const looks = yield* findAll(
        news.pages.map(({ url }) => url),
        {},
        patient
      )
      process.stdout.write(`110 pages in ${Math.round(performance.now() - before)} ms, ${news.peak} at once\n`)
      expect(looks.map(({ picture }) => picture)).toEqual(news.pages.map(({ picture }) => picture))
      const outcomes = { picture: "found", "no tag": "none", silent: "slow", pdf: "other" } as const
      expect(looks.map(({ outcome }) => outcome)).toEqual(
        news.pages.map(({ kind }) => (kind in outcomes ? outcomes[kind as keyof typeof outcomes] : "refused"))
      )
      expect(looks.filter(({ picture }) => picture !== null)).toHaveLength(95)
    })
  )

  it.live("P3 a page that sends nothing for three seconds ends as slow", () =>
    Effect.gen(function* () {
      const silent = news.pages.find(({ kind }) => kind === "silent")!.url
      const before = performance.now()
      expect(yield* findAll([silent])).toEqual([{ picture: null, outcome: "slow" }])
      expect(performance.now() - before).toBeGreaterThan(2_900)
    })
  )

  it("G1 only the presses are connected to, at their own addresses", () => {
    expect(news.trespasses).toEqual([])
    expect([...new Set(news.connected)].filter((address) => !address.startsWith("127.0.1."))).toEqual([])
    expect(new Set(news.connected).size).toBeGreaterThanOrEqual(30)
  })

  it("P4 at least twenty pages are open at once, and two of a press at most", () => {
    expect(news.peak).toBeGreaterThanOrEqual(20)
    expect(news.peak).toBeLessThanOrEqual(40)
    expect(news.peakOfOnePress).toBe(2)
  })

  it.live("a page whose address cannot be public is refused without a look-up", () =>
    Effect.gen(function* () {
      const before = news.connected.length
      const looks = yield* findAll(["https://sample.invalid/1", "http://localhost/", "no url", "http://127.0.0.1/"])
      expect(looks.map(({ outcome }) => outcome)).toEqual(Array(4).fill("refused"))
      expect(news.connected.length).toBe(before)
    })
  )

  it.each<readonly [claim: string, html: string, pictures: ReadonlyArray<string>]>([
    [
      "og before twitter",
      '<meta name="twitter:image" content="/t.jpg"><meta property="og:image" content="/o.jpg">',
      ["/o.jpg", "/t.jpg"]
    ],
    [
      "several in their order",
      '<meta property="og:image" content="/1.jpg"><meta property="og:image" content="/2.jpg">',
      ["/1.jpg", "/2.jpg"]
    ],
    [
      "the secure address before the other",
      '<meta property="og:image" content="/o.jpg"><meta property="OG:image:secure_url" content="/s.jpg">',
      ["/s.jpg", "/o.jpg"]
    ],
    [
      "an empty one is skipped",
      '<meta property="og:image" content=" "><link rel="image_src" href="l.jpg">',
      ["/news/l.jpg"]
    ],
    [
      "resolved against base",
      '<base href="/b/"><meta property="og:image" content="o.jpg?a=1&amp;b=2">',
      ["/b/o.jpg?a=1&b=2"]
    ],
    [
      "not in a comment or a script",
      '<!-- <meta property="og:image" content="/c.jpg"> --><script>"<meta property=og:image content=/s.jpg>"</script>',
      []
    ],
    [
      "no film, no sound, no data, no word for nothing",
      ["/v.mp4", "/a.mp3?x=1", "data:image/png;base64,AAAA", "undefined", "/null", "https://press.example/"]
        .map((address) => `<meta property="og:image" content="${address}">`)
        .join("") + '<meta property="og:image" content="/o.jpg">',
      ["/o.jpg"]
    ],
    [
      "by itemprop",
      '<meta itemprop="image" content="/i.jpg"><link itemprop="image" href="/l.jpg">',
      ["/i.jpg", "/l.jpg"]
    ],
    [
      "in JSON-LD, the largest first",
      `<script type="application/ld+json">{"@graph":[{"@type":"NewsArticle","thumbnailUrl":"/t.jpg","image":[
        {"url":"/small.jpg","width":200},{"url":"/large.jpg","width":"1200"}]}]}</script>`,
      ["/large.jpg", "/small.jpg", "/t.jpg"]
    ],
    ["JSON-LD that is none is skipped", '<script type="application/ld+json">{"image":</script>', []],
    [
      "after those of the head those of the body",
      '<link rel="image_src" href="/h.jpg"></head><body><meta property="og:image" content="/b.jpg">',
      ["/h.jpg", "/b.jpg"]
    ],
    ["in a page without a head", '<body><meta property="og:image" content="/b.jpg">', ["/b.jpg"]],
    ["a head that breaks off", '<meta property="og:image" content="/o.jpg"><meta property="og:im', ["/o.jpg"]],
    ["a wrong address is skipped", '<meta property="og:image" content="http://[">', []]
  ])("the picture of a page: %s", (_, html, pictures) => {
    expect(picturesIn(`<html><head>${html}`, "https://press.example/news/1")).toEqual(
      pictures.map((path) => `https://press.example${path}`)
    )
  })

  it.live("a page that sends no more after its picture's tag is not waited for, and one that goes on is not read", () =>
    Effect.gen(function* () {
      const pages = createServer((request, response) => {
        response.writeHead(200, { "content-type": "text/html" })
        if (request.url === "/head") response.write('<meta property="og:image" content="/o.jpg"></head><body>')
        else response.write('<title>x</title></head><body><p>text</p><meta property="og:image" content="/o.jpg">')
        // the head alone ends the look; a body without an end is read to its limit
        if (request.url !== "/head") response.end("x".repeat(512 * 1024))
      })
      yield* Effect.promise(() => new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve)))
      const { port } = pages.address() as AddressInfo
      const guard = GuardedFetch.layerWith({ allowPrivate: [`127.0.0.1:${port}`] })
      const looks = yield* Effect.flatMap(OgImage.OgImage, (images) =>
        all(images, [`http://127.0.0.1:${port}/head`, `http://127.0.0.1:${port}/body`])
      ).pipe(Effect.provide(OgImage.layerWith(Duration.seconds(20)).pipe(Layer.provide(guard))))
      pages.closeAllConnections()
      pages.close()
      expect(looks).toEqual(Array(2).fill({ picture: `http://127.0.0.1:${port}/o.jpg`, outcome: "found" }))
    })
  )

  it.live("P5 a page's picture is the first whose address is allowed", () =>
    Effect.gen(function* () {
      const refused = [
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "http://127.0.0.1/a.jpg",
        "http://169.254.169.254/a.jpg",
        "http://localhost/a.jpg",
        "https://user:secret@images.example/a.jpg",
        `https://images.example/${"a".repeat(2083)}`
      ]
      const pages = createServer((request, response) => {
        const picture = refused[Number(request.url?.slice(1))]
        response.writeHead(200, { "content-type": "text/html" })
        response.end(
          `<meta property="og:image" content="${picture}"><meta name="twitter:image" content="http://i.example/t.jpg">`
        )
      })
      yield* Effect.promise(() => new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve)))
      const { port } = pages.address() as AddressInfo
      const looks = yield* Effect.flatMap(OgImage.OgImage, (images) =>
        all(
          images,
          refused.map((_, n) => `http://127.0.0.1:${port}/${n}`)
        )
      ).pipe(
        Effect.provide(
          OgImage.layer.pipe(Layer.provide(GuardedFetch.layerWith({ allowPrivate: [`127.0.0.1:${port}`] })))
        )
      )
      pages.close()
      expect(looks.map(({ picture }) => picture)).toEqual(refused.map(() => "http://i.example/t.jpg"))
    })
  )
})
