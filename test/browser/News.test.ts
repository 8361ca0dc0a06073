/** The news page in a real browser, in front of the whole system as `npm start` runs it. */
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest"
import type { Browser, BrowserContextOptions } from "playwright-core"
import { Migrations, Postgres } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { Duration, Effect, Layer } from "effect"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ArticleStore, layer, migrations } from "../../packages/news/src/store/ArticleStore.ts"
import * as Process from "../harness/Process.ts"
import { articles, newestFirst } from "../news/NewsFixture.ts"
import * as Visitor from "./Visitor.ts"

const chromiumPath = inject("chromiumPath")
const artifacts = fileURLToPath(new URL("../.artifacts/", import.meta.url))
const titles = [
  "투명 페트병 따로 모으기, 단독주택까지 넓힌다",
  "지붕 위 태양광, 동네가 함께 쓰는 전기가 되다",
  "쓰레기 사진을 읽는 인공지능, 선별장에 들어서다",
  "Cities weigh what they throw away, and find that half of it could have stayed in use for another decade"
]
const snippet =
  "라벨을 떼고 찌그러뜨려 뚜껑을 닫아 내놓으면 된다. 시는 다음 달부터 수거일을 따로 두고, 모은 것은 다시 병으로 만든다고 밝혔다. 주민들은 봉투가 더 필요하다고 말한다."

describe.skipIf(chromiumPath === "" || !PostgresServer.isInstalled())("The news page", () => {
  const folder = mkdtempSync(join(tmpdir(), "eco2 news page "))
  const asked: Array<string> = []
  const pictures = createServer((request, response) => {
    asked.push(request.url ?? "")
    if (request.url?.includes("missing")) return response.writeHead(404).end()
    const hue = Number(/\d+/.exec(request.url ?? "")?.[0] ?? 0) * 37
    return response
      .writeHead(200, { "content-type": "image/svg+xml" })
      .end(
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9" width="640" height="360"><rect width="16" height="9" fill="hsl(${hue % 360} 45% 60%)"/><circle cx="8" cy="5" r="3" fill="hsl(${hue % 360} 50% 85%)"/></svg>`
      )
  })
  let browser: Browser
  let system: Process.Process
  let database: PostgresServer.PostgresServer
  let expected: ReadonlyArray<string> = []

  beforeAll(async () => {
    mkdirSync(artifacts, { recursive: true })
    await new Promise<void>((resolve) => pictures.listen(0, "127.0.0.1", resolve))
    const at = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}`
    database = await PostgresServer.start()
    const all = articles(40, 0, (n) => ({
      title:
        n === 5
          ? `${titles[3]} `.repeat(3).slice(0, 300)
          : n === 7
            ? "أخبار البيئة والطاقة"
            : `${titles[n % 4]} (${n})`,
      snippet,
      thumbnail_url: n === 3 ? null : n === 1 ? `${at}/missing.jpg` : `${at}/${n}.svg`
    }))
    expected = newestFirst(all).map(({ id }) => id)
    await Effect.runPromise(
      Effect.andThen(
        Migrations.apply(migrations),
        ArticleStore.use((store) => store.save(all))
      ).pipe(
        Effect.provide(
          Layer.provideMerge(layer, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
        )
      )
    )
    ;[browser, system] = await Promise.all([
      Visitor.launch(chromiumPath),
      Process.start("all", {
        ECO2_STATE: folder,
        SIMULATED_MODEL: "true",
        DATABASE_URL: database.url(),
        // the articles of this test alone
        NEWS_SAMPLE: "false"
      })
    ])
  })
  afterAll(async () => {
    await browser?.close()
    await system?.stop()
    await database?.stop()
    pictures.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const visit = async (path: string, options: BrowserContextOptions = {}) => {
    const visitor = await Visitor.visit(browser, `${system.address}${path}`, options)
    onTestFinished(visitor.closeAfter)
    return visitor
  }
  type Visiting = Awaited<ReturnType<typeof visit>>
  const shown = ({ page }: Visiting) =>
    page
      .getByTestId("article")
      .evaluateAll((cards: ReadonlyArray<{ getAttribute: (name: string) => string | null }>) =>
        cards.map((card) => card.getAttribute("data-id"))
      )
  /** A missing picture causes a console error. */
  const troubles = async (visitor: Visiting) => (await visitor.troubles()).filter((text) => !text.includes("404"))
  const picture = ({ page }: Visiting, name: string, fullPage = false) =>
    page.screenshot({ path: join(artifacts, `news-${name}.png`), fullPage })

  it("the news page is linked from the main page, and shows every article once as the reader scrolls to the end", async () => {
    const visitor = await visit("/")
    const { page } = visitor
    await page.getByTestId("news").click()
    await page.getByTestId("article").first().waitFor()
    expect(new URL(page.url()).pathname).toBe("/news")
    await picture(visitor, "wide")
    expect(asked).not.toContain("/39.svg")
    for (let i = 0; i < 50 && !(await page.getByTestId("end").isVisible()); i++) {
      await page.mouse.wheel(0, 4_000)
      await page.waitForTimeout(50)
    }
    expect(await shown(visitor)).toEqual(expected)
    expect(await page.getByTestId("article").nth(1).locator("img").count()).toBe(0)
    expect(await page.getByTestId("article").first().locator("img").getAttribute("alt")).toContain(titles[0])
    expect(await visitor.overhang()).toBe(0)
    expect(await troubles(visitor)).toEqual([])
  })

  it("the news page shows a single category, in the language that is chosen here or on the main page", async () => {
    const visitor = await visit("/news?category=energy")
    const { page } = visitor
    expect(await page.getByTestId("category-energy").getAttribute("aria-current")).toBe("page")
    expect((await shown(visitor)).every((id) => expected.indexOf(String(id)) % 3 === 1)).toBe(true)
    await page.getByTestId("language").click()
    await page.waitForURL(/lang=en/)
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Today in the environment")
    await page.goto(`${system.address}/`)
    expect(await page.getByTestId("news").textContent()).toBe("News")
    await page.getByTestId("news").click()
    await page.waitForURL(/\/news$/)
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Today in the environment")
    expect(await troubles(visitor)).toEqual([])
  })

  it("a title of 300 characters leaves its row as even as others, and a title from right to left begins at the right", async () => {
    const { page } = await visit("/news", { viewport: { width: 1280, height: 900 } })
    await page.getByTestId("article").nth(8).waitFor()
    const boxes = await Promise.all(
      [...Array(9).keys()].map(async (n) => {
        const card = page.getByTestId("article").nth(n)
        return { card: await card.boundingBox(), title: await card.locator(".title").boundingBox() }
      })
    )
    expect(new Set(boxes.map(({ card }) => card?.width)).size).toBe(1)
    const heights = boxes.map(({ title }) => title?.height ?? 0)
    // four lines at most
    expect(Math.max(...heights)).toBeLessThan(4.5 * Math.min(...heights))
    const align = await page.evaluate(
      "getComputedStyle(document.querySelectorAll('[data-testid=article] .title')[7]).direction"
    )
    expect(align).toBe("rtl")
  })

  it("the news page fits a phone of 390 and one of 360 pixels, light and dark, its header in one line", async () => {
    for (const [width, colorScheme, locale] of [
      [390, "light", "ko-KR"],
      [360, "dark", "ko-KR"],
      [360, "light", "en-GB"]
    ] as const) {
      const visitor = await visit("/news", {
        viewport: { width, height: 844 },
        isMobile: true,
        hasTouch: true,
        colorScheme,
        locale
      })
      const heights = [visitor.page.locator(".brand"), visitor.page.locator(".side")].map((part) => part.boundingBox())
      for (const box of await Promise.all(heights)) expect(box?.height).toBeLessThan(48)
      await visitor.page.getByTestId("article").first().waitFor()
      expect(await visitor.overhang()).toBe(0)
      await picture(visitor, `phone-${width}-${colorScheme}`)
    }
  })

  it("the news page without JavaScript leads from page to page by its link", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    onTestFinished(() => context.close())
    const page = await context.newPage()
    await page.goto(`${system.address}/news`)
    const seen: Array<string | null> = []
    for (;;) {
      for (const card of await page.getByTestId("article").all()) seen.push(await card.getAttribute("data-id"))
      if ((await page.getByTestId("more").count()) === 0) break
      await page.getByTestId("more").click()
      await page.waitForLoadState()
    }
    expect(seen).toEqual(expected)
  })

  it("the news page says when the next page cannot be had, and loads it when asked again", async () => {
    const visitor = await visit("/")
    const { page } = visitor
    await page.route(/cursor=/, (route) => route.abort())
    await page.goto(`${system.address}/news`)
    await page.mouse.wheel(0, 10_000)
    await page.getByText("더 불러오지 못했어요").first().waitFor()
    await page.unroute(/cursor=/)
    await page.getByTestId("more").click()
    await page.getByTestId("article").nth(12).waitFor()
  })
})
